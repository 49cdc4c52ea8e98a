// Attaching, and index plumbing of the rules.
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

#include "passes/infer/IndexFunction.cpp.inc"

void ingot::infer::registerIndexFunctions(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, graph::GraphDialect *) {
    attachElementwise(context);
    attachSources(context);
    attachMovement(context);
    attachIndexed(context);
    attachContraction(context);
  });
  registry.addExtension(+[](MLIRContext *context, decoder::DecoderDialect *) {
    attachDecoderRows(context);
    attachAttention(context);
  });
}

SmallVector<Expr, 4> ingot::infer::broadcastIndices(ExprContext &exprs, ArrayRef<Dim> operand, Indices indices) {
  SmallVector<Expr, 4> own(indices.take_back(operand.size()));
  for (auto [index, dim] : llvm::zip(own, operand))
    if (dim.isOne()) index = exprs.integer(0);
  return own;
}

bool ingot::infer::allClosed(Typing &typing, Operation *op) {
  return llvm::all_of(op->getOperands(), [&](Value v) { return typing[v].isClosed(); });
}

bool ingot::infer::allConstant(Typing &typing, Operation *op) {
  return llvm::all_of(op->getOperands(), [&](Value v) { return typing[v].constant; });
}

bool ingot::infer::readsCache(Typing &typing, Operation *op) {
  for (Value operand : op->getOperands())
    if (typing[operand].kind == AbstractValue::Kind::Cache) {
      typing.report(op,
                    "reads the key-value cache outside attention; write attention as one operator that takes the past");
      return true;
    }
  return false;
}

void ingot::infer::setMoved(Typing &typing, Value result, Value input, Shape shape, IndexMap map) {
  const AbstractValue &value = typing[input];
  if (value.isToken()) return typing.setToken(result, std::move(shape));
  bool constant = value.constant;
  typing.setClosed(
      result, std::move(shape),
      [&typing, input, map = std::move(map)](Indices indices) -> Expr {
        SmallVector<Expr, 4> inner = map(indices);
        return inner.empty() && !indices.empty() && !typing.shape(input).empty() ? Expr() : typing.at(input, inner);
      },
      constant);
}
