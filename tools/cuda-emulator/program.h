// The decoded form of an entry and the state that it runs on.
//
// A warp's register file is one array of 32-bit words: a register of up to 32 bits is 32 consecutive words, one a lane;
// a 64-bit one is 32 consecutive 64-bit words. Immediates, special registers and symbol addresses are registers too,
// filled before the first instruction, so that every operand is "a place in the file".
//
// Invariants
//  1. A register narrower than 32 bits has zeroes above its width in its word.
//  2. Predicate 0 is always true and predicate 1 always false in every lane; predicate 2 and place `sink` are written
//     and never read.
//  3. An instruction runs with a mask that is not empty, and writes no lane outside of it.
#pragma once
#include "machine.h"
#include <cstdarg>
#include <cstring>
#include <span>

namespace ingot::emulator {

struct Instr;
struct Warp;
struct Cta;
struct Worker;

// What the warp's loop does after an instruction.
enum class Next : uint32_t {
  step,
  branch,    // lanes of the mask go to `target`
  jump,      // lanes of Warp::jump_mask go to Warp::jump_target, the others come again
  exit,      // lanes of the mask are done
  converge,  // a .sync instruction waits for other lanes of the warp
  barrier,   // bar.sync, bar.red, bar.arrive
  grid_wait, // griddepcontrol.wait
  fault,
};

using Run = Next (*)(const Instr &, Warp &, uint32_t mask);

struct Instr {
  Run run = nullptr;
  uint32_t d = 0, a = 0, b = 0, c = 0; // places in the register file (or predicates)
  uint32_t x = 0, y = 0;               // further operands, as the instruction likes
  uint32_t list = 0;                   // start of its vector operands in Program::lists
  uint32_t negate = 0;                 // ~0: the guard is negated
  uint16_t guard = 0;
  OpClass op_class = OpClass::integer;
  uint8_t flags = 0;
  bool is_sync = false; // needs lanes together
  uint32_t target = 0;  // of branches
  int64_t imm = 0;
  uint32_t line = 0, text = 0; // `text` indexes Program::texts
};

enum class Special : uint8_t {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid,
  nwarpid,
  smid,
  nsmid,
  gridid,
  lanemask_eq,
  lanemask_lt,
  lanemask_le,
  lanemask_gt,
  lanemask_ge,
  dynamic_smem_size,
  total_smem_size,
  dynamic_shared, // the address of dynamic shared memory
  dynamic_shared32,
};

// A place that holds a value before the first instruction.
struct Constant {
  enum Kind : uint8_t { value, special, variable } kind = value;
  uint32_t place = 0;
  bool wide = false; // 64 bits
  uint64_t bits = 0; // the value, the Special, or an addend to the variable's address
  const Variable *symbol = nullptr;
};

struct Program {
  std::vector<Instr> code;
  std::vector<uint32_t> lists;
  std::vector<std::string> texts;
  std::vector<Constant> constants;
  uint32_t words = 0;      // of a warp's register file
  uint32_t predicates = 3; // of a warp
  const Entry *entry = nullptr;
  mutable std::vector<uint8_t> reached; // Options::coverage: by instruction, written through atomic_ref
};

constexpr uint32_t always = 0, never = 1, pred_sink = 2;
constexpr uint32_t sink = 0; // 64 words at the start of the register file

// Where generic addresses of the windows lie: outside of what a host address can be.
constexpr uint64_t shared_window = uint64_t(0xff) << 48, local_window = uint64_t(0xfe) << 48;
constexpr uint64_t window_size = uint64_t(1) << 32;

struct Group { // lanes of a warp that are at the same instruction
  uint32_t pc, mask;
  bool waiting; // at a .sync instruction, for other lanes
};

// A cp.async of one warp that has not been waited for.
struct AsyncCopy {
  uint32_t mask, bytes, group, line;
  bool landed; // the data is written, though nobody may look yet
  uint32_t to[32], source_bytes[32];
  uint64_t from[32];
};

struct alignas(64) Warp {
  uint32_t *file = nullptr;
  uint32_t *pred = nullptr;
  Cta *cta = nullptr;
  uint32_t index = 0;
  uint32_t live = 0; // lanes that have not exited
  uint32_t carry = 0;
  uint32_t jump_mask = 0, jump_target = 0;
  uint32_t group_count = 0;
  Group groups[32];
  bool last_chance = false; // a waiting group runs though lanes are missing: nobody else can come
  // Where the warp is blocked.
  bool at_barrier = false, at_grid_wait = false;
  uint32_t barrier = 0;
  const Instr *barrier_instr = nullptr;
  uint64_t executed = 0;
  // cp.async: the number of the group now being filled, by lane, and what is in flight.
  uint32_t async_group[32] = {};
  std::vector<AsyncCopy> copies;
  uint32_t sync_epoch = 0; // bar.warp.sync and barriers passed, for the race detector

