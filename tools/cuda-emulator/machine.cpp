// Chains of launches: CTAs over host threads, and how early a programmatic dependent launch starts.
//
// griddepcontrol.wait is the only thing that orders a dependent launch behind the memory of the one ahead. Hardware may
// start the dependent's CTAs as soon as the predecessor's have all triggered or exited, and makes nothing visible
// before the wait. The worst legal order is therefore: CTAs of the dependent run up to their wait (to their end, where
// they have none) before the predecessor has stored anything. That is what `early` does, to all or some of the CTAs,
// before the first or half of the predecessor's; when all CTAs of a launch came to their wait or end, the launch behind
// it may start too, up to `depth` launches ahead.
//
// Invariant: when `run_all(n)` begins, all launches before n are complete and their memory is visible.
#include "machine.h"
#include "program.h"
#include "runtime/base/checked.h"
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <immintrin.h>
#include <map>
#include <mutex>
#include <thread>

namespace ingot::emulator {

namespace {

constexpr size_t most_parked = 192; // CTAs of a launch that run early; parked state is memory
constexpr size_t most_parked_bytes = size_t(96) << 20;
constexpr uint64_t most_ctas = uint64_t(1) << 26;
constexpr size_t depth = 3;

Fault launch_fault(const Launch &launch, const char *format, ...) __attribute__((format(printf, 2, 3)));
Fault launch_fault(const Launch &launch, const char *format, ...) {
  char what[200];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  Fault f;
  f.kind = Fault::launch;
  if (launch.entry) f.kernel = launch.entry->name;
  f.what = what;
  return f;
}

} // namespace

Fault check(const Launch &launch, const Options &options) {
  if (!launch.entry || !launch.entry->program) return launch_fault(launch, "no entry");
  const Entry &e = *launch.entry;
  auto [x, y, z] = launch.block;
  if (!x || !y || !z || x > 1024 || y > 1024 || z > 64 || uint64_t(x) * y * z > 1024)
    return launch_fault(launch, "a block of %u x %u x %u threads", x, y, z);
  if (!launch.grid[0] || !launch.grid[1] || !launch.grid[2] || launch.grid[0] > 0x7fffffff || launch.grid[1] > 65535 ||
      launch.grid[2] > 65535)
    return launch_fault(launch, "a grid of %u x %u x %u blocks", launch.grid[0], launch.grid[1], launch.grid[2]);
  if (uint64_t(launch.grid[0]) * launch.grid[1] > most_ctas / launch.grid[2])
    return launch_fault(launch, "more than %llu blocks are too many for the emulator",
                        static_cast<unsigned long long>(most_ctas));
  if (x * y * z > e.max_threads)
    return launch_fault(launch, "%u threads where the kernel allows %u", x * y * z, e.max_threads);
  for (int k = 0; k < 3 && e.required_block[0]; ++k)
    if (launch.block[k] != e.required_block[k])
      return launch_fault(launch, "a block of %u x %u x %u where the kernel requires %u x %u x %u", x, y, z,
                          e.required_block[0], e.required_block[1], e.required_block[2]);
  size_t shared = align_up(e.static_shared, e.dynamic_align) + launch.dynamic_shared;
  if (shared > options.max_shared)
    return launch_fault(launch, "%zu bytes of shared memory where a block has %u", shared, options.max_shared);
  if (launch.parameters.size() != e.parameter_bytes)
    return launch_fault(launch, "%zu parameter bytes where the kernel takes %zu", launch.parameters.size(),
                        e.parameter_bytes);
  return {};
}

struct Machine::State {
  struct Progress { // of one launch
    std::map<uint64_t, std::unique_ptr<Cta>> parked;
    std::vector<bool> done; // by CTA, once the launch started; empty: nothing has run
    uint64_t finished = 0;
    bool waited = false; // some thread has run griddepcontrol.wait
  };

  Memory &memory;
  Options options;
  std::vector<Worker> workers;
  std::vector<std::vector<std::unique_ptr<Cta>>> spare; // by worker
  // The pool: workers 1.. run `job` when `generation` moves on.
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable wake, rest;
  uint64_t generation = 0;
  size_t busy = 0;
  bool closing = false;
  void (*job)(State &, size_t) = nullptr;
  std::atomic<uint64_t> cursor{0};
  std::atomic<bool> failed{false};
  // What the job is about.
  std::span<const Launch> chain;
  std::vector<Progress> progress;
  size_t current = 0;
  std::vector<uint64_t> todo;
  bool granted = false; // griddepcontrol.wait passes
  uint64_t random = 0;
  uint64_t runs = 0;

