// Holds the GPU up for a moment, so that all launches of a profiled step are queued before the first of them runs:
// their times are then the GPU's own, not those of the processor that launches them.
#pragma once
#include "runtime/device/cuda/own_kernel.h"

namespace ingot::cuda {

class Delay : public OwnKernel {
public:
  Status load(Driver &driver);
  Status launch(Driver &driver, CUstream stream, uint64_t ns) const;
};

} // namespace ingot::cuda
