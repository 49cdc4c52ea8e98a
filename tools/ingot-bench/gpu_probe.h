// How fast the GPU reads its memory: a kernel that does nothing else, over at least sixteen times the L2 cache. Timed
// by the GPU's own events; what decode speeds are a fraction of.
#pragma once
#include "runtime/device/cuda/driver.h"
#include "runtime/device/cuda/memory.h"

namespace ingot {

class GpuReadProbe {
public:
  GpuReadProbe() = default;
  GpuReadProbe(const GpuReadProbe &) = delete;
  ~GpuReadProbe();

  // Takes its memory from what sessions have left.
  Status open();
  // Bytes a second: the best of a few rounds.
  Status measure(double *bytes_per_second);

private:
  Status prepare();
  Status launch();

  cuda::Driver driver_;
  cuda::DeviceMemory memory_;
  cuda::CUdevice device_ = 0;
  cuda::CUcontext context_ = nullptr;
  cuda::CUstream stream_ = nullptr;
  cuda::CUevent begin_ = nullptr, end_ = nullptr;
  cuda::CUmodule module_ = nullptr;
  cuda::CUfunction kernel_ = nullptr;
  uint32_t region_ = 0, processors_ = 1;
};

} // namespace ingot
