// Weight recipes for constant values of the graph. Equal recipes are one symbol, so that tied weights are stored once.
#pragma once
#include "dialects/weights/Weights.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/infer/Typing.h"
#include "llvm/ADT/StringMap.h"

namespace ingot::infer {

class Recipes {
public:
  /// Knows the recipes that the module already has.
  explicit Recipes(mlir::ModuleOp module);

  /// The recipe of a constant value, with `finish` applied to it (e.g. a transposition); null if reported at `user`.
  using Finish = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Value)>;
  mlir::FlatSymbolRefAttr of(Typing &typing, mlir::Value constant, mlir::Operation *user, Finish finish);
  mlir::FlatSymbolRefAttr of(Typing &typing, mlir::Value constant, mlir::Operation *user);
  /// The recipe of a plain table: a weights.source, a recipe, or an array in the IR.
  mlir::FlatSymbolRefAttr ofTable(mlir::Attribute table, mlir::Location location);

  weights::RecipeOp lookup(mlir::FlatSymbolRefAttr symbol);

  /// Recipe ops that undo what they can: a transposition of a transposition, a reshape to the same shape.
  static mlir::Value transpose(mlir::OpBuilder &builder, mlir::Value input, llvm::ArrayRef<int64_t> permutation);
  static mlir::Value reshape(mlir::OpBuilder &builder, mlir::Value input, llvm::ArrayRef<int64_t> shape);

private:
  mlir::Value build(mlir::OpBuilder &builder, Typing &typing, mlir::Value constant, mlir::Operation *user);
  mlir::Value buildOp(mlir::OpBuilder &builder, Typing &typing, mlir::Operation *op, mlir::Operation *user);
  mlir::FlatSymbolRefAttr add(weights::RecipeOp recipe);
  weights::RecipeOp open(mlir::Location location, llvm::StringRef hint);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  llvm::StringMap<mlir::FlatSymbolRefAttr> byBody;
};

} // namespace ingot::infer
