// Bounds guards: conditions and clamps that keep a kernel inside its rows, columns, blocks and pages. A generator gives
// the op that is one the location made here, its own place in the source; whoever asks for marks (compiler/target,
// CudaOptions::marks) then finds it behind the instruction that it has become, and test/cuda/mutate_kernels.py takes
// each away in turn to see that a test notices. The code does not depend on it.
//
// What only saves work (a lane that would compute what nobody reads) is no guard.
#pragma once
#include "mlir/IR/Location.h"
#include "llvm/ADT/StringRef.h"
#include <source_location>

namespace ingot {

inline mlir::Location boundsGuard(mlir::MLIRContext *context, std::source_location place) {
  llvm::StringRef file = place.file_name();
  auto line = mlir::FileLineColLoc::get(context, file.substr(file.rfind('/') + 1), place.line(), 0);
  return mlir::NameLoc::get(mlir::StringAttr::get(context, "guard"), line);
}

/// The place of an op that was made with a location from here; null for others.
inline mlir::FileLineColLoc guardPlace(mlir::Location location) {
  auto named = mlir::dyn_cast<mlir::NameLoc>(location);
  if (!named || named.getName() != "guard") return {};
  return mlir::dyn_cast<mlir::FileLineColLoc>(named.getChildLoc());
}

} // namespace ingot
