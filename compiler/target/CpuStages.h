// The stages of compileCpu; private to this folder. Each returns an error that names the kernel.
#pragma once
#include "compiler/target/CpuTarget.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace ingot::cpu {

inline constexpr unsigned maxStackFrame = 16384;

/// func, scf and arith -> LLVM dialect, in every nested module, on the context's threads.
mlir::LogicalResult lowerKernels(mlir::ModuleOp module);

/// One kernel through LLVM: text of IR and assembly are for --dump-asm.
struct ObjectFile {
  std::string name;
  llvm::SmallVector<char, 0> bytes;
  std::string ir, assembly; // only when asked for
};

/// A target machine of the level; not shareable between threads.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createTargetMachine(CpuLevel level);

/// Optimises `module` in place at O3 and assembles it.
llvm::Expected<ObjectFile> assemble(llvm::Module &module, llvm::TargetMachine &machine, CpuLevel level, bool dump);

/// Refuses what invariant 1 of a blob forbids.
llvm::Error checkObject(const ObjectFile &object);

/// Lays the objects out in the order given. Serialised: lld keeps global state.
llvm::Expected<CodeBlob> linkObjects(llvm::ArrayRef<ObjectFile> objects);

} // namespace ingot::cpu
