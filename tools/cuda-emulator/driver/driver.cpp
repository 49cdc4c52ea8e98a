// The driver's state: how calls enter and leave, contexts, the loss of one, the log and the report of leaks.
#include "tools/cuda-emulator/driver/driver.h"
#include "runtime/base/cpu.h"
#include "tools/cuda-emulator/driver/errors.h"
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace ingot::emulator {
using namespace cuda;

thread_local CUcontext current_context = nullptr;

const char *name(Call call) {
  static constexpr const char *names[] = {
#define INGOT_CUDA_CALL_NAME(name, parameters) #name,
      INGOT_CUDA_CALLS(INGOT_CUDA_CALL_NAME)
#undef INGOT_CUDA_CALL_NAME
  };
  return names[size_t(call)];
}

Driver::Driver() { configure(getenv("INGOT_EMULATOR")); }

bool Driver::configure(const char *text) {
  sticky = CUDA_ERROR_DEINITIALIZED; // what is alive now is no leak
  close_context();
  sticky = CUDA_SUCCESS;
  initialised = reported_ = false;
  retained = 0;
  all_calls = leaked = chains = copied_in = copied_out = 0;
  calls.fill(0);
  kernels.clear();
  settings = Settings();
  settings_error = parse_settings(text ? text : "", &settings);
  if (!settings_error.ok()) fprintf(stderr, "ingot-cuda-emulator: %s\n", settings_error.message());
  card = card_of(settings);
  if (!settings.threads) settings.threads = usable_cpus();
  return settings_error.ok();
}

// Never destroyed: threads of the program may still call while the process ends.
Driver &Driver::get() {
  static Driver *driver = new Driver;
  return *driver;
}

namespace {
__attribute__((destructor)) void at_exit() { Driver::get().report_exit(); }

void say(const std::string &line) { fprintf(stderr, "ingot-cuda-emulator: %s\n", line.c_str()); }

std::string plural(size_t count, const char *noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}
} // namespace

void Driver::write_log(const std::string &line) {
  if (settings.log.empty()) return;
  FILE *file = fopen(settings.log.c_str(), "a");
  if (!file) return;
  fprintf(file, "%s\n", line.c_str());
  fclose(file);
}

void Driver::write_coverage(const LoadedModule &module) const {
  FILE *file = settings.coverage.empty() || !module.generated ? nullptr : fopen(settings.coverage.c_str(), "a");
  if (!file) return;
  for (auto &entry : module.module.entries)
    for (int line : reached_lines(*entry)) fprintf(file, "%d\n", line);
  fclose(file);
}

CUresult Driver::refuse(CUresult error, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  write_log(std::string("refused: ") + text);
  return error;
}

CUresult Driver::lose(CUresult error, const std::string &why) {
  say(why);
  write_log("fault: " + why);
  if (sticky == CUDA_SUCCESS) sticky = error;
  streams.each([](Stream &stream) { stream.queue.clear(); });
  legacy->queue.clear();
  return sticky;
}

// Is this call forbidden now because a stream captures? Finds the capture that it spoils.
static Capture *forbidding_capture(Driver &driver) {
  std::erase_if(driver.captures, [](const std::weak_ptr<Capture> &weak) {
    auto capture = weak.lock();
    return !capture || capture->ended;
  });
  for (auto &weak : driver.captures)
    if (auto capture = weak.lock())
      if (capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL ||
          (capture->mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && capture->thread == std::this_thread::get_id()))
        return capture.get();
  return nullptr;
}

static CUresult ready_for(Driver &driver, Needs needs) {
  if (needs == Needs::nothing) return CUDA_SUCCESS;
  if (!driver.settings_error.ok()) return CUDA_ERROR_SYSTEM_NOT_READY;
  if (!driver.initialised) return CUDA_ERROR_NOT_INITIALIZED;
  if (needs == Needs::initialised) return CUDA_SUCCESS;
  if (!current_context) return CUDA_ERROR_INVALID_CONTEXT;
  if (current_context != driver.context) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  if (driver.sticky != CUDA_SUCCESS) return driver.sticky;
  if (needs == Needs::uncaptured)
    if (Capture *capture = forbidding_capture(driver)) {
      capture->invalid = true;
      return driver.refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "a call that is forbidden while a stream captures");
    }
  return CUDA_SUCCESS;
}

