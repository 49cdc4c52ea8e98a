// A kernel that is the runtime's own: PTX for sm_80 and later that depends on nothing in the artifact.
#pragma once
#include "runtime/device/cuda/driver.h"

namespace ingot::cuda {

class OwnKernel {
public:
  void unload(Driver &driver);

protected:
  // `ptx` is a module's whole text, `name` its entry.
  Status load(Driver &driver, const char *ptx, const char *name);
  // Queues `blocks` blocks of `threads`; `parameters` point to the entry's arguments in order.
  Status launch(Driver &driver, CUstream stream, uint32_t blocks, uint32_t threads, void **parameters) const;

private:
  CUmodule module_ = nullptr;
  CUfunction kernel_ = nullptr;
};

} // namespace ingot::cuda
