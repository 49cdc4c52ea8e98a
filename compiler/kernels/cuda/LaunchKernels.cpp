// Dispatch of launch regions: native kernels first, else lanes.
#include "compiler/kernels/cuda/LaunchKernels.h"
#include "compiler/kernels/cuda/Worker.h"

using namespace mlir;

namespace ingot::cuda {

FailureOr<LaunchKernels> CudaKernels::generate(decoder::LaunchOp launch) { return LaneKernels::generate(launch); }

LogicalResult CudaKernels::emit(KernelVariant &variant, Body body) { return emitWorkers(module, variant, body); }

} // namespace ingot::cuda