  State(Memory &memory, const Options &options)
      : memory(memory), options(options), workers(std::max(1u, options.threads)), spare(workers.size()) {
    for (Worker &w : workers) {
      w.memory = &memory;
      w.options = &this->options;
    }
    for (size_t k = 1; k < workers.size(); ++k) threads.emplace_back([this, k] { serve(k); });
  }
  ~State() {
    {
      std::lock_guard lock(mutex);
      closing = true;
    }
    wake.notify_all();
    for (auto &t : threads) t.join();
  }

  void serve(size_t index) {
    for (uint64_t seen = 0;;) {
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return closing || generation != seen; });
        if (closing) return;
        seen = generation;
      }
      job(*this, index);
      std::lock_guard lock(mutex);
      if (--busy == 0) rest.notify_one();
    }
  }

  void on_all(void (*f)(State &, size_t), size_t items) {
    cursor = 0;
    if (items < 2 || threads.empty()) return f(*this, 0);
    {
      std::lock_guard lock(mutex);
      job = f;
      busy = threads.size();
      ++generation;
    }
    wake.notify_all();
    f(*this, 0);
    std::unique_lock lock(mutex);
    rest.wait(lock, [&] { return busy == 0; });
  }

  // Runs the CTAs of `todo` as far as they get.
  static void work(State &s, size_t index) {
    Worker &worker = s.workers[index];
    auto &spare = s.spare[index];
    const Launch &launch = s.chain[s.current];
    Progress &progress = s.progress[s.current];
    const unsigned mode = _mm_getcsr(); // the caller's may flush subnormals
    _mm_setcsr(0x1f80);
    uint64_t seed = s.options.seed ? s.options.seed * 0x9e3779b97f4a7c15 + s.current : 0;
    for (uint64_t at; !s.failed && (at = s.cursor++) < s.todo.size();) {
      uint64_t id = s.todo[at];
      std::unique_ptr<Cta> cta;
      {
        std::lock_guard lock(s.mutex);
        auto it = progress.parked.find(id);
        if (it != progress.parked.end()) {
          cta = std::move(it->second);
          progress.parked.erase(it);
        }
      }
      if (!cta) {
        if (spare.empty()) spare.push_back(std::make_unique<Cta>());
        cta = std::move(spare.back());
        spare.pop_back();
        start(*cta, launch, id, worker, seed);
        ++worker.counters.ctas;
      }
      cta->predecessors_done = s.granted;
      CtaEnd end = emulator::run(*cta, worker);
      if (end == CtaEnd::fault) s.failed = true;
      if (cta->waited) {
        std::lock_guard lock(s.mutex);
        progress.waited = true;
      }
      if (end == CtaEnd::parked) {
        std::lock_guard lock(s.mutex);
        progress.parked[id] = std::move(cta);
      } else {
        spare.push_back(std::move(cta));
        if (end == CtaEnd::done) {
          std::lock_guard lock(s.mutex);
          progress.done[id] = true;
          ++progress.finished;
        }
      }
    }
    _mm_setcsr(mode);
  }

  uint64_t grid_size(size_t n) const { return uint64_t(chain[n].grid[0]) * chain[n].grid[1] * chain[n].grid[2]; }

  bool run_items(size_t n, bool wait_granted) {
    current = n;
    granted = wait_granted;
    if (progress[n].done.empty()) progress[n].done.resize(grid_size(n));
    on_all(work, todo.size());
    return !failed;
  }

  size_t parked_bytes(size_t n) const {
    const Launch &l = chain[n];
    size_t warps = (size_t(l.block[0]) * l.block[1] * l.block[2] + 31) / 32;
    return warps * l.entry->program->words * 4 + 2 * (l.entry->static_shared + l.dynamic_shared) + 4096;
  }

  // Starts CTAs of launch n before those ahead of it are done. True when all of them came to their wait or end.
  bool run_early(size_t n) {
    uint64_t total = grid_size(n), most = most_parked;
    if (chain[n].entry->waits)
      most = std::min<uint64_t>(most, std::max<size_t>(1, most_parked_bytes / parked_bytes(n)));
    else
      most = total;
    todo.clear();
    bool some = options.dependents == Dependents::by_seed && next_random(random) % 3 == 0;
    uint64_t offset = total > most ? next_random(random) % total : 0;
    for (uint64_t k = 0; k < std::min(total, most); ++k)
      if (!some || next_random(random) % 2) todo.push_back((k + offset) % total);
    if (!run_items(n, false)) return false;
    return progress[n].finished + progress[n].parked.size() == total;
  }

  bool goes_early() {
    if (options.dependents != Dependents::by_seed) return options.dependents == Dependents::early;
    return options.seed && next_random(random) % 4;
  }

  bool run_rest(size_t n, uint64_t share) {
    todo.clear();
    const auto &done = progress[n].done;
    for (uint64_t k = 0; k < share; ++k)
      if (done.empty() || !done[k]) todo.push_back(k);
    if (options.seed)
      for (size_t k = todo.size(); k > 1; --k) std::swap(todo[k - 1], todo[next_random(random) % k]);
    return run_items(n, true);
  }

  // A grid that waits for n waits for n's end alone. It is behind what n overlaps, too, because some thread of n waits.
  bool ends_too_early(size_t n) const {
    return n > 0 && chain[n].programmatic && n + 1 < chain.size() && chain[n + 1].programmatic && !progress[n].waited;
  }

  bool run_launch(size_t n) {
    uint64_t total = grid_size(n);
    if (n + 1 < chain.size() && chain[n + 1].programmatic && progress[n].finished < total && goes_early()) {
      if (options.dependents == Dependents::by_seed && next_random(random) % 3 == 0 && !run_rest(n, total / 2))
        return false;
      for (size_t k = n + 1; k < chain.size() && k <= n + depth && chain[k].programmatic; ++k)
        if (progress[k].finished || !progress[k].parked.empty() || !run_early(k)) break;
      if (failed) return false;
    }
    return progress[n].finished == total || run_rest(n, total);
  }
};

