// What lanes of a warp do together: shfl, vote, match, redux, elect, activemask. Each waits until all lanes of its
// member mask are here; a lane that takes part without being a member, or a value from a lane that takes no part, is a
// fault.
#include "assembler.h"

namespace ingot::emulator {

namespace {

// Every lane is among the members it names, those members name the same ones, and all of them are here. Sets of lanes
// with different members (two half-warps) may execute the instruction together. `place`: the member masks.
Next gather(const Instr &i, Warp &w, uint32_t mask, uint32_t place) {
  const uint32_t *m = w.at<uint32_t>(place);
  uint32_t first = uint32_t(std::countr_zero(mask)), differ = 0, missing = 0;
  each_lane(mask, [&](uint32_t l) {
    differ |= m[l] ^ m[first];
    missing |= m[l] & w.live & ~mask;
  });
  for (uint32_t l = first; l < 32; ++l)
    if ((mask >> l & 1) && !(m[l] >> l & 1))
      return w.fail(i, Fault::divergent, l, 0, "lane %u is not in its own member mask %08x", l, m[l]);
  if (missing) return Next::converge;
  for (uint32_t l = first; differ && l < 32; ++l)
    for (uint32_t k = first; (mask >> l & 1) && k < 32; ++k)
      if ((mask & m[l]) >> k & 1 && m[k] != m[l])
        return w.fail(i, Fault::divergent, l, 0, "lanes %u and %u give different member masks %08x and %08x", l, k,
                      m[l], m[k]);
  return Next::step;
}

// For each set of lanes that name the same members.
template <class F> void each_set(uint32_t mask, const uint32_t *members, F f) {
  while (mask) {
    uint32_t set = mask & members[std::countr_zero(mask)];
    f(set);
    mask &= ~set;
  }
}

enum Shuffle : uint32_t { up, down, bfly, idx };

// shfl.sync.MODE.b32 d{|p}, a, b, c, members: `b` the lane or distance, `c` clamp and segment mask.
Next shuffle(const Instr &i, Warp &w, uint32_t mask) {
  if (Next n = gather(i, w, mask, i.y); n != Next::step) return n;
  const uint32_t *a = w.at<uint32_t>(i.a), *b = w.at<uint32_t>(i.b), *c = w.at<uint32_t>(i.c);
  uint32_t value[32], valid = 0, from[32];
  for (uint32_t l = 0; l < 32; ++l) {
    uint32_t distance = b[l] & 31, clamp = c[l] & 31, segment = c[l] >> 8 & 31;
    uint32_t most = (l & segment) | (clamp & ~segment), least = l & segment, j = 0;
    bool in = false;
    switch (i.x) {
    case up:
      j = l - distance, in = int32_t(j) >= int32_t(most);
      break;
    case down:
      j = l + distance, in = j <= most;
      break;
    case bfly:
      j = l ^ distance, in = j <= most;
      break;
    default:
      j = least | (distance & ~segment), in = j <= most;
      break;
    }
    from[l] = in ? j : l;
    valid |= uint32_t(in) << l;
    value[l] = a[from[l] & 31];
  }
  const uint32_t *members = w.at<uint32_t>(i.y);
  if (mask != ~0u || members[0] != ~0u)
    for (uint32_t l = 0; l < 32; ++l)
      if ((mask >> l & 1) && !((mask & members[l]) >> from[l] & 1))
        return w.fail(i, Fault::inactive_lane, l, 0, "lane %u takes the value of lane %u, which takes no part", l,
                      from[l]);
  uint32_t *d = w.at<uint32_t>(i.d);
  if (mask == ~0u)
    memcpy(d, value, sizeof value);
  else
    each_lane(mask, [&](uint32_t l) { d[l] = value[l]; });
  set_bits(w.pred[i.target], mask, valid);
  return Next::step;
}

Status decode_shfl(Assembler &a, const Statement &s, Instr &i) {
  static const char *names[] = {"shfl.sync.up.b32", "shfl.sync.down.b32", "shfl.sync.bfly.b32", "shfl.sync.idx.b32"};
  bool known = false;
  for (uint32_t k = 0; k < 4; ++k)
    if (s.opcode == names[k]) i.x = k, known = true;
  if (!known) return a.unknown(s);
  INGOT_TRY(a.count(s, 5, 5));
  i.run = shuffle;
  i.op_class = OpClass::warp;
  i.target = pred_sink;
  const Operand &d = s.operands[0];
  if (d.kind == Operand::pair) INGOT_TRY(a.predicate_destination(s, d.parts[1], &i.target));
  INGOT_TRY(a.destination(s, d.kind == Operand::pair ? d.parts[0] : d, 32, &i.d));
  INGOT_TRY(a.source(s, s.operands[1], 32, &i.a));
  INGOT_TRY(a.source(s, s.operands[2], 32, &i.b));
  INGOT_TRY(a.source(s, s.operands[3], 32, &i.c));
  return a.source(s, s.operands[4], 32, &i.y);
}

enum Vote : uint32_t { all, any, uni, ballot };

Next vote(const Instr &i, Warp &w, uint32_t mask) {
  if (Next n = gather(i, w, mask, i.b); n != Next::step) return n;
  uint32_t p = (w.pred[i.a] ^ i.y) & mask, members[32];
  memcpy(members, w.at<uint32_t>(i.b), sizeof members); // the result may stand in their place
  each_set(mask, members, [&](uint32_t set) {
    uint32_t q = p & set;
    if (i.x == ballot)
      each_lane(set, [&](uint32_t l) { w.at<uint32_t>(i.d)[l] = q; });
    else
      set_bits(w.pred[i.d], set, (i.x == all ? q == set : i.x == any ? q != 0 : q == 0 || q == set) ? ~0u : 0);
  });
  return Next::step;
}

Status decode_vote(Assembler &a, const Statement &s, Instr &i) {
  static const char *names[] = {"vote.sync.all.pred", "vote.sync.any.pred", "vote.sync.uni.pred",
                                "vote.sync.ballot.b32"};
  bool known = false;
  for (uint32_t k = 0; k < 4; ++k)
    if (s.opcode == names[k]) i.x = k, known = true;
  if (!known) return a.unknown(s);
  INGOT_TRY(a.count(s, 3, 3));
  i.run = vote;
  i.op_class = OpClass::warp;
  INGOT_TRY(i.x == ballot ? a.destination(s, s.operands[0], 32, &i.d)
                          : a.predicate_destination(s, s.operands[0], &i.d));
  INGOT_TRY(a.predicate_source(s, s.operands[1], &i.a, &i.y));
  return a.source(s, s.operands[2], 32, &i.b);
}

// match.any: which lanes hold my value; match.all: all of them if every lane does, else none.
template <class T> Next match(const Instr &i, Warp &w, uint32_t mask) {
  if (Next n = gather(i, w, mask, i.b); n != Next::step) return n;
  T a[32];
  uint32_t members[32];
  memcpy(a, w.at<T>(i.a), sizeof a);
  memcpy(members, w.at<uint32_t>(i.b), sizeof members);
  each_set(mask, members, [&](uint32_t set) {
    uint32_t equal_all = 0;
    each_lane(set, [&](uint32_t l) {
      uint32_t equal = 0;
      each_lane(set, [&](uint32_t k) { equal |= uint32_t(a[k] == a[l]) << k; });
      if (equal == set) equal_all = set;
      w.at<uint32_t>(i.d)[l] = equal;
    });
    if (!i.x) return;
    each_lane(set, [&](uint32_t l) { w.at<uint32_t>(i.d)[l] = equal_all; });
    set_bits(w.pred[i.target], set, equal_all);
  });
  return Next::step;
}

Status decode_match(Assembler &a, const Statement &s, Instr &i) {
  bool wide = s.opcode.ends_with(".b64");
  if (s.opcode == "match.all.sync.b32" || s.opcode == "match.all.sync.b64")
    i.x = 1;
  else if (s.opcode != "match.any.sync.b32" && s.opcode != "match.any.sync.b64")
    return a.unknown(s);
  INGOT_TRY(a.count(s, 3, 3));
  i.run = wide ? match<uint64_t> : match<uint32_t>;
  i.op_class = OpClass::warp;
  i.target = pred_sink;
  const Operand &d = s.operands[0];
  if (d.kind == Operand::pair && i.x) INGOT_TRY(a.predicate_destination(s, d.parts[1], &i.target));
  INGOT_TRY(a.destination(s, d.kind == Operand::pair && i.x ? d.parts[0] : d, 32, &i.d));
  INGOT_TRY(a.source(s, s.operands[1], wide ? 64 : 32, &i.a));
  return a.source(s, s.operands[2], 32, &i.b);
}

enum Reduction : uint32_t { sum, min_u, max_u, min_s, max_s, bits_and, bits_or, bits_xor };

uint32_t combine(Reduction kind, uint32_t r, uint32_t v) {
  switch (kind) {
  case sum:
    return r + v;
  case min_u:
    return std::min(r, v);
  case max_u:
    return std::max(r, v);
  case min_s:
    return uint32_t(std::min(int32_t(r), int32_t(v)));
  case max_s:
    return uint32_t(std::max(int32_t(r), int32_t(v)));
  case bits_and:
    return r & v;
  case bits_or:
    return r | v;
  case bits_xor:
    break;
  }
  return r ^ v;
}

Next reduce(const Instr &i, Warp &w, uint32_t mask) {
  if (Next n = gather(i, w, mask, i.b); n != Next::step) return n;
  uint32_t a[32], members[32];
  memcpy(a, w.at<uint32_t>(i.a), sizeof a);
  memcpy(members, w.at<uint32_t>(i.b), sizeof members);
  each_set(mask, members, [&](uint32_t set) {
    uint32_t r = a[std::countr_zero(set)];
    each_lane(set & (set - 1), [&](uint32_t l) { r = combine(Reduction(i.x), r, a[l]); });
    each_lane(set, [&](uint32_t l) { w.at<uint32_t>(i.d)[l] = r; });
  });
  return Next::step;
}

Status decode_redux(Assembler &a, const Statement &s, Instr &i) {
  static const std::pair<const char *, Reduction> names[] = {
      {"redux.sync.add.u32", sum},      {"redux.sync.add.s32", sum},    {"redux.sync.min.u32", min_u},
      {"redux.sync.max.u32", max_u},    {"redux.sync.min.s32", min_s},  {"redux.sync.max.s32", max_s},
      {"redux.sync.and.b32", bits_and}, {"redux.sync.or.b32", bits_or}, {"redux.sync.xor.b32", bits_xor}};
  for (auto &[name, kind] : names)
    if (s.opcode == name) i.x = kind, i.run = reduce;
  if (!i.run) return a.unknown(s);
  INGOT_TRY(a.count(s, 3, 3));
  i.op_class = OpClass::warp;
  INGOT_TRY(a.destination(s, s.operands[0], 32, &i.d));
  INGOT_TRY(a.source(s, s.operands[1], 32, &i.a));
  return a.source(s, s.operands[2], 32, &i.b);
}

// The lowest member is elected.
Next elect(const Instr &i, Warp &w, uint32_t mask) {
  if (Next n = gather(i, w, mask, i.a); n != Next::step) return n;
  uint32_t members[32];
  memcpy(members, w.at<uint32_t>(i.a), sizeof members);
  each_set(mask, members, [&](uint32_t set) {
    uint32_t leader = uint32_t(std::countr_zero(set));
    each_lane(set, [&](uint32_t l) { w.at<uint32_t>(i.d)[l] = leader; });
    set_bits(w.pred[i.target], set, 1u << leader);
  });
  return Next::step;
}

Status decode_elect(Assembler &a, const Statement &s, Instr &i) {
  if (s.opcode != "elect.sync") return a.unknown(s);
  INGOT_TRY(a.count(s, 2, 2));
  if (s.operands[0].kind != Operand::pair) return a.error(s, "elect.sync gives d|p");
  i.run = elect;
  i.op_class = OpClass::warp;
  INGOT_TRY(a.destination(s, s.operands[0].parts[0], 32, &i.d));
  INGOT_TRY(a.predicate_destination(s, s.operands[0].parts[1], &i.target));
  return a.source(s, s.operands[1], 32, &i.a);
}

Next active_mask(const Instr &i, Warp &w, uint32_t mask) {
  each_lane(mask, [&](uint32_t l) { w.at<uint32_t>(i.d)[l] = mask; });
  return Next::step;
}

Status decode_activemask(Assembler &a, const Statement &s, Instr &i) {
  if (s.opcode != "activemask.b32") return a.unknown(s);
  INGOT_TRY(a.count(s, 1, 1));
  i.run = active_mask;
  i.op_class = OpClass::warp;
  return a.destination(s, s.operands[0], 32, &i.d);
}

} // namespace

void add_warp(Table &t) {
  t.decoders["shfl"] = decode_shfl;
  t.decoders["vote"] = decode_vote;
  t.decoders["match"] = decode_match;
  t.decoders["redux"] = decode_redux;
  t.decoders["elect"] = decode_elect;
  t.decoders["activemask"] = decode_activemask;
}

} // namespace ingot::emulator
