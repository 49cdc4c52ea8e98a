// What --dump-asm writes.
#pragma once
#include "mlir/IR/Location.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace ingot {

/// The folder and those above it. An error is emitted at `location`, as by the next one.
llvm::LogicalResult makeDumpFolder(mlir::Location location, const std::string &path);

llvm::LogicalResult writeDump(mlir::Location location, const std::string &path, llvm::StringRef text);

} // namespace ingot
