// The stages of compileCuda; private to this folder. Each returns an error that names the kernel.
#pragma once
#include "compiler/target/CudaTarget.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace ingot::cuda {

/// What marks begin with.
inline constexpr llvm::StringLiteral guardMark = "// guard ";

/// ptx ops -> intrinsics and inline assembly of the LLVM dialect.
mlir::LogicalResult lowerPtx(mlir::ModuleOp kernel, unsigned level);

/// ptx, func, scf and arith -> LLVM dialect, in every nested module, on the context's threads.
mlir::LogicalResult lowerKernels(mlir::ModuleOp module, unsigned level);

struct EntryPoint {
  std::string name;
  unsigned threads = 0, ctas = 0;
};

/// Reads the entries of a kernel and takes the attributes away.
std::vector<EntryPoint> takeEntries(mlir::ModuleOp kernel);

/// Has LLVM carry the locations of bounds guards along, as line numbers behind the names that it returns.
std::vector<std::string> keepGuards(mlir::ModuleOp kernel);

/// PTX with line directives -> without them, and `// guard FILE:LINE` behind each guard's instructions.
std::string markGuards(llvm::StringRef ptx, llvm::ArrayRef<std::string> guards);

/// A target machine of the level; not shareable between threads.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createTargetMachine(unsigned level);

/// Gives `module` (named after its kernel) the properties that CudaTarget.h promises, and optimises it.
void prepare(llvm::Module &module, llvm::ArrayRef<EntryPoint> entries, llvm::TargetMachine &machine);

/// Refuses what has no instruction, after `prepare`: LLVM would print a call or end the process.
llvm::Error lint(const llvm::Module &module);

llvm::Expected<std::string> printPtx(llvm::Module &module, llvm::TargetMachine &machine);

/// One text of the kernels' texts, in the order given.
std::string mergePtx(unsigned level, llvm::ArrayRef<llvm::StringRef> kernels);

/// ptxas on all architectures that `options` names; errors are emitted at `location`.
mlir::FailureOr<std::vector<Cubin>> assembleCubins(mlir::Location location, llvm::ArrayRef<PtxText> texts,
                                                   const CudaOptions &options);

} // namespace ingot::cuda
