// Runs launches of PTX entries on emulated SMs: warps of 32 lanes in lockstep with min-PC reconvergence, round-robin
// over a CTA's warps, CTAs spread over host threads. Every access is checked; the first wrong thing stops the chain and
// is reported with its place. What hardware leaves open (the order of CTAs and warps, when a cp.async lands, how early
// a dependent launch starts) is drawn from the seed, so that a test with a few seeds sees what a card might do.
//
// Thread-safety: one `run` at a time a Machine; Machines are independent of each other.
#pragma once
#include "memory.h"
#include "module.h"
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ingot::emulator {

struct Launch {
  const Entry *entry = nullptr;
  std::array<uint32_t, 3> grid{1, 1, 1}, block{1, 1, 1};
  uint32_t dynamic_shared = 0;     // bytes
  std::vector<uint8_t> parameters; // entry->parameter_bytes, laid out as entry->parameters says
  // Programmatic dependent launch: may start before the launch ahead of it in the chain has finished (all its CTAs
  // have run griddepcontrol.launch_dependents or exited). False: a full dependency, as plain stream order.
  bool programmatic = false;
};

enum class AsyncCopies : uint8_t { by_seed, eager, late, random };
enum class Dependents : uint8_t { by_seed, in_order, early };

struct Options {
  uint64_t seed = 0;         // 0: the plainest schedule (CTAs and warps in order, copies eager, dependents in order)
  unsigned threads = 1;      // host threads over CTAs
  bool checks = true;        // memory checks
  bool races = false;        // shared-memory race detector; slow
  bool global_races = false; // with `races`: global memory too, between threads of one CTA; slower still
  // Lanes of a warp drift apart between .sync instructions, as independent thread scheduling allows: shows a missing
  // bar.warp.sync, in global memory too. Slower.
  bool drift = false;
  // How many products of floats an mma adds at once, as tensor cores do: 8 as an A100, 16 as an H100 (aligned_sum.h).
  // 0: one after the other in float32, which is neither but plain, and what expected values are made with.
  uint32_t mma_products = 0;
  bool coverage = false; // note which instructions run: reached_lines
  AsyncCopies async_copies = AsyncCopies::by_seed;
  Dependents dependents = Dependents::by_seed;
  uint64_t instruction_limit = 0;            // warp instructions of one CTA before it counts as hung; 0 = 2^36
  const std::atomic<bool> *cancel = nullptr; // becomes true: stop with Fault::cancelled (a watchdog's tests)
  uint32_t max_shared = 232448;              // bytes a CTA, static and dynamic
};

struct Fault {
  enum Kind : uint8_t {
    none,
    launch,        // the launch itself is wrong: sizes, parameter bytes
    out_of_bounds, // no allocation, past its end, or freed  (CUDA_ERROR_ILLEGAL_ADDRESS)
    misaligned,    // (CUDA_ERROR_MISALIGNED_ADDRESS)
    uninitialised, // read of bytes nobody wrote
    pending_copy,  // shared memory touched that an unfinished cp.async will write
    divergent,     // barrier or .sync instruction without all its threads
    inactive_lane, // shfl from a lane that takes no part
    race,          // two warps (or unsynchronised lanes) touch the same shared bytes, one of them writing
    deadlock,      // every warp waits
    trap,          // the kernel's own trap       (CUDA_ERROR_LAUNCH_FAILED)
    illegal,       // an instruction used in a way the ISA forbids (CUDA_ERROR_ILLEGAL_INSTRUCTION)
    timeout,       // instruction_limit passed
    cancelled,
  };
  Kind kind = none;
  std::string kernel;
  int line = 0;            // in the PTX text
  std::string instruction; // as spelt there
  std::array<uint32_t, 3> cta{}, thread{};
  uint32_t lane = 0;
  uint64_t address = 0; // of memory faults; shared ones are offsets
  std::string what;

  explicit operator bool() const { return kind != none; }
  std::string message() const; // one line
};

enum class OpClass : uint8_t {
  integer,
  floating,
  convert,
  move,
  compare,
  branch,
  global,
  shared,
  local,
  parameter,
  async,
  warp,
  matrix,
  barrier,
  special,
  count
};
const char *name(OpClass c);

struct Counters {
  uint64_t warp_instructions = 0;
  uint64_t lane_instructions = 0;                         // by active lanes
  uint64_t by_class[size_t(OpClass::count)] = {};         // lane instructions
  uint64_t mmas = 0;                                      // warp-level mma.sync
  uint64_t global_load_bytes = 0, global_store_bytes = 0; // asked for by lanes, cp.async included
  uint64_t launches = 0, ctas = 0;
  void add(const Counters &other);
};

class Machine {
public:
  Machine(Memory &memory, const Options &options);
  ~Machine();

  // Runs the launches one after the other (but see `programmatic`). The first may be programmatic too: it then depends
  // on nothing. Returns the first fault; memory then holds whatever had been written.
  Fault run(std::span<const Launch> chain, Counters *counters = nullptr);

  Options &options(); // may be changed between runs, except `threads`

private:
  struct State;
  std::unique_ptr<State> state_;
};

// The checks that `run` makes first, for a driver that reports them at launch time: sizes, block limits, shared memory,
// parameter bytes.
Fault check(const Launch &launch, const Options &options);

// Lines of the PTX text, ascending, of the entry's instructions that have run under Options::coverage.
std::vector<int> reached_lines(const Entry &entry);

} // namespace ingot::emulator
