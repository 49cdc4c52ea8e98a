// What the driver needs of a target: a generator for its kernels and, once every launch is lowered, their code.
#pragma once
#include "compiler/driver/Compile.h"
#include "compiler/driver/PlanTranslation.h"
#include "passes/lower/KernelGenerator.h"
#include <memory>

namespace ingot {

class Backend {
public:
  virtual ~Backend() = default;
  /// What diagnostics, phases and the plan call it: cpu or cuda.
  virtual const char *target() const = 0;
  virtual KernelGenerator &generator() = 0;
  /// Of all kernels generated so far; called once. Errors are emitted as diagnostics. `kernels` gets what the
  /// assembler says of each, where one does.
  virtual mlir::FailureOr<std::vector<CompiledCode>> generateCode(std::vector<KernelReport> &kernels) = 0;
};

/// `options` outlives the backend.
std::unique_ptr<Backend> createCpuBackend(const CompileOptions &options, mlir::Location location);
std::unique_ptr<Backend> createCudaBackend(const CompileOptions &options, mlir::Location location);

} // namespace ingot
