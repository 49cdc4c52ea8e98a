// cp.async and its groups. A copy is issued, committed into a group and waited for, each by lane; until then its bytes
// of shared memory are pending and nobody may touch them, whenever the data itself arrives: at once, as late as a wait
// allows, or at random, as the run's AsyncCopies says.
#include "access.h"
#include "assembler.h"
#include <algorithm>

namespace ingot::emulator {

namespace {

// Fields: `a` + `imm` where to, `b` + list[0..1] where from, `x` bytes, `c` place of the source size (`y` 1) or
// predicate that ignores the source (`y` 2, negation in `d`).
uint64_t source_offset(const Instr &i, const Warp &w) {
  const uint32_t *at = &w.cta->program->lists[i.list];
  return uint64_t(at[1]) << 32 | at[0];
}

void land(Warp &w, AsyncCopy &copy, uint32_t lanes) {
  uint8_t *shared = w.cta->shared.data();
  each_lane(lanes, [&](uint32_t l) {
    const void *from = reinterpret_cast<const void *>(copy.from[l]);
    if (copy.source_bytes[l] == 16) {
      memcpy(shared + copy.to[l], from, 16);
    } else {
      memcpy(shared + copy.to[l], from, copy.source_bytes[l]);
      memset(shared + copy.to[l] + copy.source_bytes[l], 0, copy.bytes - copy.source_bytes[l]);
    }
  });
}

bool check_source(const Instr &i, Warp &w, uint32_t mask, const AsyncCopy &copy) {
  Addresses s;
  uint32_t whole = 0;
  bool fine = true;
  each_lane(mask, [&](uint32_t l) {
    s.at[l] = copy.from[l];
    if (copy.source_bytes[l] == copy.bytes)
      whole |= 1u << l;
    else if (copy.source_bytes[l] && fine) {
      Access access = w.cta->worker->memory->check(copy.from[l], copy.source_bytes[l], false);
      if (access == Access::ok && copy.from[l] % copy.bytes == 0) return;
      w.fail(i,
             access == Access::uninitialised ? Fault::uninitialised
             : access == Access::ok          ? Fault::misaligned
                                             : Fault::out_of_bounds,
             l, copy.from[l], "copies %u bytes from %s", copy.source_bytes[l],
             access == Access::ok ? "a misaligned address" : name(access));
      fine = false;
    }
  });
  if (!fine || !whole) return fine;
  measure(s, whole, copy.bytes);
  return check_global(i, w, whole, s, copy.bytes, false);
}

Next copy_async(const Instr &i, Warp &w, uint32_t mask) {
  Cta &cta = *w.cta;
  AsyncCopy copy;
  copy.mask = mask;
  copy.bytes = i.x;
  copy.line = i.line;
  Addresses to;
  read_addresses(i, w, i.flags & 1, to);
  uint64_t from = source_offset(i, w);
  const uint64_t *sources = w.at<uint64_t>(i.b);
  bool fine = true;
  each_lane(mask, [&](uint32_t l) {
    uint32_t size = i.y == 1 ? w.at<uint32_t>(i.c)[l] : i.x;
    if (i.y == 2 && ((w.pred[i.c] ^ i.d) >> l & 1)) size = 0;
    if (size > i.x && fine) {
      w.fail(i, Fault::illegal, l, 0, "a source size of %u bytes in a copy of %u", size, i.x);
      fine = false;
    }
    copy.source_bytes[l] = size;
    copy.from[l] = sources[l] + from;
    copy.to[l] = uint32_t(to.at[l]);
  });
  if (!fine) return Next::fault;
  measure(to, mask, i.x);
  if (!check_shared(i, w, mask, to, i.x, true) || !check_source(i, w, mask, copy)) return Next::fault;
  AsyncCopies when = cta.worker->async_copies;
  copy.landed = when == AsyncCopies::eager || (when == AsyncCopies::random && (next_random(cta.random) & 1));
  if (copy.landed) land(w, copy, mask);
  each_lane(mask, [&](uint32_t l) { set_state(cta.state.data() + copy.to[l], i.x, shared_pending); });
  while (mask) { // lanes may be filling different groups
    copy.group = w.async_group[std::countr_zero(mask)];
    copy.mask = 0;
    each_lane(mask, [&](uint32_t l) { copy.mask |= uint32_t(w.async_group[l] == copy.group) << l; });
    w.copies.push_back(copy);
    mask &= ~copy.mask;
  }
  return Next::step;
}

Next commit_group(const Instr &, Warp &w, uint32_t mask) {
  each_lane(mask, [&](uint32_t l) { ++w.async_group[l]; });
  return Next::step;
}

// Waits until at most `imm` of the newest groups of a lane are unfinished; `x`: for everything, committed or not.
Next wait_group(const Instr &i, Warp &w, uint32_t mask) {
  Cta &cta = *w.cta;
  for (AsyncCopy &copy : w.copies) {
    uint32_t ready = 0;
    each_lane(copy.mask & mask, [&](uint32_t l) {
      if (i.x || uint64_t(copy.group) + uint64_t(i.imm) < w.async_group[l]) ready |= 1u << l;
    });
    if (!ready) continue;
    if (!copy.landed) land(w, copy, ready);
    copy.mask &= ~ready;
    Addresses s;
    each_lane(ready, [&](uint32_t l) {
      set_state(cta.state.data() + copy.to[l], copy.bytes, shared_written);
      s.at[l] = copy.to[l];
    });
    if (cta.races && !races_shared(i, w, ready, s.at, copy.bytes, true)) return Next::fault;
  }
  std::erase_if(w.copies, [](const AsyncCopy &copy) { return !copy.mask; });
  return Next::step;
}

Status decode_copy(Assembler &a, const Statement &s, Instr &i) {
  auto m = s.modifiers();
  bool all = m[2] == "ca", policy = false;
  if ((!all && m[2] != "cg") || m.size() < 5 || (m[3] != "shared" && m[3] != "shared::cta") || m[4] != "global")
    return a.unknown(s);
  for (size_t k = 5; k < m.size(); ++k) {
    if (m[k] == "L2::cache_hint")
      policy = true;
    else if (m[k] != "L2::64B" && m[k] != "L2::128B" && m[k] != "L2::256B")
      return a.unknown(s);
  }
  INGOT_TRY(a.count(s, 3 + policy, 4 + policy));
  int64_t bytes, from;
  bool narrow, narrow_source;
  INGOT_TRY(a.integer(s, s.operands[2], &bytes));
  if (bytes != 16 && (!all || (bytes != 4 && bytes != 8)))
    return a.error(s, "a copy of %lld bytes", static_cast<long long>(bytes));
  i.x = uint32_t(bytes);
  INGOT_TRY(a.address(s, s.operands[0], &i.a, &i.imm, &narrow));
  INGOT_TRY(a.address(s, s.operands[1], &i.b, &from, &narrow_source));
  if (narrow_source) return a.error(s, "a 32-bit address of memory that needs 64");
  i.flags = narrow;
  i.list = uint32_t(a.program.lists.size());
  a.program.lists.push_back(uint32_t(from));
  a.program.lists.push_back(uint32_t(uint64_t(from) >> 32));
  if (s.operands.size() == 4u + policy) {
    const Operand &o = s.operands[3];
    const Register *r = o.kind == Operand::name ? a.find_register(o.text) : nullptr;
    i.y = r && r->bits == 1 ? 2 : 1;
    INGOT_TRY(i.y == 2 ? a.predicate_source(s, o, &i.c, &i.d) : a.source(s, o, 32, &i.c));
  }
  i.run = copy_async;
  return {};
}

Status decode_async(Assembler &a, const Statement &s, Instr &i) {
  auto m = s.modifiers();
  i.op_class = OpClass::async;
  if (m.size() < 3 || m[1] != "async") return a.unknown(s);
  if (s.opcode == "cp.async.commit_group") {
    i.run = commit_group;
    return a.count(s, 0, 0);
  }
  if (s.opcode == "cp.async.wait_all") {
    i.run = wait_group;
    i.x = 1;
    return a.count(s, 0, 0);
  }
  if (s.opcode == "cp.async.wait_group") {
    i.run = wait_group;
    INGOT_TRY(a.count(s, 1, 1));
    INGOT_TRY(a.integer(s, s.operands[0], &i.imm));
    return i.imm < 0 ? a.error(s, "a negative number of groups") : Status();
  }
  return decode_copy(a, s, i);
}

} // namespace

void add_async(Table &t) { t.decoders["cp"] = decode_async; }

} // namespace ingot::emulator
