// Compiles kernels and maps the blob executable, so that a test calls them as the runtime would.
#pragma once
#ifdef INGOT_TEST_CUDA // the same tests, on the emulator
#include "test/unit/kernels_cuda/EmulatedCode.h"
#else
#include "compiler/kernels/cpu/LaunchKernels.h"
#include "compiler/target/CpuTarget.h"
#include "runtime/format/abi.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include <cstring>
#include <gtest/gtest.h>
#include <sys/mman.h>

namespace ingot::cpu {

inline bool runs(CpuLevel level) {
  return level == CpuLevel::v3 ? __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c")
                               : __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl");
}

inline const char *levelName(CpuLevel level) { return name(level); }
inline auto testLevels() { return testing::Values(CpuLevel::v3, CpuLevel::v4); }
inline void registerTestTarget(mlir::DialectRegistry &registry) { registerCpuTarget(registry); }

/// A context with what kernels need.
inline std::unique_ptr<mlir::MLIRContext> makeContext() {
  mlir::DialectRegistry registry;
  registerCpuTarget(registry);
  auto context = std::make_unique<mlir::MLIRContext>(registry);
  context->loadAllAvailableDialects();
  return context;
}

/// A level's module before, its blob and addresses after compile().
class LoadedCode {
public:
  LoadedCode(mlir::MLIRContext &context, CpuLevel level)
      : level(level), module(mlir::ModuleOp::create(mlir::UnknownLoc::get(&context))) {}
  ~LoadedCode() {
    if (memory) munmap(memory, blob.bytes.size());
  }
  LoadedCode(const LoadedCode &) = delete;

  using Body = llvm::function_ref<mlir::FailureOr<uint64_t>(Emitter &e)>;
  /// One kernel: `body` emits the loop over [e.begin, e.end) and returns the bytes of scratch it needs.
  mlir::LogicalResult emit(const KernelVariant &variant, Body body) {
    Emitter e(*module, level, variant.kernel);
    auto scratch = body(e);
    e.finish();
    return scratch;
  }
  std::unique_ptr<LaneKernels> generator() {
    return std::make_unique<CpuKernels>(llvm::ArrayRef<CpuKernels::LevelModule>{{level, *module}});
  }

  /// False after a failure; the message is kept in `error`.
  bool compile(unsigned jobs = 2) {
    mlir::ScopedDiagnosticHandler handler(module->getContext(), [&](mlir::Diagnostic &diagnostic) {
      error += diagnostic.str() + "\n";
      return mlir::success();
    });
    if (failed(mlir::verify(*module))) return false;
    CodegenOptions options;
    options.jobs = jobs;
    if (const char *folder = getenv("INGOT_TEST_DUMP")) options.dumpDirectory = folder;
    auto result = compileCpu(*module, level, options);
    if (failed(result)) return false;
    blob = std::move(*result);
    memory = mmap(nullptr, blob.bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(memory, blob.bytes.data(), blob.bytes.size());
    return mprotect(memory, blob.bytes.size(), PROT_READ | PROT_EXEC) == 0;
  }

  using Kernel = ingot_kernel;
  Kernel kernel(llvm::StringRef name) const {
    EXPECT_TRUE(blob.entry.count(name)) << name.str();
    return reinterpret_cast<ingot_kernel>(static_cast<char *>(memory) + blob.entry.lookup(name));
  }

  static constexpr Machine machine = Machine::cpu;
  CpuLevel level;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  CodeBlob blob;
  std::string error;

private:
  void *memory = nullptr;
};

} // namespace ingot::cpu
#endif
