// What the GPU can do: how fast it reads its memory (a kernel that does nothing else, over at least sixteen times the
// L2 cache), and how fast its tensor cores multiply (mma.sync m16n8k16, f16 -> f32, from registers). Timed by the GPU's
// own events; what measured speeds are a fraction of.
#pragma once
#include "runtime/device/cuda/driver.h"
#include "runtime/device/cuda/memory.h"

namespace ingot {

class GpuProbe {
public:
  GpuProbe() = default;
  GpuProbe(const GpuProbe &) = delete;
  ~GpuProbe();

  // Takes its memory from what sessions have left.
  Status open(uint32_t card);
  // Bytes a second, multiply-adds a second: the best of a few rounds.
  Status measure_reading(double *bytes_per_second);
  Status measure_multiplying(double *per_second);

private:
  Status prepare();
  Status time(cuda::CUfunction kernel, uint32_t blocks, uint32_t threads, void **parameters, double *seconds);

  cuda::Driver driver_;
  cuda::DeviceMemory memory_;
  cuda::CUdevice device_ = 0;
  cuda::CUcontext context_ = nullptr;
  cuda::CUstream stream_ = nullptr;
  cuda::CUevent begin_ = nullptr, end_ = nullptr;
  cuda::CUmodule module_ = nullptr;
  cuda::CUfunction read_ = nullptr, multiply_ = nullptr;
  uint32_t region_ = 0, processors_ = 1;
};

} // namespace ingot
