// Builds one decoder.rows: the universal row form of whatever has no decoder op of its own.
//
// Invariants
// 1. Inside, a value has the graph's axes with the factor S replaced by 1, so axis numbers stay what they are.
// 2. Inside, every float is f32; integers and truth values keep the graph's type. Across the border all are f32 rows
//    (ids and positions i32), exact below 2^24.
// 3. Floats that differ from layer to layer (beyond 16 elements) are weights, so that layers share kernels; other
//    constants are literals inside.
#pragma once
#include "dialects/graph/Graph.h"
#include "passes/infer/RowBuilder.h"

namespace ingot::infer {

class RowRegion {
public:
  /// `from` is blamed for what cannot be had, and gives the location.
  RowRegion(RowBuilder &rows, mlir::Operation *from);

  /// The row of a graph value inside; null if its rows failed upstream or it was reported.
  mlir::Value operand(mlir::Value graphValue);
  /// The type of a graph value inside; null if an axis is neither constant nor S.
  mlir::RankedTensorType typeOf(mlir::Value graphValue);

  mlir::Value constant(mlir::DenseElementsAttr value);
  mlir::Value integers(llvm::ArrayRef<int64_t> values); ///< i64[n]
  mlir::Value cast(mlir::Value value, mlir::Type element);
  /// Rows as an argument of this shape; its element type is the rows'.
  mlir::Value argument(mlir::Value rowsValue, llvm::ArrayRef<int64_t> shape);
  /// A whole weight: an f32 argument.
  mlir::Value weight(mlir::FlatSymbolRefAttr recipe, llvm::ArrayRef<int64_t> shape);
  template <typename Op, typename... Args> mlir::Value create(Args &&...args) {
    return builder.create<Op>(from->getLoc(), std::forward<Args>(args)...)->getResult(0);
  }

  /// Emits the op; the rows of each of the values.
  llvm::SmallVector<mlir::Value> finish(mlir::ValueRange values);

  /// A graph op as a region of its own: sets the rows of its results. False (nothing reported) if it has no such form.
  static bool lower(RowBuilder &rows, mlir::Operation *op);
  /// Rows [T, prod(sizes)] of a closed form: its element (indices) at token i, whose position is P + i. Null (nothing
  /// reported) where the form depends on P, i or S in another way. `indices[k]` runs below `sizes[k]`.
  static mlir::Value ofForm(RowBuilder &rows, Expr form, Variable token, llvm::ArrayRef<Variable> indices,
                            llvm::ArrayRef<int64_t> sizes, mlir::Operation *user);

  RowBuilder &rows;
  mlir::Operation *from;
  mlir::OpBuilder builder; ///< at the end of the region

private:
  std::optional<mlir::DenseElementsAttr> literal(mlir::Value graphValue, mlir::RankedTensorType type);
  mlir::Value closedOperand(mlir::Value graphValue, mlir::RankedTensorType type);

  mlir::Region body;
  llvm::SmallVector<mlir::Value> inputs;
  llvm::SmallVector<mlir::Attribute> weights;
};

} // namespace ingot::infer
