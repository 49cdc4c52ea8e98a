#include "runtime/device/cuda/own_kernel.h"

namespace ingot::cuda {

Status OwnKernel::load(Driver &driver, const char *ptx, const char *name) {
  INGOT_TRY(INGOT_CUDA(driver, cuModuleLoadDataEx, &module_, ptx, 0, nullptr, nullptr));
  return INGOT_CUDA(driver, cuModuleGetFunction, &kernel_, module_, name);
}

void OwnKernel::unload(Driver &driver) {
  if (module_) (void)INGOT_CUDA(driver, cuModuleUnload, module_);
  module_ = nullptr;
}

Status OwnKernel::launch(Driver &driver, CUstream stream, uint32_t blocks, uint32_t threads, void **parameters) const {
  CUlaunchConfig config = {};
  config.gridDimX = blocks;
  config.blockDimX = threads;
  config.gridDimY = config.gridDimZ = config.blockDimY = config.blockDimZ = 1;
  config.hStream = stream;
  return INGOT_CUDA(driver, cuLaunchKernelEx, &config, kernel_, parameters, nullptr);
}

} // namespace ingot::cuda
