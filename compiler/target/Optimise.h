// LLVM's O3 as all generated code wants it, whatever the target.
#pragma once
#include "llvm/ADT/StringRef.h"
#include "llvm/IR/PassManager.h"

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace ingot {

/// Optimises `module` in place: `first`, then O3 without vectorisers and with no library function known. The optional
/// pass named `without` is left out.
void optimise(llvm::Module &module, llvm::TargetMachine &machine,
              llvm::ModulePassManager first = llvm::ModulePassManager(), llvm::StringRef without = {});

} // namespace ingot
