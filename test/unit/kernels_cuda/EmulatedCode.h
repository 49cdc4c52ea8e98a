// LoadedCode's twin for CUDA: kernels become PTX text that the emulator's machine runs, so that the tests of the CPU's
// kernels run on it as they are. "Emulated": no card is involved.
//
// All memory of the test counts as the device's, at its own addresses; what bounds a kernel keeps to, the test's values
// and guard pages tell. Scratch is the emulator's own: it is watched for bounds and for reads of what nobody wrote.
#pragma once
#include "compiler/kernels/cuda/LaunchKernels.h"
#include "compiler/kernels/cuda/Worker.h"
#include "compiler/target/CudaTarget.h"
#include "runtime/format/abi.h"
#include "tools/cuda-emulator/machine.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringSet.h"
#include <cstring>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace ingot::cpu {

inline bool runs(CpuLevel) { return true; }
inline const char *levelName(CpuLevel) { return "cuda"; }
inline auto testLevels() { return testing::Values(CpuLevel::v4); } // the shapes that CUDA's lanes code has

inline std::unique_ptr<mlir::MLIRContext> makeContext() {
  mlir::DialectRegistry registry;
  cuda::registerCudaTarget(registry);
  auto context = std::make_unique<mlir::MLIRContext>(registry);
  context->loadAllAvailableDialects();
  return context;
}
inline void registerTestTarget(mlir::DialectRegistry &registry) { cuda::registerCudaTarget(registry); }

/// Tests take kernels from the generator under its own names, or emit them one by one.
class LoadedCode {
  /// The generator, noting how each kernel wants to be launched.
  class Generator : public cuda::CudaKernels {
  public:
    Generator(LoadedCode &code) : CudaKernels(*code.module, code.options), code(code) {}
    mlir::FailureOr<LaunchKernels> generate(decoder::LaunchOp launch) override {
      auto kernels = CudaKernels::generate(launch);
      if (succeeded(kernels))
        for (auto *list : {&kernels->prepare, &kernels->main, &kernels->finish})
          for (const KernelVariant &variant : *list) code.variants[variant.kernel] = variant;
      return kernels;
    }

  private:
    LoadedCode &code;
  };

public:
  LoadedCode(mlir::MLIRContext &context, CpuLevel level)
      : level(level), module(mlir::ModuleOp::create(mlir::UnknownLoc::get(&context))) {}

  using Body = llvm::function_ref<mlir::FailureOr<uint64_t>(Emitter &e)>;
  mlir::LogicalResult emit(KernelVariant variant, Body body) {
    if (failed(cuda::emitWorkers(*module, variant, body))) return mlir::failure();
    variants[variant.kernel] = variant;
    return mlir::success();
  }
  /// A kernel that is in the module already.
  void add(const KernelVariant &variant) { variants[variant.kernel] = variant; }
  std::unique_ptr<LaneKernels> generator() { return std::make_unique<Generator>(*this); }

  bool compile(unsigned = 2) {
    mlir::ScopedDiagnosticHandler handler(module->getContext(), [&](mlir::Diagnostic &diagnostic) {
      error += diagnostic.str() + "\n";
      return mlir::success();
    });
    if (failed(mlir::verify(*module))) return false;
    cuda::CudaOptions options;
    options.levels = {80, 90};
    if (const char *folder = getenv("INGOT_TEST_DUMP")) options.dumpDirectory = folder;
    auto code = cuda::compileCuda(*module, options);
    if (failed(code)) return false;
    text = code->texts[0].text;
    if (const char *file = getenv("INGOT_TEST_PTX")) {
      FILE *out = fopen(file, "w");
      fwrite(text.data(), 1, text.size(), out);
      fclose(out);
    }
    if (!memory.reserve().ok() || !memory.adopt(reinterpret_cast<void *>(0x10000), uint64_t(1) << 47)) return false;
    for (size_t i = 0; i < 2; ++i) {
      Status status = emulator::parse(code->texts[i].text, &ptx[i]);
      if (status.ok()) status = emulator::load(ptx[i], memory);
      if (!status.ok()) return error += status.message(), false;
    }
    return true;
  }

  /// Takes a call of all items, in as many CTAs as a card might have left; a call of the rest does nothing.
  class Kernel {
  public:
    Kernel(LoadedCode &code, const KernelVariant &variant) : code(code), variant(variant) {}
    int32_t operator()(const ingot_args *args, uint64_t begin, uint64_t end, void *) const {
      if (begin != 0) return 0;
      uint64_t ctas = std::clamp<uint64_t>((end + variant.blockItems - 1) / variant.blockItems, 1, 7);
      uint64_t scratch = variant.scratchBytes ? code.memory.allocate(variant.scratchBytes * ctas) : 0;
      uint64_t parameters[2] = {uint64_t(args), scratch};
      emulator::Launch launch;
      launch.entry = code.ptx[code.seed % 2].entry(variant.kernel);
      if (!launch.entry) return ADD_FAILURE() << "no entry " << variant.kernel, 1;
      launch.grid = {uint32_t(ctas), 1, 1}, launch.block = {variant.blockThreads, 1, 1};
      launch.dynamic_shared = variant.sharedBytes;
      launch.parameters.resize(sizeof parameters);
      memcpy(launch.parameters.data(), parameters, sizeof parameters);
      emulator::Options options = code.schedule;
      options.seed = code.seed++;
      if (code.isWatched(variant.kernel, options.seed)) options.races = options.global_races = options.drift = true;
      emulator::Fault fault = emulator::Machine(code.memory, options).run({&launch, 1}, &code.counters);
      if (fault) ADD_FAILURE() << fault.message();
      if (scratch) code.memory.release(scratch);
      return fault ? 1 : 0;
    }

  private:
    LoadedCode &code;
    KernelVariant variant;
  };
  Kernel kernel(llvm::StringRef name) {
    EXPECT_TRUE(variants.count(name)) << name.str();
    return Kernel(*this, variants[name]);
  }

  static constexpr Machine machine = Machine::cuda;
  CpuLevel level;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string error, text;
  cuda::KernelOptions options = {.tensorCores = false}; // of generator()
  emulator::Options schedule;                           // of kernels' runs, but for the seed: each run has the next
  uint64_t seed = 0;
  emulator::Counters counters; // of all runs

private:
  // The first run of each kernel and every fourth of all: a race in any memory is a fault, and lanes of a warp drift
  // apart between .sync instructions, so that a missing barrier or wait shows for certain. The others are in lockstep,
  // which is five times as fast.
  bool isWatched(llvm::StringRef kernel, uint64_t run) { return watched.insert(kernel).second || run % 4 == 0; }

  llvm::StringSet<> watched;
  emulator::Memory memory;
  emulator::Module ptx[2]; // sm_80, sm_90: runs alternate
  llvm::StringMap<KernelVariant> variants;
};

} // namespace ingot::cpu
