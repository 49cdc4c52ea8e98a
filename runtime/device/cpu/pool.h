// The thread pool: runs a list of phases, each a grid of independent items, on the caller and its helpers.
//
// Invariants
//  1. `state_` holds (phase number, items not yet taken). A worker takes items by a compare-and-swap on it, so a late
//     worker can never take an item of a phase that is over: the value it compares with is gone.
//  2. A phase is over when all its items are done, not when all workers have arrived: a worker that has no processor
//     holds nobody up. Whoever finishes the last item opens the next phase.
//  3. Phase numbers grow for ever (24 bits, compared only for equality); phases_[number - first_] belongs to the run.
//  4. Workers without work spin for a bounded time, then sleep on `epoch_`, which every opening of a phase bumps.
//  5. Nothing is allocated after open(). Workers run with the numerics contract's MXCSR.
#pragma once
#include "runtime/base/allocator.h"
#include "runtime/base/clock.h"
#include "runtime/device/cpu/phase.h"

#include <atomic>
#include <pthread.h>
#include <span>

namespace ingot {

struct PoolOptions {
  uint32_t threads = 1;      // the caller included
  uint32_t processors = 1;   // what the threads may keep busy: fewer than threads makes waiting short
  size_t scratch_bytes = 0;  // a worker's kernel scratch
  size_t prepared_bytes = 0; // a worker's private copy of prepared rows
  uint32_t most_slots = 0;   // of any phase with a private prepare
  Allocator allocator = system_allocator();
  Clock clock = system_clock();
  // Tests fail it: 0 or an errno value, as pthread_create.
  int (*start)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = pthread_create;
};

// What workers write lies on cache lines of its own.
class Pool { // NOLINT(clang-analyzer-optin.performance.Padding)
public:
  Pool() = default;
  Pool(const Pool &) = delete;
  ~Pool();

  Status open(const PoolOptions &options);

  // Runs the phases in order; returns when the last item is done. One run at a time. `cancel` is looked at between
  // phases. `times`: null, or [phases.size()]. Errors: cancelled; internal when a kernel returns other than 0.
  Status run(std::span<const Phase> phases, const std::atomic<bool> *cancel, PhaseTime *times);

  uint32_t threads() const { return uint32_t(workers_.size()); }

private:
  struct alignas(64) Worker {
    Pool *pool;
    pthread_t thread;
    bool started;
    uint64_t prepared_copy; // the run and phase whose private copy this worker holds
    uint8_t *scratch;
    uint8_t *prepared;
    ingot_args *args;
  };

  static void *helper(void *worker);
  bool work(Worker &worker);
  void run_items(Worker &worker, uint64_t index, uint64_t begin, uint64_t count);
  void open_phase(uint64_t number);
  uint32_t wait(uint32_t seen);
  void wake(uint32_t count);
  Status start_helpers();

  PoolOptions options_;
  Array<Worker> workers_;
  Block memory_;
  uint64_t spin_ns_ = 0;

  // One run. Written before the first phase opens, read by workers that hold items.
  std::span<const Phase> phases_;
  PhaseTime *times_ = nullptr;
  const std::atomic<bool> *cancel_ = nullptr;
  uint64_t first_ = 0, run_ = 0;

  alignas(64) std::atomic<uint64_t> state_{0};
  alignas(64) std::atomic<uint64_t> done_{0};
  std::atomic<uint32_t> failed_step_{UINT32_MAX};
  alignas(64) std::atomic<uint32_t> epoch_{0}; // futex
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> finished_{true}, cancelled_{false}, stop_{false};
};

} // namespace ingot
