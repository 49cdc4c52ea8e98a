// The module's weights symbols: one weights.source a byte range, one weights.recipe a meaning. Tied weights are stored
// once because equal ranges and equal recipes are one symbol.
#pragma once
#include "compiler/import/TensorData.h"
#include "dialects/weights/Weights.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace ingot {

class WeightTable {
public:
  explicit WeightTable(mlir::ModuleOp module) : module(module), builder(module.getContext()) {}

  /// Symbols go before `op`, the module's first function. Call before anything else.
  void insertBefore(mlir::Operation *op) { builder.setInsertionPoint(op); }

  /// The source of a tensor that has a byte range (no literal).
  mlir::FlatSymbolRefAttr source(const TensorData &tensor);

  /// Names a detached recipe, or drops it and returns the symbol of an equal one. Takes ownership.
  mlir::FlatSymbolRefAttr add(weights::RecipeOp recipe, llvm::StringRef hint);

private:
  std::string freeName(llvm::StringRef hint);

  mlir::ModuleOp module;
  mlir::OpBuilder builder;
  llvm::StringMap<mlir::FlatSymbolRefAttr> sources, recipes; // by range and type; by body
  llvm::StringSet<> names;
  llvm::StringMap<unsigned> counters; // suffixes given, by hint
};

/// Writes the body of one recipe. Ops that change nothing are left out, so that equal meanings become equal recipes.
class RecipeWriter {
public:
  RecipeWriter(WeightTable &table, mlir::Location location);
  ~RecipeWriter();
  RecipeWriter(const RecipeWriter &) = delete;

  mlir::Value load(const TensorData &tensor);
  mlir::Value constant(mlir::DenseElementsAttr value);
  mlir::Value reshape(mlir::Value input, llvm::ArrayRef<int64_t> shape);
  mlir::Value transpose(mlir::Value input, llvm::ArrayRef<int64_t> permutation);
  mlir::Value cast(mlir::Value input, mlir::Type element);
  /// DequantizeLinear; null if the parts do not fit (dialects/weights/NormalForm.h).
  mlir::Value dequantise(mlir::Value quants, mlir::Value scale, mlir::Value zero, int64_t axis, int64_t block);
  /// Integers of 1, 2 or 4 bits out of ui8 bytes along the last axis, `count` of them a row.
  mlir::Value unpack(mlir::Value bytes, int64_t bits, int64_t count, bool highFirst);
  /// table[code]; codes are ui8.
  mlir::Value lookup(mlir::Value table, mlir::Value codes);
  mlir::Value filled(llvm::ArrayRef<int64_t> shape, mlir::Type element, double value);
  mlir::Value slice(mlir::Value input, int64_t axis, int64_t begin, int64_t extent);
  /// `rows` x `cols` of f32; see weights.dequant. `zeros` may be null.
  mlir::Value dequant(mlir::Value quants, mlir::Value scales, mlir::Value zeros, int64_t bits, int64_t block,
                      int64_t rows, int64_t cols);

  /// A matrix that decoder.linear or decoder.embed reads: a dequantised one as the grid that it is.
  mlir::Value onGrid(mlir::Value matrix);

  /// The recipe's symbol: named after the first tensor loaded, or `hint` if there is none.
  mlir::FlatSymbolRefAttr finish(mlir::Value result, llvm::StringRef hint);

private:
  WeightTable &table;
  mlir::OpBuilder builder;
  weights::RecipeOp recipe;
  std::string firstTensor;
};

} // namespace ingot
