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
  /// Its values are plain (no grid), in the type that the file's have, or f32.
  using Finish = llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Value)>;
  mlir::FlatSymbolRefAttr of(Typing &typing, mlir::Value constant, mlir::Operation *user, Finish finish);
  mlir::FlatSymbolRefAttr of(Typing &typing, mlir::Value constant, mlir::Operation *user);
  /// The same for a matrix that decoder.linear or decoder.embed reads: a quantised one keeps its grid.
  mlir::FlatSymbolRefAttr ofMatrix(Typing &typing, mlir::Value constant, mlir::Operation *user, Finish finish);
  mlir::FlatSymbolRefAttr ofMatrix(Typing &typing, mlir::Value constant, mlir::Operation *user);
  /// The same before anything is typed: what the types alone tell; null, and nothing reported, if there is no recipe.
  mlir::FlatSymbolRefAttr ofConstant(mlir::Value constant, mlir::Operation *user, Finish finish);
  /// The recipe of a plain table: a weights.source, a recipe, or an array in the IR.
  mlir::FlatSymbolRefAttr ofTable(mlir::Attribute table, mlir::Location location);
  /// The same of a source or an array, with `finish` applied.
  mlir::FlatSymbolRefAttr ofTable(mlir::Attribute table, mlir::Location location, Finish finish);

  /// The values of recipes one below the other (axis 0): what is one weight an expert in the graph.
  mlir::FlatSymbolRefAttr stack(llvm::ArrayRef<mlir::FlatSymbolRefAttr> parts, mlir::Location location);

  weights::RecipeOp lookup(mlir::FlatSymbolRefAttr symbol);

  /// The normal form's (dialects/weights/NormalForm.h).
  static mlir::Value transpose(mlir::OpBuilder &builder, mlir::Value input, llvm::ArrayRef<int64_t> permutation);
  static mlir::Value reshape(mlir::OpBuilder &builder, mlir::Value input, llvm::ArrayRef<int64_t> shape);

private:
  struct Maker;
  mlir::FlatSymbolRefAttr make(Maker &maker, mlir::Value constant, Finish finish);
  mlir::FlatSymbolRefAttr add(weights::RecipeOp recipe);
  weights::RecipeOp open(mlir::Location location, llvm::StringRef hint);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  llvm::StringMap<mlir::FlatSymbolRefAttr> byBody;
};

} // namespace ingot::infer
