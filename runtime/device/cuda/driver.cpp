#include "runtime/device/cuda/driver.h"

#include <atomic>
#include <cstdlib>
#include <dlfcn.h>

namespace ingot::cuda {
namespace {

struct Symbol {
  const char *name;
  void (**place)();
};

template <class Call> Symbol symbol(const char *name, Call *&place) {
  return {name, reinterpret_cast<void (**)()>(&place)};
}

Status find(void *library, const char *path, const Symbol &symbol) {
  void *address = dlsym(library, symbol.name);
  if (!address)
    return Status::error(Code::unsupported,
                         "the CUDA driver %.120s has no '%s': it is too old or damaged; install NVIDIA driver 525 "
                         "(CUDA %d.%d) or newer",
                         path, symbol.name, oldest_driver / 1000, oldest_driver % 1000 / 10);
  *symbol.place = reinterpret_cast<void (*)()>(address);
  return {};
}

// Nothing works in a context after these.
bool is_final(CUresult result) {
  switch (result) {
  case CUDA_ERROR_DEINITIALIZED:
  case CUDA_ERROR_ECC_UNCORRECTABLE:
  case CUDA_ERROR_NVLINK_UNCORRECTABLE:
  case CUDA_ERROR_CONTAINED:
  case CUDA_ERROR_ILLEGAL_ADDRESS:
  case CUDA_ERROR_LAUNCH_TIMEOUT:
  case CUDA_ERROR_CONTEXT_IS_DESTROYED:
  case CUDA_ERROR_ASSERT:
  case CUDA_ERROR_HARDWARE_STACK_ERROR:
  case CUDA_ERROR_ILLEGAL_INSTRUCTION:
  case CUDA_ERROR_MISALIGNED_ADDRESS:
  case CUDA_ERROR_INVALID_ADDRESS_SPACE:
  case CUDA_ERROR_INVALID_PC:
  case CUDA_ERROR_LAUNCH_FAILED:
  case CUDA_ERROR_TENSOR_MEMORY_LEAK:
  case CUDA_ERROR_MPS_CLIENT_TERMINATED:
    return true;
  default:
    return false;
  }
}

std::atomic<CUcontext> hung_contexts[64];

} // namespace

void note_hang(CUcontext context) {
  for (auto &each : hung_contexts) {
    CUcontext none = nullptr;
    if (each.compare_exchange_strong(none, context) || none == context) return;
  }
}

bool hangs(CUcontext context) {
  for (const auto &each : hung_contexts) {
    CUcontext hung = each.load();
    if (!hung) return false;
    if (hung == context) return true;
  }
  return false;
}

Status Driver::load(void *library, const char *path) {
  // The version first: an old driver lacks symbols, and its version says more than the first one that is missing.
  INGOT_TRY(find(library, path, symbol("cuDriverGetVersion", calls_.cuDriverGetVersion)));
  if (calls_.cuDriverGetVersion(&version_) == CUDA_SUCCESS && version_ < oldest_driver)
    return Status::error(Code::unsupported,
                         "the CUDA driver is too old: it supports CUDA %d.%d, and CUDA %d.%d is needed; install NVIDIA "
                         "driver 525 or newer",
                         version_ / 1000, version_ % 1000 / 10, oldest_driver / 1000, oldest_driver % 1000 / 10);
  const Symbol symbols[] = {
#define INGOT_CUDA_SYMBOL(name, parameters) symbol(#name, calls_.name),
      INGOT_CUDA_CALLS(INGOT_CUDA_SYMBOL)
#undef INGOT_CUDA_SYMBOL
  };
  for (const Symbol &each : symbols) INGOT_TRY(find(library, path, each));
  return {};
}

Status Driver::open() {
  const char *named = getenv("INGOT_CUDA_DRIVER");
  const char *path = named && *named ? named : "libcuda.so.1";
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Status::error(Code::unsupported,
                         "no CUDA driver: %.160s; install the NVIDIA driver, or run on the CPU (--device cpu)",
                         dlerror());
  INGOT_TRY(load(library, path));
  CUresult result = calls_.cuInit(0);
  if (result == CUDA_ERROR_NO_DEVICE)
    return Status::error(Code::unsupported,
                         "no CUDA device: the driver sees no GPU (is CUDA_VISIBLE_DEVICES empty?); run on the CPU "
                         "(--device cpu)");
  return check(result, "cuInit");
}

Status Driver::check(CUresult result, const char *call) {
  if (result == CUDA_SUCCESS) return {};
  const char *name = nullptr, *text = nullptr;
  if (calls_.cuGetErrorName(result, &name) != CUDA_SUCCESS || !name) name = "unknown error";
  if (calls_.cuGetErrorString(result, &text) != CUDA_SUCCESS || !text) text = "the driver does not say more";
  if (is_final(result))
    return lose(Status::error(Code::device_lost,
                              "the GPU is lost: %s answered %d (%.60s: %.120s); nothing more can run on it in this "
                              "process, end it",
                              call, int(result), name, text));
  Code code = result == CUDA_ERROR_OUT_OF_MEMORY ? Code::no_memory : Code::io;
  return Status::error(code, "the CUDA driver: %s failed with %d (%.60s: %.120s)", call, int(result), name, text);
}

} // namespace ingot::cuda
