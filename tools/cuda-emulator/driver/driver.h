// The state of the emulated driver: equal cards, of which one at a time has a primary context, everything alive in it,
// and the way every call enters (`call`): counted, refused when it comes too early, without a context, after a sticky
// error or inside a capture, failed when the settings say so, logged.
//
// Invariants
// 1. One lock is held by every call from start to end, also while kernels run; only a hung kernel lets it go.
// 2. After a fault the context is lost: queues are dropped and every later call on the context returns the same error.
// 3. A failing destroying call destroys all the same: an error must not become a leak that nobody can mend.
// 4. With one interpreter thread, equal settings and equal calls give equal results, seeds included.
#pragma once
#include "tools/cuda-emulator/driver/card.h"
#include "tools/cuda-emulator/driver/handles.h"
#include "tools/cuda-emulator/driver/settings.h"
#include "tools/cuda-emulator/driver/work.h"
#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>

namespace ingot::emulator {

enum class Call : uint8_t {
#define INGOT_CUDA_CALL_ID(name, parameters) name,
  INGOT_CUDA_CALLS(INGOT_CUDA_CALL_ID)
#undef INGOT_CUDA_CALL_ID
      count
};
const char *name(Call call);

// What a call asks of the driver's state. `uncaptured`: forbidden while a capture is under way, by the capture's mode.
enum class Needs : uint8_t { nothing, initialised, context, uncaptured };

struct KernelCount {
  uint64_t launches = 0;
  Counters counters; // with profile=1
};

class Driver {
public:
  Driver();
  static Driver &get(); // lives until the process ends

  std::mutex mutex;
  Settings settings;
  Status settings_error;
  Card card;
  bool initialised = false;

  // The primary context. `serial` changes with every first retain, so that an old handle is known as destroyed.
  unsigned retained = 0;
  cuda::CUdevice device = 0; // whose it is
  cuda::CUcontext context = nullptr;
  uint64_t contexts = 0;
  cuda::CUresult sticky = cuda::CUDA_SUCCESS;

  std::optional<Memory> memory; // of the context
  std::optional<Machine> machine;
  std::map<uint64_t, size_t> device_allocations, host_allocations;
  size_t device_bytes = 0;
  Handles<Stream, cuda::CUstream, HandleKind::stream> streams;
  Handles<Event, cuda::CUevent, HandleKind::event> events;
  Handles<LoadedModule, cuda::CUmodule, HandleKind::module> modules;
  Handles<Function, cuda::CUfunction, HandleKind::function> functions;
  Handles<Graph, cuda::CUgraph, HandleKind::graph> graphs;
  Handles<Graph, cuda::CUgraphExec, HandleKind::executable> executables;
  std::vector<std::weak_ptr<Capture>> captures;
  std::shared_ptr<Stream> legacy = std::make_shared<Stream>(); // stands for the null stream

  std::array<uint64_t, size_t(Call::count)> calls{};
  uint64_t all_calls = 0;
  uint64_t copied_in = 0, copied_out = 0; // bytes that copies to and from the device were asked for
  bool injecting = false; // the body runs only to give something back: its result is replaced by the injected error
  uint64_t leaked = 0;    // objects alive when their context went, summed
  std::map<std::string, KernelCount> kernels;
  uint64_t chains = 0;

  bool configure(const char *text); // everything back to the start, with these settings
  cuda::CUresult open_context();    // the first retain
  void close_context();             // the last release: reports and counts what is still alive
  size_t live_objects() const;      // allocations and handles but not functions, which belong to modules
  std::string live_text() const;    // "2 device allocations (1,024 bytes), 1 stream"
  void report_exit();               // leaks and the log's summary, once

  // Loses the context: `error` is what every later call returns. One line to stderr and the log.
  cuda::CUresult lose(cuda::CUresult error, const std::string &why);
  // A line in the log for a refusal whose reason the error's number does not tell; returns `error`.
  cuda::CUresult refuse(cuda::CUresult error, const char *format, ...) __attribute__((format(printf, 3, 4)));

  // What stands before and after the body of a call.
  cuda::CUresult enter(Call call, Needs needs, bool *injected);
  cuda::CUresult leave(Call call, cuda::CUresult result, bool injected);

  uint64_t draw(uint64_t below) { return random_() % below; }
  void write_log(const std::string &line);
  void write_coverage(const LoadedModule &module) const; // when it goes

private:
  std::mt19937_64 random_;
  bool reported_ = false;
};

bool is_sticky(cuda::CUresult error);
// Does the call give something back to the driver? Then an injected error comes after the deed.
bool destroys(Call call);

// `body(Driver &, Lock &)` does the work; it may let the lock go while nothing can proceed.
using Lock = std::unique_lock<std::mutex>;
template <typename Body> cuda::CUresult call(Call id, Needs needs, Body &&body) {
  Driver &driver = Driver::get();
  Lock lock(driver.mutex);
  bool injected = false;
  cuda::CUresult result = driver.enter(id, needs, &injected);
  if (result == cuda::CUDA_SUCCESS) {
    result = body(driver, lock);
  } else if (injected && destroys(id)) {
    driver.injecting = true;
    (void)body(driver, lock);
    driver.injecting = false;
  }
  return driver.leave(id, result, injected);
}

// The current context of this thread.
extern thread_local cuda::CUcontext current_context;

} // namespace ingot::emulator

namespace ingot::cuda {
#define INGOT_CUDA_EXPORT(name, parameters) extern "C" __attribute__((visibility("default"))) CUresult name parameters;
INGOT_CUDA_CALLS(INGOT_CUDA_EXPORT)
#undef INGOT_CUDA_EXPORT
} // namespace ingot::cuda
