// One CTA: its warps take turns; within a warp the group of lanes with the smallest PC runs until it meets another
// group, so that lanes that diverged come together at the earliest instruction they share.
//
// Invariants
//  1. The groups of a warp are disjoint, their union is `live`, and no two have the same PC.
//  2. A warp blocked at a barrier has one group, whose PC is the barrier's.
#include "program.h"
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdio>

namespace ingot::emulator {

Next Warp::fail(const Instr &i, Fault::Kind kind, uint32_t lane, uint64_t address, const char *format, ...) {
  char what[256];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  Fault &f = cta->worker->fault;
  if (f) return Next::fault;
  f.kind = kind;
  f.kernel = cta->program->entry->name;
  f.line = int(i.line);
  f.instruction = cta->program->texts[i.text];
  f.cta = {cta->id[0], cta->id[1], cta->id[2]};
  uint32_t t = index * 32 + lane;
  const auto &block = cta->launch->block;
  f.thread = {t % block[0], t / block[0] % block[1], t / block[0] / block[1]};
  f.lane = lane;
  f.address = address;
  f.what = what;
  return Next::fault;
}

namespace {

uint64_t special_value(const Cta &cta, Special which) {
  const Launch &l = *cta.launch;
  using S = Special;
  switch (which) {
  case S::ntid_x:
    return l.block[0];
  case S::ntid_y:
    return l.block[1];
  case S::ntid_z:
    return l.block[2];
  case S::ctaid_x:
    return cta.id[0];
  case S::ctaid_y:
    return cta.id[1];
  case S::ctaid_z:
    return cta.id[2];
  case S::nctaid_x:
    return l.grid[0];
  case S::nctaid_y:
    return l.grid[1];
  case S::nctaid_z:
    return l.grid[2];
  case S::nwarpid:
    return 64;
  case S::smid:
    return cta.linear % 108;
  case S::nsmid:
    return 108;
  case S::gridid:
    return 1;
  case S::dynamic_smem_size:
    return l.dynamic_shared;
  case S::total_smem_size:
    return cta.shared_bytes;
  case S::dynamic_shared:
  case S::dynamic_shared32:
    return cta.dynamic_shared_at;
  default:
    return 0;
  }
}

uint32_t lane_special(const Cta &cta, Special which, uint32_t warp, uint32_t lane) {
  uint32_t t = warp * 32 + lane, x = cta.launch->block[0], y = cta.launch->block[1], bit = 1u << lane;
  switch (which) {
  case Special::tid_x:
    return t % x;
  case Special::tid_y:
    return t / x % y;
  case Special::tid_z:
    return t / x / y;
  case Special::laneid:
    return lane;
  case Special::warpid:
    return warp;
  case Special::lanemask_eq:
    return bit;
  case Special::lanemask_lt:
    return bit - 1;
  case Special::lanemask_le:
    return bit | (bit - 1);
  case Special::lanemask_gt:
    return ~(bit | (bit - 1));
  case Special::lanemask_ge:
    return ~(bit - 1);
  default:
    return 0;
  }
}

bool by_lane(Special s) {
  return s <= Special::tid_z || s == Special::laneid || s == Special::warpid ||
         (s >= Special::lanemask_eq && s <= Special::lanemask_ge);
}
bool by_cta(Special s) { return (s >= Special::ctaid_x && s <= Special::ctaid_z) || s == Special::smid; }

void fill(Warp &w, const Constant &c, uint64_t value) {
  if (c.wide)
    std::fill_n(w.at<uint64_t>(c.place), 32, value);
  else
    std::fill_n(w.at<uint32_t>(c.place), 32, uint32_t(value));
}

void fill_constant(Cta &cta, Warp &w, const Constant &c) {
  if (c.kind == Constant::value) return fill(w, c, c.bits);
  if (c.kind == Constant::variable) return fill(w, c, c.symbol->address + c.bits);
  Special which = Special(c.bits);
  if (!by_lane(which)) return fill(w, c, special_value(cta, which));
  for (uint32_t l = 0; l < 32; ++l) w.at<uint32_t>(c.place)[l] = lane_special(cta, which, w.index, l);
}

// Lays out the warps' register files for a launch; contents are noise, so that a register read before it is written
// does not look like zero.
void prepare(Cta &cta, uint64_t seed) {
  const Program &p = *cta.program;
  size_t warps = (cta.threads + 31) / 32, words = (p.words + 15) / 16 * 16;
  cta.files.resize(warps * words + 16);
  cta.preds.resize(warps * p.predicates);
  if (cta.warps.size() != warps) cta.warps = std::vector<Warp>(warps);
  uint32_t *base = cta.files.data();
  while (reinterpret_cast<uintptr_t>(base) % 64) ++base;
  if (seed)
    for (uint32_t &word : cta.files) word = 0x7fa5a5a5;
  for (uint32_t k = 0; k < warps; ++k) {
    Warp &w = cta.warps[k];
    w.cta = &cta;
    w.index = k;
    w.file = base + k * words;
    w.pred = cta.preds.data() + k * p.predicates;
    for (const Constant &c : p.constants) fill_constant(cta, w, c);
  }
  cta.prepared = &p;
  cta.prepared_launch = cta.launch;
}

void remove_group(Warp &w, uint32_t at) { w.groups[at] = w.groups[--w.group_count]; }

// Lanes come to `pc`: they join the group that is there, or become one.
void put_group(Warp &w, uint32_t pc, uint32_t mask, bool waiting = false) {
  for (uint32_t k = 0; k < w.group_count; ++k)
    if (w.groups[k].pc == pc) {
      w.groups[k].mask |= mask;
      w.groups[k].waiting = false;
      return;
    }
  w.groups[w.group_count++] = {pc, mask, waiting};
}

// The group to run: smallest PC of those that do not wait for others (any of them, under drift). When all wait, one
// gets its last chance.
Group take_group(Warp &w, bool drift) {
  uint32_t best = ~0u, seen = 0;
  for (uint32_t k = 0; k < w.group_count; ++k) {
    if (w.groups[k].waiting) continue;
    bool better = best == ~0u || w.groups[k].pc < w.groups[best].pc;
    if (drift) better = next_random(w.cta->random) % ++seen == 0;
    if (better) best = k;
  }
  w.last_chance = best == ~0u;
  if (w.last_chance) {
    best = 0;
    for (uint32_t k = 1; k < w.group_count; ++k)
      if (w.groups[k].pc < w.groups[best].pc) best = k;
  }
  Group g = w.groups[best];
  remove_group(w, best);
  return g;
}

// The smallest PC above `pc` where another group stands: running on must stop there.
uint32_t next_meeting(const Warp &w, uint32_t pc) {
  uint32_t limit = ~0u;
  for (uint32_t k = 0; k < w.group_count; ++k)
    if (w.groups[k].pc > pc) limit = std::min(limit, w.groups[k].pc);
  return limit;
}

void release(Cta &cta, Barrier &b) {
  for (uint32_t k = 0; k < cta.warps.size(); ++k) {
    if (!(b.waiting >> k & 1)) continue;
    Warp &w = cta.warps[k];
    const Instr &i = *w.barrier_instr;
    uint32_t mask = w.groups[0].mask;
    if (i.flags == 2)
      for (uint32_t l = 0; l < 32; ++l)
        if (mask >> l & 1) w.at<uint32_t>(i.d)[l] = b.reduce_popc;
    if (i.flags > 2) w.pred[i.d] = (w.pred[i.d] & ~mask) | ((i.flags == 3 ? b.reduce_and : b.reduce_or) & mask);
    ++w.groups[0].pc;
    w.at_barrier = false;
    ++w.sync_epoch;
  }
  if (cta.races) races_join(cta, b.joined, b.waiting);
  b = Barrier();
}

// Complete as soon as the asked-for number of threads came; without a number, when every warp that still runs did.
void release_complete(Cta &cta) {
  for (Barrier &b : cta.barriers) {
    if (!b.joined) continue;
    bool complete = b.expected && b.arrived >= b.expected;
    if (!b.expected) {
      complete = true;
      for (uint32_t k = 0; k < cta.warps.size(); ++k) complete &= !cta.warps[k].live || (b.joined >> k & 1);
    }
    if (complete) release(cta, b);
  }
}

// The warp comes to a barrier with all of its lanes.
Next join_barrier(const Instr &i, Warp &w, uint32_t mask) {
  Cta &cta = *w.cta;
  uint32_t lane = uint32_t(std::countr_zero(mask));
  const uint32_t *ids = w.at<uint32_t>(i.a), *counts = w.at<uint32_t>(i.b);
  uint32_t id = ids[lane], expected = i.x ? counts[lane] : 0;
  for (uint32_t l = lane; l < 32; ++l)
    if ((mask >> l & 1) && (ids[l] != id || (i.x && counts[l] != expected)))
      return w.fail(i, Fault::divergent, l, 0, "lanes of a warp name different barriers");
  if (id > 15) return w.fail(i, Fault::illegal, lane, 0, "barrier %u of 16", id);
  if (i.x && (!expected || expected % 32 || expected > (cta.warps.size() * 32)))
    return w.fail(i, Fault::illegal, lane, 0, "a barrier of %u threads in a CTA of %u", expected, cta.threads);
  Barrier &b = cta.barriers[id];
  if (b.joined && b.expected != expected)
    return w.fail(i, Fault::divergent, lane, 0, "barrier %u is in use with %u threads, not %u", id, b.expected,
                  expected);
  if (b.joined >> w.index & 1) return w.fail(i, Fault::divergent, lane, 0, "the warp arrives twice at barrier %u", id);
  b.expected = expected;
  b.arrived += 32;
  b.joined |= 1u << w.index;
  if (i.flags >= 2) {
    uint32_t p = (w.pred[i.c] ^ i.y) & mask;
    b.reduce_popc += uint32_t(std::popcount(p));
    if (p) b.reduce_or = ~0u;
    if (p != mask) b.reduce_and = 0;
  }
  if (i.flags == 1) return Next::step; // arrive does not block
  b.waiting |= 1u << w.index;
  w.at_barrier = true;
  w.barrier = id;
  w.barrier_instr = &i;
  return Next::barrier;
}

// Some lanes of the group stay behind at a memory instruction. They must not come to it as one group with the others,
// so these run it first; and a group that waited for all its lanes is left alone.
bool drifts_apart(Warp &w, Group &g, const Instr &i) {
  bool memory = i.op_class == OpClass::global || i.op_class == OpClass::shared;
  if (!memory || i.is_sync || !(g.mask & (g.mask - 1)) || w.last_chance || next_random(w.cta->random) % 8) return false;
  uint32_t stay = g.mask & uint32_t(next_random(w.cta->random));
  if (!stay || stay == g.mask) return false;
  for (uint32_t k = 0; k < w.group_count; ++k)
    if (w.groups[k].pc == g.pc) return false;
  w.groups[w.group_count++] = {g.pc, stay, false};
  g.mask &= ~stay;
  return true;
}

// Runs the warp for about `budget` instructions. False on a fault.
bool run_warp(Warp &w, uint32_t budget) {
  Cta &cta = *w.cta;
  Worker &worker = *cta.worker;
  const Instr *code = cta.program->code.data();
  uint64_t *by_class = worker.counters.by_class;
  const uint32_t given = budget;
  const bool drift = worker.options->drift;
  uint8_t *reached = worker.options->coverage ? cta.program->reached.data() : nullptr;
  bool fine = true, stop = false;
  while (w.live && budget && !stop) {
    Group g = take_group(w, drift);
    uint32_t limit = next_meeting(w, g.pc);
    bool keep = true; // the group still exists when the inner loop ends
    while (true) {
      const Instr &i = code[g.pc];
      if (drift && drifts_apart(w, g, i)) limit = next_meeting(w, g.pc);
      uint32_t mask = g.mask & (w.pred[i.guard] ^ i.negate);
      if (reached) std::atomic_ref(reached[g.pc]).store(1, std::memory_order_relaxed);
      by_class[size_t(i.op_class)] += uint32_t(std::popcount(mask));
      --budget;
      Next next = mask ? i.run(i, w, mask) : Next::step;
      if (next == Next::step) {
        w.last_chance = false;
        if (++g.pc == limit || !budget) break;
        continue;
      }
      if (next == Next::branch) {
        if (mask != g.mask) {
          put_group(w, g.pc + 1, g.mask & ~mask);
          g.mask = mask;
        }
        g.pc = i.target;
        w.last_chance = false;
        if (w.group_count || !budget) break;
        continue;
      }
      if (next == Next::jump) {
        if (mask != g.mask) put_group(w, g.pc + 1, g.mask & ~mask);
        if (w.jump_mask != mask) put_group(w, g.pc, mask & ~w.jump_mask);
        g = {w.jump_target, w.jump_mask, false};
        break;
      }
      if (next == Next::exit) {
        w.live &= ~mask;
        g.mask &= ~mask;
        ++g.pc;
        keep = g.mask != 0;
        break;
      }
      if (next == Next::barrier || next == Next::converge) {
        if (next == Next::barrier && mask == w.live) {
          next = join_barrier(i, w, mask);
          if (next == Next::step) {
            if (++g.pc == limit || !budget) break;
            continue;
          }
        } else if (!w.last_chance) { // others may still come here
          if (mask != g.mask) put_group(w, g.pc + 1, g.mask & ~mask);
          put_group(w, g.pc, mask, true);
          keep = false;
          break;
        } else {
          next = w.fail(i, Fault::divergent, uint32_t(std::countr_zero(mask)), 0,
                        "reached by lanes %08x of the warp while lanes %08x are elsewhere", mask, w.live & ~mask);
        }
        if (next == Next::barrier) {
          put_group(w, g.pc, g.mask);
          worker.counters.warp_instructions += given - budget;
          w.executed += given - budget;
          release_complete(cta);
          return true;
        }
      }
      if (next == Next::grid_wait) {
        w.at_grid_wait = true;
        ++budget; // it will run again
        stop = true;
        break;
      }
      fine = false; // Next::fault
      stop = true;
      break;
    }
    if (keep) put_group(w, g.pc, g.mask);
  }
  worker.counters.warp_instructions += given - budget;
  w.executed += given - budget;
  if (!w.live) release_complete(cta);
  return fine;
}

void report_deadlock(Cta &cta) {
  for (Warp &w : cta.warps)
    if (w.live && w.at_barrier) {
      Barrier &b = cta.barriers[w.barrier];
      w.fail(*w.barrier_instr, Fault::deadlock, 0, 0, "every warp waits; here %u of %u threads came to barrier %u",
             b.arrived, b.expected ? b.expected : cta.threads, w.barrier);
      return;
    }
}

} // namespace

void start(Cta &cta, const Launch &launch, uint64_t linear, Worker &worker, uint64_t seed) {
  const Entry &entry = *launch.entry;
  cta.worker = &worker;
  cta.launch = &launch;
  cta.program = entry.program.get();
  cta.linear = linear;
  cta.id[0] = uint32_t(linear % launch.grid[0]);
  cta.id[1] = uint32_t(linear / launch.grid[0] % launch.grid[1]);
  cta.id[2] = uint32_t(linear / launch.grid[0] / launch.grid[1]);
  cta.random = seed ^ linear * 0x2545f4914f6cdd1d;
  cta.threads = launch.block[0] * launch.block[1] * launch.block[2];
  size_t align = entry.dynamic_align;
  cta.dynamic_shared_at = uint32_t((entry.static_shared + align - 1) / align * align);
  cta.shared_bytes = cta.dynamic_shared_at + launch.dynamic_shared;
  cta.shared.resize(cta.shared_bytes + 64);
  cta.state.assign(cta.shared_bytes + 64, 0);
  cta.local.resize(entry.local_bytes * cta.threads);
  if (cta.prepared != cta.program || cta.prepared_launch != &launch)
    prepare(cta, seed);
  else
    for (const Constant &c : cta.program->constants)
      if (c.kind == Constant::special && by_cta(Special(c.bits)))
        for (Warp &w : cta.warps) fill_constant(cta, w, c);
  for (Barrier &b : cta.barriers) b = Barrier();
  for (Warp &w : cta.warps) {
    uint32_t lanes = std::min(32u, cta.threads - w.index * 32);
    w.live = lanes == 32 ? ~0u : (1u << lanes) - 1;
    w.groups[0] = {0, w.live, false};
    w.group_count = 1;
    w.at_barrier = w.at_grid_wait = w.last_chance = false;
    w.carry = w.sync_epoch = 0;
    w.executed = 0;
    w.pred[always] = ~0u;
    w.pred[never] = 0;
    w.copies.clear();
    std::fill_n(w.async_group, 32, 0);
  }
  cta.predecessors_done = true;
  cta.waited = false;
  if (worker.options->races)
    races_start(cta);
  else
    races_stop(cta);
}

CtaEnd run(Cta &cta, Worker &worker) {
  cta.worker = &worker;
  if (worker.last_program != cta.program) {
    worker.last.assign(cta.program->code.size(), nullptr);
    worker.last_program = cta.program;
  }
  const Options &options = *worker.options;
  uint64_t limit = options.instruction_limit ? options.instruction_limit : uint64_t(1) << 36, executed = 0;
  size_t count = cta.warps.size();
  while (true) {
    bool progress = false, waiting = false, alive = false;
    size_t first = options.seed ? next_random(cta.random) % count : 0;
    for (size_t k = 0; k < count; ++k) {
      Warp &w = cta.warps[(first + k) % count];
      if (!w.live) continue;
      alive = true;
      if (w.at_grid_wait && cta.predecessors_done) w.at_grid_wait = false;
      waiting |= w.at_grid_wait;
      if (w.at_barrier || w.at_grid_wait) continue;
      progress = true;
      uint32_t quantum = options.seed ? 8u << next_random(cta.random) % 8 : 2048;
      uint64_t before = w.executed;
      if (!run_warp(w, quantum)) return CtaEnd::fault;
      executed += w.executed - before;
    }
    if (!alive) return CtaEnd::done;
    if (!progress && waiting) return CtaEnd::parked;
    if (!progress) {
      report_deadlock(cta);
      return CtaEnd::fault;
    }
    if (executed > limit || (options.cancel && options.cancel->load(std::memory_order_relaxed))) {
      for (Warp &w : cta.warps)
        if (w.live) {
          const Instr &i = cta.program->code[w.groups[0].pc];
          if (executed > limit)
            w.fail(i, Fault::timeout, 0, 0, "still running after %llu warp instructions",
                   static_cast<unsigned long long>(executed));
          else
            w.fail(i, Fault::cancelled, 0, 0, "cancelled");
          return CtaEnd::fault;
        }
    }
  }
}

} // namespace ingot::emulator