CUresult Driver::enter(Call call, Needs needs, bool *injected) {
  uint64_t count = ++calls[size_t(call)], total = ++all_calls;
  CUresult error = ready_for(*this, needs);
  for (const Injection &injection : settings.injections) {
    bool hit = injection.call.empty() ? injection.nth == total : injection.call == name(call) && injection.nth == count;
    if (!hit || error != CUDA_SUCCESS) continue;
    *injected = true;
    error = injection.error == CUDA_SUCCESS ? plausible_error(call) : injection.error;
  }
  return error;
}

CUresult Driver::leave(Call call, CUresult result, bool injected) {
  if (injected && is_sticky(result) && context) lose(result, std::string("injected failure of ") + name(call));
  bool failed = result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY;
  if (settings.log.empty() || !(failed || settings.trace)) return result;
  const char *text = error_name(result);
  write_log(std::string(failed ? "failed: " : "call: ") + name(call) + " = " + (text ? text : std::to_string(result)) +
            (injected ? " (injected)" : ""));
  return result;
}

CUresult Driver::open_context() {
  memory.emplace();
  if (Status reserved = memory->reserve(); !reserved.ok())
    return memory.reset(), refuse(CUDA_ERROR_OUT_OF_MEMORY, "%s", reserved.message());
  Options options;
  options.threads = settings.threads;
  options.races = settings.races;
  options.global_races = settings.races > 1;
  options.drift = settings.drift;
  options.mma_products = settings.mma;
  options.coverage = !settings.coverage.empty();
  options.checks = settings.checks;
  options.max_shared = uint32_t(card.shared_per_block_optin);
  machine.emplace(*memory, options);
  context = reinterpret_cast<CUcontext>(uint64_t(HandleKind::context) << 56 | ++contexts << 4);
  random_.seed(settings.seed);
  return CUDA_SUCCESS;
}

void Driver::close_context() {
  if (sticky == CUDA_SUCCESS && live_objects()) {
    leaked += live_objects();
    say("leak: " + live_text() + " alive at the release of the context");
    write_log("leak: " + live_text());
  }
  modules.each([&](const LoadedModule &module) { write_coverage(module); });
  modules.clear(), functions.clear(), graphs.clear(), executables.clear(), events.clear(), streams.clear();
  captures.clear(), device_allocations.clear(), host_allocations.clear();
  *legacy = Stream();
  device_bytes = 0;
  context = nullptr;
  machine.reset();
  memory.reset();
}

size_t Driver::live_objects() const {
  return device_allocations.size() + host_allocations.size() + streams.size() + events.size() + modules.size() +
         graphs.size() + executables.size();
}

std::string Driver::live_text() const {
  auto sum = [](const std::map<uint64_t, size_t> &allocations) {
    size_t total = 0;
    for (auto &[address, bytes] : allocations) total += bytes;
    return total;
  };
  std::string text;
  auto add = [&](size_t count, const char *noun, size_t bytes) {
    if (!count) return;
    text += (text.empty() ? "" : ", ") + plural(count, noun);
    if (bytes) text += " (" + std::to_string(bytes) + " bytes)";
  };
  add(device_allocations.size(), "device allocation", sum(device_allocations));
  add(host_allocations.size(), "pinned allocation", sum(host_allocations));
  add(streams.size(), "stream", 0);
  add(events.size(), "event", 0);
  add(modules.size(), "module", 0);
  add(graphs.size(), "graph", 0);
  add(executables.size(), "executable graph", 0);
  return text;
}

void Driver::report_exit() {
  if (reported_ || !initialised) return;
  reported_ = true;
  if (retained && sticky == CUDA_SUCCESS) {
    std::string text = live_text();
    leaked += live_objects() + 1;
    say("leak: the primary context" + (text.empty() ? "" : ", " + text) + " alive at exit");
    write_log("leak: the primary context" + (text.empty() ? "" : ", " + text));
  }
  for (size_t i = 0; i < size_t(Call::count); ++i)
    if (calls[i]) write_log("count: " + std::string(name(Call(i))) + " " + std::to_string(calls[i]));
  for (auto &[kernel, count] : kernels) {
    std::string line = "kernel: " + kernel + " " + std::to_string(count.launches);
    if (settings.profile)
      line += " ctas " + std::to_string(count.counters.ctas) + " lane_instructions " +
              std::to_string(count.counters.lane_instructions) + " mmas " + std::to_string(count.counters.mmas) +
              " loaded " + std::to_string(count.counters.global_load_bytes) + " stored " +
              std::to_string(count.counters.global_store_bytes);
    write_log(line);
  }
  if (settings.strict_exit && leaked) {
    fflush(nullptr);
    _exit(97);
  }
}

} // namespace ingot::emulator