Machine::Machine(Memory &memory, const Options &options) : state_(new State(memory, options)) {}
Machine::~Machine() = default;
Options &Machine::options() { return state_->options; }

Fault Machine::run(std::span<const Launch> chain, Counters *counters) {
  State &s = *state_;
  for (const Launch &l : chain)
    if (Fault f = check(l, s.options)) return f;
  if (s.options.coverage)
    for (const Launch &l : chain) l.entry->program->reached.resize(l.entry->program->code.size());
  s.chain = chain;
  s.progress.clear();
  s.progress.resize(chain.size());
  s.failed = false;
  s.random = s.options.seed + s.runs++;
  AsyncCopies copies = s.options.async_copies;
  if (copies == AsyncCopies::by_seed)
    copies = s.options.seed == 0 ? AsyncCopies::eager : AsyncCopies(1 + s.options.seed % 3);
  for (Worker &w : s.workers) {
    w.fault = Fault();
    w.counters = Counters();
    w.async_copies = copies;
    w.last_program = nullptr;
  }
  for (auto &list : s.spare)
    for (auto &cta : list) cta->prepared = nullptr;
  Fault fault;
  bool fine = true;
  for (size_t n = 0; n < chain.size() && fine; ++n) {
    fine = s.run_launch(n);
    if (fine && s.ends_too_early(n)) {
      fault = launch_fault(chain[n + 1],
                           "%s ahead of it overlaps its own predecessor and ends without a "
                           "griddepcontrol.wait: waiting for it would not be waiting for that one",
                           chain[n].entry->name.c_str());
      fine = false;
    }
  }
  for (Worker &w : s.workers) {
    w.counters.launches = 0;
    if (counters) counters->add(w.counters);
    if (w.fault && !fault) fault = w.fault;
  }
  if (counters) counters->launches += chain.size();
  for (auto &list : s.spare) list.resize(std::min<size_t>(list.size(), 2)); // many were parked
  s.progress.clear();
  return fault;
}

void Counters::add(const Counters &o) {
  warp_instructions += o.warp_instructions;
  for (size_t k = 0; k < size_t(OpClass::count); ++k) {
    by_class[k] += o.by_class[k];
    lane_instructions += o.by_class[k];
  }
  mmas += o.mmas;
  global_load_bytes += o.global_load_bytes;
  global_store_bytes += o.global_store_bytes;
  launches += o.launches;
  ctas += o.ctas;
}

const char *name(OpClass c) {
  static const char *names[] = {"integer", "floating",  "convert", "move", "compare", "branch",  "global",
                                "shared",  "parameter", "async",   "warp", "matrix",  "barrier", "special"};
  return names[size_t(c)];
}

std::string Fault::message() const {
  static const char *kinds[] = {
      "no fault",      "launch", "out of bounds", "misaligned", "uninitialised",       "pending copy", "divergent",
      "inactive lane", "race",   "deadlock",      "trap",       "illegal instruction", "timeout",      "cancelled"};
  char text[512];
  if (kind == none) return kinds[0];
  if (kind == launch) {
    snprintf(text, sizeof text, "kernel %.100s: cannot launch: %s", kernel.c_str(), what.c_str());
  } else {
    snprintf(text, sizeof text,
             "kernel %.100s, PTX line %d, CTA (%u, %u, %u), thread (%u, %u, %u): %s: %s, in '%.120s'", kernel.c_str(),
             line, cta[0], cta[1], cta[2], thread[0], thread[1], thread[2], kinds[kind], what.c_str(),
             instruction.c_str());
  }
  return text;
}

std::vector<int> reached_lines(const Entry &entry) {
  std::vector<int> lines;
  const Program &program = *entry.program;
  for (size_t k = 0; k < program.reached.size(); ++k)
    if (program.reached[k]) lines.push_back(int(program.code[k].line));
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return lines;
}

} // namespace ingot::emulator
