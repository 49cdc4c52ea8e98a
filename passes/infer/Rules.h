// What the rule files share: the base of a rule, attaching, index plumbing.
#pragma once
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "passes/infer/IndexFunction.h"

namespace ingot::infer {

/// A rule for one op: `void infer(Op, Typing &) const` and, if it has rows, `void lower(Op, RowBuilder &) const`.
template <typename Rule, typename Op> struct RuleFor : IndexFunction::ExternalModel<RuleFor<Rule, Op>, Op> {
  void inferValues(mlir::Operation *op, Typing &typing) const { Rule().infer(mlir::cast<Op>(op), typing); }
  void lowerRows(mlir::Operation *op, RowBuilder &rows) const {
    if constexpr (requires(Rule rule) { rule.lower(mlir::cast<Op>(op), rows); })
      Rule().lower(mlir::cast<Op>(op), rows);
    else
      rows.noRowForm(op);
  }
};

template <typename Op, typename Rule> void attach(mlir::MLIRContext *context) {
  Op::template attachInterface<RuleFor<Rule, Op>>(*context);
}

/// The part of broadcast indices that addresses an operand of the given shape.
llvm::SmallVector<Expr, 4> broadcastIndices(ExprContext &exprs, llvm::ArrayRef<Dim> operand, Indices indices);

/// All operands closed; all made of constants.
bool allClosed(Typing &typing, mlir::Operation *op);
bool allConstant(Typing &typing, mlir::Operation *op);

/// Sets `result` to `input` with other axes: a token value's new shape, or a closed value read through `map`.
using IndexMap = std::function<llvm::SmallVector<Expr, 4>(Indices)>;
void setMoved(Typing &typing, mlir::Value result, mlir::Value input, Shape shape, IndexMap map);

/// Sets `result` to what `form` makes of the elements of `inputs`: closed if all of them are, a token value, or a
/// History if one of them is.
void setFrom(Typing &typing, mlir::Value result, mlir::ValueRange inputs, Shape shape, ClosedForm form);

/// For ops that are no part of attention: reports and answers true if an operand is a History.
bool readsHistory(Typing &typing, mlir::Operation *op);

// Attention in primitives (RulesScore.cpp). Each answers whether it has typed, or reported, the op.

/// past ++ new rows along the length.
bool joinPast(graph::ConcatOp op, Typing &typing, const Shape &shape);
/// query times key, or probabilities times value.
bool inferAttentionProduct(graph::MatmulOp op, Typing &typing);
/// A number for all keys of a query.
bool reduceScores(graph::ReduceOp op, Typing &typing, const Shape &shape);
/// `result` is all rows of a cache, in the order of its shape's constant factors.
void setCache(Typing &typing, mlir::Value result, const Shape &shape, CachePart part);
/// The origin of a cache's reads; the same for equal parts.
unsigned cacheOf(Typing &typing, const CachePart &part);
/// Two shapes that must be equal tell the sizes of pasts which the file leaves open.
void learnSizes(Typing &typing, llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b);

void attachElementwise(mlir::MLIRContext *context);
void attachSources(mlir::MLIRContext *context);
void attachMovement(mlir::MLIRContext *context);
void attachIndexed(mlir::MLIRContext *context);
void attachScatter(mlir::MLIRContext *context);
void attachControl(mlir::MLIRContext *context);
void attachContraction(mlir::MLIRContext *context);
void attachQuant(mlir::MLIRContext *context);
void attachDecoderRows(mlir::MLIRContext *context);
void attachAttention(mlir::MLIRContext *context);
void attachScore(mlir::MLIRContext *context);

} // namespace ingot::infer