  template <class T> T *at(uint32_t place) { return reinterpret_cast<T *>(file + place); }
  Next fail(const Instr &i, Fault::Kind kind, uint32_t lane, uint64_t address, const char *format, ...)
      __attribute__((format(printf, 6, 7)));
};

struct Barrier {
  uint32_t expected = 0, arrived = 0; // threads; expected 0: all of the CTA
  uint32_t waiting = 0;               // warps blocked, a bit each
  uint32_t joined = 0;                // warps that arrived or wait
  uint32_t reduce_and = ~0u, reduce_or = 0, reduce_popc = 0;
};

struct RaceShadow;

// What one CTA owns. Shared memory has a byte of state for each of its bytes.
constexpr uint8_t shared_written = 1, shared_pending = 2;
struct Cta {
  Worker *worker = nullptr;
  const Launch *launch = nullptr;
  const Program *program = nullptr;
  std::vector<uint32_t> files, preds;
  std::vector<Warp> warps;
  std::vector<uint8_t> shared, state, local;
  uint32_t shared_bytes = 0, dynamic_shared_at = 0, threads = 0;
  uint32_t id[3] = {};
  uint64_t linear = 0;
  uint64_t random = 1; // of this CTA's own choices
  bool predecessors_done = true, waited = false;
  Barrier barriers[16];
  std::unique_ptr<RaceShadow> races;
  const Program *prepared = nullptr; // whose constants the files hold
  const Launch *prepared_launch = nullptr;

  Cta();
  ~Cta();
};

// A host thread's share of a run.
struct Worker {
  Memory *memory = nullptr;
  const Options *options = nullptr;
  Fault fault;
  Counters counters;
  AsyncCopies async_copies = AsyncCopies::eager;
  std::vector<const Allocation *> last; // the allocation that an instruction touched last, by its index
  const Program *last_program = nullptr;
};

inline uint64_t next_random(uint64_t &state) { // splitmix64, by Steele, Lea and Flood
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

// Is this the execution of a warp-wide .sync instruction by all lanes of `members` that still live?
inline bool all_here(const Warp &w, uint32_t mask, uint32_t members) { return !(members & w.live & ~mask); }

// --- cta.cpp
enum class CtaEnd : uint8_t { done, parked, fault };
// Makes `cta` ready to run block number `linear` of `launch`; keeps its memory from earlier uses.
void start(Cta &cta, const Launch &launch, uint64_t linear, Worker &worker, uint64_t seed);
// Runs until all warps are done or, where griddepcontrol.wait is not yet granted, nothing else can run.
CtaEnd run(Cta &cta, Worker &worker);

// --- races.cpp
void races_start(Cta &cta);
void races_stop(Cta &cta);
// Lanes of `mask` touch `bytes` bytes at at[lane]. False (and the fault is set) when that races. Atomic accesses do not
// race with each other.
bool races_global(const Instr &i, Warp &w, uint32_t mask, const uint64_t *at, uint32_t bytes, bool write, bool atomic);
bool races_shared(const Instr &i, Warp &w, uint32_t mask, const uint64_t *at, uint32_t bytes, bool write,
                  bool atomic = false);
// A barrier completed that warps `arrived` came to and warps `waited` (a subset) left.
void races_join(Cta &cta, uint32_t arrived, uint32_t waited);

} // namespace ingot::emulator
