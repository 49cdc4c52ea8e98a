// Branches, exits, barriers, programmatic dependent launch, fences, and what has no effect here.
#include "assembler.h"
#include <algorithm>
#include <chrono>

namespace ingot::emulator {

namespace {

Next run_branch(const Instr &, Warp &, uint32_t) { return Next::branch; }
Next run_exit(const Instr &, Warp &, uint32_t) { return Next::exit; }
Next run_nothing(const Instr &, Warp &, uint32_t) { return Next::step; }
Next run_trap(const Instr &i, Warp &w, uint32_t mask) {
  return w.fail(i, Fault::trap, uint32_t(std::countr_zero(mask)), 0, "trap");
}
Next run_barrier(const Instr &, Warp &, uint32_t) { return Next::barrier; }

Next run_warp_sync(const Instr &i, Warp &w, uint32_t mask) {
  const uint32_t *members = w.at<uint32_t>(i.a);
  for (uint32_t l = 0; l < 32; ++l) {
    if (!(mask >> l & 1)) continue;
    if (!(members[l] >> l & 1))
      return w.fail(i, Fault::divergent, l, 0, "lane %u is not in its own member mask %08x", l, members[l]);
    if (!all_here(w, mask, members[l])) return Next::converge;
  }
  ++w.sync_epoch;
  return Next::step;
}

Next run_grid_wait(const Instr &, Warp &w, uint32_t) {
  if (!w.cta->predecessors_done) return Next::grid_wait;
  w.cta->waited = true;
  return Next::step;
}

Status decode_bra(Assembler &a, const Statement &s, Instr &i) {
  if (s.opcode != "bra" && s.opcode != "bra.uni") return a.unknown(s);
  INGOT_TRY(a.count(s, 1, 1));
  if (s.operands[0].kind != Operand::name) return a.error(s, "a label expected");
  i.run = run_branch;
  i.op_class = OpClass::branch;
  a.refer(s, s.operands[0].text);
  return {};
}

// brx.idx: lanes that ask for the first lane's target go there; the others execute the instruction again.
Next run_indexed(const Instr &i, Warp &w, uint32_t mask) {
  const uint32_t *a = w.at<uint32_t>(i.a);
  uint32_t first = uint32_t(std::countr_zero(mask)), index = a[first];
  if (index >= i.x) return w.fail(i, Fault::illegal, first, 0, "branch target %u of %u", index, i.x);
  w.jump_target = w.cta->program->lists[i.list + index];
  w.jump_mask = 0;
  each_lane(mask, [&](uint32_t l) { w.jump_mask |= uint32_t(a[l] == index) << l; });
  return Next::jump;
}

Status decode_brx(Assembler &a, const Statement &s, Instr &i) {
  if (s.opcode != "brx.idx" && s.opcode != "brx.idx.uni") return a.unknown(s);
  INGOT_TRY(a.count(s, 2, 2));
  if (s.operands[1].kind != Operand::name) return a.error(s, "the name of a list of branch targets expected");
  i.run = run_indexed;
  i.op_class = OpClass::branch;
  a.refer_list(s, s.operands[1].text);
  return a.source(s, s.operands[0], 32, &i.a);
}

Status decode_exit(Assembler &a, const Statement &s, Instr &i) {
  if (s.opcode != "ret" && s.opcode != "exit" && s.opcode != "ret.uni") return a.unknown(s);
  i.run = run_exit;
  i.op_class = OpClass::branch;
  return a.count(s, 0, 0);
}

Status decode_trap(Assembler &a, const Statement &s, Instr &i) {
  if (s.opcode != "trap") return a.unknown(s);
  i.run = run_trap;
  i.op_class = OpClass::branch;
  return a.count(s, 0, 0);
}

Status barrier_operands(Assembler &a, const Statement &s, Instr &i, size_t at, size_t last) {
  INGOT_TRY(a.source(s, s.operands[at], 32, &i.a));
  i.x = last > at + 1;
  if (i.x) INGOT_TRY(a.source(s, s.operands[at + 1], 32, &i.b));
  return {};
}

// bar.sync, bar.arrive, bar.red, bar.warp.sync and their spellings as barrier{.cta}.*{.aligned}.
Status decode_bar(Assembler &a, const Statement &s, Instr &i) {
  std::string name(s.opcode);
  i.op_class = OpClass::barrier;
  if (name == "bar.warp.sync") {
    INGOT_TRY(a.count(s, 1, 1));
    i.run = run_warp_sync;
    return a.source(s, s.operands[0], 32, &i.a);
  }
  if (name.starts_with("barrier")) name = "bar" + name.substr(7);
  if (name.starts_with("bar.cta.")) name = "bar." + name.substr(8);
  // .aligned says that whole warps come, which is demanded of all here.
  if (size_t at = name.find(".aligned"); at != name.npos) name.erase(at, 8);
  i.run = run_barrier;
  if (name == "bar.sync") {
    INGOT_TRY(a.count(s, 1, 2));
    return barrier_operands(a, s, i, 0, s.operands.size());
  }
  if (name == "bar.arrive") {
    i.flags = 1;
    INGOT_TRY(a.count(s, 2, 2));
    return barrier_operands(a, s, i, 0, 2);
  }
  if (!name.starts_with("bar.red.")) return a.unknown(s);
  INGOT_TRY(a.count(s, 3, 4));
  if (name == "bar.red.popc.u32") {
    i.flags = 2;
    INGOT_TRY(a.destination(s, s.operands[0], 32, &i.d));
  } else if (name == "bar.red.and.pred" || name == "bar.red.or.pred") {
    i.flags = name == "bar.red.and.pred" ? 3 : 4;
    INGOT_TRY(a.predicate_destination(s, s.operands[0], &i.d));
  } else {
    return a.unknown(s);
  }
  INGOT_TRY(a.predicate_source(s, s.operands.back(), &i.c, &i.y));
  return barrier_operands(a, s, i, 1, s.operands.size() - 1);
}

Status decode_griddepcontrol(Assembler &a, const Statement &s, Instr &i) {
  i.op_class = OpClass::barrier;
  if (s.opcode == "griddepcontrol.wait") {
    i.run = run_grid_wait;
    a.entry.waits = true;
  } else if (s.opcode == "griddepcontrol.launch_dependents") {
    i.run = run_nothing;
  } else {
    return a.unknown(s);
  }
  return a.count(s, 0, 0);
}

// Lanes, warps and CTAs see each other's writes at once here, so a fence only has to be spelt right.
Status decode_fence(Assembler &a, const Statement &s, Instr &i) {
  static const char *known[] = {"membar.cta",
                                "membar.gl",
                                "membar.sys",
                                "fence.sc.cta",
                                "fence.sc.gpu",
                                "fence.sc.sys",
                                "fence.acq_rel.cta",
                                "fence.acq_rel.gpu",
                                "fence.acq_rel.sys",
                                "fence.acquire.cta",
                                "fence.release.cta",
                                "fence.acquire.gpu",
                                "fence.release.gpu",
                                "fence.acquire.sys",
                                "fence.release.sys",
                                "fence.sc.cluster",
                                "fence.acq_rel.cluster",
                                "fence.proxy.async"};
  if (std::find(std::begin(known), std::end(known), s.opcode) == std::end(known)) return a.unknown(s);
  i.run = run_nothing;
  i.op_class = OpClass::barrier;
  return a.count(s, 0, 0);
}

Status decode_ignored(Assembler &a, const Statement &s, Instr &i) {
  static const char *known[] = {"prefetch.global.L1",
                                "prefetch.global.L2",
                                "prefetch.L1",
                                "prefetch.L2",
                                "prefetchu.L1",
                                "prefetch.global.L2::evict_last",
                                "prefetch.global.L2::evict_normal",
                                "nanosleep.u32",
                                "pmevent"};
  if (std::find(std::begin(known), std::end(known), s.opcode) == std::end(known)) return a.unknown(s);
  i.run = run_nothing;
  i.op_class = OpClass::special;
  return a.count(s, 1, 1);
}

// createpolicy gives a 64-bit cache policy, which accesses take and nothing here looks at.
Next run_policy(const Instr &i, Warp &w, uint32_t mask) {
  each_lane(mask, [&](uint32_t l) { w.at<uint64_t>(i.d)[l] = 0; });
  return Next::step;
}
Status decode_createpolicy(Assembler &a, const Statement &s, Instr &i) {
  if (!s.opcode.starts_with("createpolicy.fractional.L2::")) return a.unknown(s);
  i.run = run_policy;
  i.op_class = OpClass::special;
  INGOT_TRY(a.count(s, 1, 2));
  return a.destination(s, s.operands[0], 64, &i.d);
}

} // namespace

void add_control(Table &t) {
  t.decoders["bra"] = decode_bra;
  t.decoders["brx"] = decode_brx;
  t.decoders["ret"] = t.decoders["exit"] = decode_exit;
  t.decoders["trap"] = decode_trap;
  t.decoders["bar"] = t.decoders["barrier"] = decode_bar;
  t.decoders["griddepcontrol"] = decode_griddepcontrol;
  t.decoders["membar"] = t.decoders["fence"] = decode_fence;
  t.decoders["prefetch"] = t.decoders["prefetchu"] = t.decoders["nanosleep"] = t.decoders["pmevent"] = decode_ignored;
  t.decoders["createpolicy"] = decode_createpolicy;
}

} // namespace ingot::emulator
