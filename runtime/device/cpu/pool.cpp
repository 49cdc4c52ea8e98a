#include "runtime/device/cpu/pool.h"
#include "runtime/base/mxcsr.h"

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstring>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ingot {
namespace {

constexpr uint32_t item_bits = 40;
constexpr uint64_t item_mask = (uint64_t(1) << item_bits) - 1;
constexpr uint64_t number_mask = (uint64_t(1) << (64 - item_bits)) - 1;

// Long enough for the gap between two launches; shorter when threads outnumber processors, where a spinner keeps
// the very worker it waits for from running.
constexpr uint64_t spin_ns = 50000, crowded_spin_ns = 1000;

void futex_wait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t> &word, uint32_t count) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

} // namespace

Status Pool::open(const PoolOptions &options) {
  options_ = options;
  spin_ns_ = options.threads > options.processors ? crowded_spin_ns : spin_ns;
  if (options.threads == 0 || options.threads > 1024)
    return Status::error(Code::usage, "threads: %u is not between 1 and 1024", options.threads);
  size_t scratch = align_up(options.scratch_bytes, 64) + 64, each, total;
  size_t args = align_up(sizeof(ingot_args) + options.most_slots * sizeof(uint64_t), 64);
  if (!checked_add(scratch, args, &each) || !checked_add(each, align_up(options.prepared_bytes, 64), &each) ||
      !checked_mul(align_up(each, 4096), options.threads, &total))
    return Status::error(Code::no_memory, "worker scratch: the sizes overflow");
  each = align_up(each, 4096);
  INGOT_TRY(memory_.take(options.allocator, total, 4096, "worker scratch"));
  INGOT_TRY(workers_.take(options.allocator, options.threads, "workers"));
  for (uint32_t i = 0; i < options.threads; ++i) {
    uint8_t *base = memory_.data() + i * each;
    workers_[i] = {
        this, {}, false, UINT64_MAX, base + args, base + args + scratch, reinterpret_cast<ingot_args *>(base)};
  }
  return start_helpers();
}

Status Pool::start_helpers() {
  // Signals are the host's business: helpers take none.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  for (uint32_t i = 1; i < workers_.size() && !error; ++i) {
    error = options_.start(&workers_[i].thread, nullptr, helper, &workers_[i]);
    workers_[i].started = !error;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error ? Status::error(Code::io, "cannot start a thread: %s", strerrordesc_np(error)) : Status();
}

Pool::~Pool() {
  stop_.store(true);
  epoch_.fetch_add(1);
  futex_wake(epoch_, INT_MAX);
  for (Worker &worker : workers_)
    if (worker.started) pthread_join(worker.thread, nullptr);
}

void *Pool::helper(void *argument) {
  Worker &worker = *static_cast<Worker *>(argument);
  Pool &pool = *worker.pool;
  MxcsrGuard guard;
  uint32_t seen = pool.epoch_.load();
  while (!pool.stop_.load()) {
    if (!pool.work(worker)) seen = pool.wait(seen);
  }
  return nullptr;
}

// Takes and runs one share of the open phase; false when it has none left.
bool Pool::work(Worker &worker) {
  uint64_t state = state_.load(std::memory_order_acquire);
  uint64_t left, count;
  do {
    left = state & item_mask;
    if (left == 0) return false;
    // Guided shares: large at first (streams stay long), single items at the end (workers finish together).
    count = std::max<uint64_t>(1, left / (4 * workers_.size()));
  } while (!state_.compare_exchange_weak(state, state - count, std::memory_order_acquire));
  uint64_t number = state >> item_bits, index = (number - first_) & number_mask, items = phases_[index].items;
  run_items(worker, index, items - left, count);
  // The release makes the items' results visible to whoever opens the next phase, and through it to all. From here on
  // only the one who did the last item may look at the run.
  if (done_.fetch_add(count, std::memory_order_acq_rel) + count == items) {
    if (times_) times_[index].end = options_.clock();
    open_phase((number + 1) & number_mask);
  }
  return true;
}

void Pool::run_items(Worker &worker, uint64_t index, uint64_t begin, uint64_t count) {
  const Phase &phase = phases_[index];
  const ingot_args *args = phase.args;
  uint64_t copy = run_ * (number_mask + 1) + index;
  int32_t failed = 0;
  if (phase.prepare) {
    if (worker.prepared_copy != copy) {
      memcpy(worker.args, args, sizeof(ingot_args) + phase.n_slots * sizeof(uint64_t));
      worker.args->slot[phase.prepared_slot] = reinterpret_cast<uintptr_t>(worker.prepared);
      failed = phase.prepare(worker.args, 0, phase.prepare_items, worker.scratch);
      worker.prepared_copy = copy;
    }
    args = worker.args;
  }
  failed |= phase.kernel(args, begin, begin + count, worker.scratch);
  if (failed) failed_step_.store(phase.step);
}

// Called by one worker at a time: nobody holds items, so nobody reads the run.
void Pool::open_phase(uint64_t number) {
  uint64_t index = (number - first_) & number_mask;
  for (; index < phases_.size() && phases_[index].items == 0; ++index, number = (number + 1) & number_mask)
    if (times_) times_[index] = {};
  bool cancelled = cancel_ && cancel_->load(std::memory_order_relaxed);
  uint64_t items = 0;
  if (index < phases_.size() && !cancelled) {
    items = phases_[index].items;
    if (times_) times_[index].begin = options_.clock();
    done_.store(0, std::memory_order_relaxed);
  } else {
    cancelled_.store(index < phases_.size());
  }
  state_.store(number << item_bits | items);
  if (items == 0) finished_.store(true); // the caller may start the next run from here on
  epoch_.fetch_add(1);
  wake(items ? uint32_t(std::min<uint64_t>(items - 1, INT_MAX)) : INT_MAX);
}

void Pool::wake(uint32_t count) {
  if (count > 0 && sleepers_.load() > 0) futex_wake(epoch_, count);
}

// Returns once the epoch is no longer `seen`: by spinning, then by sleeping.
uint32_t Pool::wait(uint32_t seen) {
  uint64_t until = 0;
  for (uint32_t turn = 1;; ++turn) {
    uint32_t epoch = epoch_.load(std::memory_order_acquire);
    if (epoch != seen) return epoch;
    _mm_pause();
    if (turn % 32 != 0) continue;
    uint64_t now = options_.clock();
    if (until == 0) until = now + spin_ns_;
    if (now >= until) break;
  }
  sleepers_.fetch_add(1);
  while (epoch_.load() == seen) futex_wait(epoch_, seen);
  sleepers_.fetch_sub(1);
  return epoch_.load();
}

Status Pool::run(std::span<const Phase> phases, const std::atomic<bool> *cancel, PhaseTime *times) {
  if (phases.size() >= number_mask) return Status::error(Code::internal, "a run of %zu phases", phases.size());
  MxcsrGuard guard;
  phases_ = phases;
  times_ = times;
  cancel_ = cancel;
  finished_.store(false);
  cancelled_.store(false);
  failed_step_.store(UINT32_MAX);
  uint32_t seen = epoch_.load();
  ++run_;
  first_ = ((state_.load() >> item_bits) + 1) & number_mask;
  open_phase(first_);
  while (!finished_.load()) {
    if (!work(workers_[0]) && !finished_.load()) seen = wait(seen);
  }
  if (cancelled_.load()) return Status::error(Code::cancelled, "cancelled");
  uint32_t step = failed_step_.load();
  if (step != UINT32_MAX) return Status::error(Code::internal, "the kernel of step %u failed", step);
  return {};
}

} // namespace ingot
