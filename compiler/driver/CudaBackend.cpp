// CUDA as a target of the driver: one module of kernels, PTX for the architectures asked for, and their cubins.
#include "compiler/driver/Backend.h"
#include "compiler/kernels/cuda/LaunchKernels.h"
#include "compiler/target/CudaTarget.h"

using namespace mlir;
using namespace ingot;

/// Virtual architectures. sm_80's text runs on every card; sm_90's has programmatic dependent launch, and is left out
/// when every card asked for is older.
static std::vector<unsigned> ptxLevels(ArrayRef<unsigned> architectures) {
  bool newer = architectures.empty() || llvm::any_of(architectures, [](unsigned sm) { return sm >= 90; });
  return newer ? std::vector<unsigned>{80, 90} : std::vector<unsigned>{80};
}

static KernelReport reportOf(const cuda::KernelReport &from) {
  KernelReport report;
  report.kernel = from.kernel;
  report.architecture = from.sm;
  report.registers = from.registers;
  report.sharedBytes = from.staticShared;
  report.spillBytes = from.spillStores + from.spillLoads;
  report.stackBytes = from.stack;
  report.disassembled = from.sass.has_value();
  cuda::SassCounts sass = from.sass.value_or(cuda::SassCounts());
  report.instructions = sass.instructions, report.loads = sass.loads, report.wideLoads = sass.wideLoads;
  report.asyncCopies = sass.asyncCopies, report.halfMmas = sass.halfMmas, report.integerMmas = sass.integerMmas;
  return report;
}

namespace {
class CudaBackend : public Backend {
public:
  CudaBackend(const CompileOptions &options, Location location)
      : options(options), module(ModuleOp::create(location)),
        cudaKernels(*module, {.exactActivations = options.activations == "f32"}) {}

  const char *target() const override { return "cuda"; }
  KernelGenerator &generator() override { return cudaKernels; }

  FailureOr<std::vector<CompiledCode>> generateCode(std::vector<KernelReport> &kernels) override {
    cuda::CudaOptions codegen;
    codegen.levels = ptxLevels(options.architectures);
    codegen.cubins = options.architectures;
    codegen.ptxas = options.ptxas;
    codegen.jobs = options.jobs;
    codegen.dumpDirectory = options.dumpAsm;
    codegen.objects = options.objects;
    codegen.marks = options.markGuards;
    codegen.disassemble = !options.reportFile.empty();
    auto compiled = cuda::compileCuda(*module, codegen);
    if (failed(compiled)) return failure();
    std::vector<CompiledCode> code;
    for (cuda::PtxText &ptx : compiled->texts)
      code.push_back({INGOT_SEGMENT_PTX, ptx.level, std::vector<uint8_t>(ptx.text.begin(), ptx.text.end()), {}});
    for (cuda::Cubin &cubin : compiled->cubins) {
      code.push_back({INGOT_SEGMENT_CUBIN, cubin.sm, std::move(cubin.bytes), {}});
      for (const cuda::KernelReport &report : cubin.kernels) kernels.push_back(reportOf(report));
    }
    return code;
  }

private:
  const CompileOptions &options;
  OwningOpRef<ModuleOp> module;
  cuda::CudaKernels cudaKernels;
};
} // namespace

std::unique_ptr<Backend> ingot::createCudaBackend(const CompileOptions &options, Location location) {
  return std::make_unique<CudaBackend>(options, location);
}
