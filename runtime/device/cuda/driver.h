// The CUDA driver, opened at run time: nothing links against it, so one program runs with and without a GPU.
//
// Invariants
//  1. A call through a Driver that is open never meets a null pointer: open() fails with the name of a missing symbol.
//  2. Every result goes through check(). An error after which the context is of no use (a kernel's wild access, an
//     uncorrectable memory error, ...) is kept: alive() returns it from then on.
// The library is never closed: the driver keeps threads of its own.
#pragma once
#include "runtime/base/status.h"
#include "runtime/device/cuda/driver_api.h"

namespace ingot::cuda {

// CUDA 12.0, driver R525: the oldest that the code in artifacts (PTX ISA 8.0) runs on.
inline constexpr int oldest_driver = 12000;

class Driver {
public:
  // Opens INGOT_CUDA_DRIVER, or else libcuda.so.1, and initialises it. Errors (one line each, with the remedy): no
  // driver, too old (both versions), a symbol that is missing, no device.
  Status open();

  const DriverCalls *operator->() const { return &calls_; }
  // `call` names what returned the result.
  Status check(CUresult result, const char *call);
  Status alive() const { return lost_; }
  Status lose(const Status &status) { return lost_ = status; }
  int version() const { return version_; } // 1000 * major + 10 * minor

private:
  Status load(void *library, const char *path);

  DriverCalls calls_;
  int version_ = 0;
  Status lost_;
};

// Contexts of this process in which a step does not end: no session may call anything in them again. From any threads.
void note_hang(CUcontext context);
bool hangs(CUcontext context);

// A Status from a call: INGOT_TRY(INGOT_CUDA(driver_, cuMemAlloc_v2, &address, bytes)).
#define INGOT_CUDA(driver, call, ...) (driver).check((driver)->call(__VA_ARGS__), #call)

} // namespace ingot::cuda
