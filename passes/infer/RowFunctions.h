// What the ops behind a value compute of its rows: the normal form of every value that is a function of one row of the
// leaf (along its last axis) and of constants. Recognition passes compare these forms with what they know.
//
// Constants are literals (one element, or one value everywhere) or vectors along the row. Casts between floats are the
// identity: rows are f32 (RowBuilder.h, invariant 2), and narrower constants agree within their own rounding.
#pragma once
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/infer/RowAlgebra.h"
#include "llvm/ADT/DenseMap.h"

namespace ingot::infer {

class RowFunctions {
public:
  /// Of the ops in `block`; the leaf may come from outside.
  RowFunctions(mlir::Value leaf, mlir::Block *block);

  RowAlgebra algebra;
  mlir::Value leaf;
  int64_t columns; ///< of the leaf; kDynamic if its type does not tell

  /// Ops whose result has the leaf's shape, in order, with their forms.
  llvm::SmallVector<std::pair<mlir::Operation *, Terms>> functions;
  llvm::SmallVector<mlir::Operation *> ops; ///< all that have a form, in order

private:
  /// How a value's shape differs from the leaf's: not at all, last axis of size 1, without the last axis, or free.
  enum class Layout { row, one, none, literal, vector };
  struct Typed {
    Terms terms;
    Layout layout;
  };
  using Known = std::optional<Typed>;

  void visit(mlir::Operation *op);
  Known formOf(mlir::Operation *op);
  Known operand(mlir::Value value);
  Known constant(mlir::Value value);
  Known unary(mlir::Operation *op);
  Known binary(mlir::Operation *op);
  Known reduce(mlir::Operation *op);
  Known moved(mlir::Operation *op);
  std::optional<Layout> join(Layout a, Layout b) const;
  void follow(mlir::Value value, llvm::SmallVectorImpl<mlir::Operation *> &pending);

  mlir::Block *block;
  int64_t rank;
  llvm::DenseMap<mlir::Value, Typed> known;
};

/// A constant of the model whatever layout ops and casts an exporter put behind it.
bool isConstantOfModel(mlir::Value value);

/// Makes the op that a form means, in front of the op that computes it; null if there is none.
using RowRewrite = std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Type)>;

/// Asks `recognise` about every function of a row in `function` and lets its answer replace the op, outermost first.
void rewriteRowFunctions(mlir::func::FuncOp function,
                         llvm::function_ref<RowRewrite(RowFunctions &, mlir::Operation *, const Terms &)> recognise);

} // namespace ingot::infer
