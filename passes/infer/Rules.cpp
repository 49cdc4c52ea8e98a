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
    attachScatter(context);
    attachControl(context);
    attachContraction(context);
    attachScore(context);
    attachQuant(context);
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

bool ingot::infer::readsHistory(Typing &typing, Operation *op) {
  if (llvm::none_of(op->getOperands(), [&](Value v) { return typing[v].isHistory(); })) return false;
  typing.report(op,
                "reads keys, values or scores of all tokens, which only attention may: data movement, elementwise ops, "
                "softmax over the keys and two products");
  return true;
}

void ingot::infer::setMoved(Typing &typing, Value result, Value input, Shape shape, IndexMap map) {
  setFrom(typing, result, {input}, std::move(shape), [&typing, input, map = std::move(map)](Indices indices) -> Expr {
    SmallVector<Expr, 4> inner = map(indices);
    return inner.empty() && !indices.empty() && !typing.shape(input).empty() ? Expr() : typing.at(input, inner);
  });
}

void ingot::infer::setFrom(Typing &typing, Value result, ValueRange inputs, Shape shape, ClosedForm form) {
  if (llvm::any_of(inputs, [&](Value v) { return typing[v].isHistory(); }))
    return typing.setHistory(result, std::move(shape), std::move(form));
  if (llvm::any_of(inputs, [&](Value v) { return typing[v].isToken(); }))
    return typing.setToken(result, std::move(shape), std::move(form));
  bool constant = llvm::all_of(inputs, [&](Value v) { return typing[v].constant; });
  typing.setClosed(result, std::move(shape), std::move(form), constant);
}
