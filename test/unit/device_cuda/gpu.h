// The emulated GPU for tests of single parts.
#pragma once
#include "runtime/device/cuda/memory.h"
#include "test/unit/device_cuda/emulator.h"

#include <gtest/gtest.h>

namespace ingot::cuda {

// A context, a stream, and memory that goes when the test ends.
struct Gpu {
  Driver driver;
  CUcontext context = nullptr;
  CUstream stream = nullptr;
  DeviceMemory memory;

  explicit Gpu(const char *settings = "") {
    test::emulate(settings);
    EXPECT_TRUE(memory.open(system_allocator(), 8).ok());
    EXPECT_TRUE(driver.open().ok());
    EXPECT_EQ(driver->cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    EXPECT_EQ(driver->cuCtxSetCurrent(context), CUDA_SUCCESS);
    EXPECT_EQ(driver->cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  }
  ~Gpu() {
    memory.release(driver);
    EXPECT_EQ(driver->cuStreamDestroy_v2(stream), CUDA_SUCCESS);
    EXPECT_EQ(driver->cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    EXPECT_EQ(test::live().objects, 0u);
  }
};

} // namespace ingot::cuda
