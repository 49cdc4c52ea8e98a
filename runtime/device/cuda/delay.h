// Holds the GPU up for a moment, so that all launches of a profiled step are queued before the first of them runs:
// their times are then the GPU's own, not those of the processor that launches them.
#pragma once
#include "runtime/device/cuda/driver.h"

namespace ingot::cuda {

class Delay {
public:
  Status load(Driver &driver);
  void unload(Driver &driver);
  Status launch(Driver &driver, CUstream stream, uint64_t ns) const;

private:
  CUmodule module_ = nullptr;
  CUfunction kernel_ = nullptr;
};

} // namespace ingot::cuda
