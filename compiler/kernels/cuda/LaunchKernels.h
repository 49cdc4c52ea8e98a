// The door of this room: CUDA kernels for launch regions (passes/lower/KernelGenerator.h).
//
// A launch that has no kernel of its own here is the CPU's code on 16 lanes, each lane a thread: the same bits.
#pragma once
#include "compiler/kernels/cpu/LaunchKernels.h"

namespace ingot::cuda {

struct KernelOptions {
  bool exactActivations = false; // --activations f32 was asked for: tensor cores get hi + lo terms
  bool tensorCores = true;       // false: everything on lanes, the CPU's bits
};

class CudaKernels : public cpu::LaneKernels {
public:
  /// `module` is empty; compileCuda() takes it when all launches are lowered. It must outlive this. Not thread-safe.
  explicit CudaKernels(mlir::ModuleOp module, KernelOptions options = {})
      : LaneKernels(cpu::Machine::cuda), module(module), options(options) {}

  mlir::FailureOr<LaunchKernels> generate(decoder::LaunchOp launch) override;

private:
  mlir::LogicalResult emit(KernelVariant &variant, Body body) override;
  mlir::FailureOr<LaunchKernels> generateTensorAttend(cpu::LaunchFrame &frame, decoder::AttendOp root,
                                                      const cpu::AttendShape &shape);

  mlir::ModuleOp module;
  KernelOptions options;
};

} // namespace ingot::cuda
