// Writes new recipes out of existing ones: the one way in which fuse and quantize change weights.
#pragma once
#include "dialects/weights/Weights.h"
#include "mlir/IR/Builders.h"

namespace ingot {

/// Builds one `weights.recipe`. Values of other recipes are inlined by `load`; `finish` names the result.
class RecipeBuilder {
public:
  RecipeBuilder(mlir::ModuleOp module, mlir::Location loc);

  /// The value that the recipe `symbol` yields, its ops copied into this recipe.
  mlir::Value load(mlir::FlatSymbolRefAttr symbol);
  mlir::Value slice(mlir::Value input, int64_t axis, int64_t begin, int64_t extent);
  mlir::Value padRows(mlir::Value input, int64_t rows);
  mlir::Value concatRows(mlir::ValueRange inputs);
  mlir::Value permuteRows(mlir::Value input, llvm::ArrayRef<int64_t> extents, llvm::ArrayRef<int64_t> strides);
  mlir::Value cast(mlir::Value input, mlir::Type element);
  mlir::Value quantise(mlir::Value input, weights::GridAttr grid);
  mlir::Value pack(mlir::Value input, weights::LayoutKind layout);

  /// Ends the recipe with `result` and gives it a name that starts with `hint` and is free in the module.
  mlir::FlatSymbolRefAttr finish(mlir::Value result, llvm::StringRef hint);

private:
  mlir::ModuleOp module;
  mlir::OpBuilder builder;
  weights::RecipeOp recipe;
};

/// The type that a recipe symbol yields.
mlir::RankedTensorType recipeType(mlir::Operation *user, mlir::FlatSymbolRefAttr symbol);

} // namespace ingot
