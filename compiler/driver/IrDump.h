// --dump-ir: the IR after each phase as a numbered file.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <string>

namespace ingot {

class IrDump {
public:
  /// Into `folder`, which is created when needed; empty: nothing is written.
  explicit IrDump(const std::string &folder) : folder(folder) {}
  /// Writes `folder`/N-phase.mlir, N counting from 1.
  llvm::Error write(llvm::StringRef phase, mlir::ModuleOp module);

private:
  const std::string &folder;
  int written = 0;
};

} // namespace ingot
