// The CPU as a target of the driver: a module of kernels for every level, a blob of code each.
#include "compiler/driver/Backend.h"
#include "compiler/kernels/cpu/LaunchKernels.h"

using namespace mlir;
using namespace ingot;

namespace {
class CpuBackend : public Backend {
public:
  CpuBackend(const CompileOptions &options, Location location) : options(options) {
    SmallVector<cpu::CpuKernels::LevelModule> levels;
    for (cpu::CpuLevel level : options.cpuLevels) {
      modules.push_back(ModuleOp::create(location));
      levels.push_back({level, *modules.back()});
    }
    kernels = std::make_unique<cpu::CpuKernels>(levels);
  }

  const char *target() const override { return "cpu"; }
  KernelGenerator &generator() override { return *kernels; }

  FailureOr<std::vector<CompiledCode>> generateCode(std::vector<KernelReport> &) override {
    cpu::CodegenOptions codegen;
    codegen.jobs = options.jobs;
    codegen.dumpDirectory = options.dumpAsm;
    codegen.objects = options.objects;
    std::vector<CompiledCode> code;
    for (auto [level, module] : llvm::zip(options.cpuLevels, modules)) {
      auto blob = cpu::compileCpu(*module, level, codegen);
      if (failed(blob)) return failure();
      code.push_back({INGOT_SEGMENT_CODE_CPU, uint32_t(level), std::move(blob->bytes), std::move(blob->entry)});
    }
    return code;
  }

private:
  const CompileOptions &options;
  SmallVector<OwningOpRef<ModuleOp>> modules;
  std::unique_ptr<cpu::CpuKernels> kernels;
};
} // namespace

std::unique_ptr<Backend> ingot::createCpuBackend(const CompileOptions &options, Location location) {
  return std::make_unique<CpuBackend>(options, location);
}
