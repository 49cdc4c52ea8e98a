// The numbers of a constant array, wherever they are: in the IR or in the model's file.
#pragma once
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include <optional>
#include <string>
#include <vector>

namespace ingot::infer {

struct ConstantData {
  llvm::SmallVector<int64_t, 4> shape;
  std::vector<float> values; ///< row-major; integers and Booleans as numbers
};

/// Reads at most 2^26 elements of a DenseElementsAttr or of the weights.source that a symbol names (beside `modelFile`;
/// a source with the file "" lies in it). nullopt if that is impossible.
std::optional<ConstantData> readConstant(mlir::ModuleOp module, llvm::StringRef modelFile, mlir::Attribute array);

} // namespace ingot::infer
