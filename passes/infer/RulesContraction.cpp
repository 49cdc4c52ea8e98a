// Ops that combine elements along an axis: over columns freely, over tokens never (rule R).
#include "passes/infer/GlueForms.h"
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

struct ReduceRule {
  void infer(graph::ReduceOp op, Typing &typing) const {
    Value input = op.getInput();
    Shape from(typing.shape(input)), shape;
    for (auto [k, dim] : llvm::enumerate(from)) {
      if (!llvm::is_contained(op.getAxes(), int64_t(k)))
        shape.push_back(dim);
      else if (op.getKeepdims())
        shape.push_back(Dim());
      if (llvm::is_contained(op.getAxes(), int64_t(k)) && typing[input].isToken() && !dim.constant())
        return typing.report(op, "combines tokens along the axis of length " + dim.print(typing.exprs) +
                                     "; only attention may");
    }
    if (reduceScores(op, typing, shape)) return;
    if (typing[input].isToken()) return typing.setToken(op, shape);
    inferGlueReduction(op, typing, shape);
  }
};

struct MatmulRule {
  void infer(graph::MatmulOp op, Typing &typing) const {
    if (inferAttentionProduct(op, typing)) return;
    Shape a(typing.shape(op.getLhs())), b(typing.shape(op.getRhs()));
    if (allClosed(typing, op)) return inferGlueProduct(op, typing);
    if (a.size() < 2 || b.size() < 2)
      return typing.report(op, "multiplies a vector of tokens; only matrices are understood");
    const Dim &inner = a.back();
    if (inner != b[b.size() - 2])
      return typing.report(op,
                           "contracts " + inner.print(typing.exprs) + " with " + b[b.size() - 2].print(typing.exprs));
    if (!inner.constant())
      return typing.report(op, "contracts over the axis of length " + inner.print(typing.exprs) +
                                   "; only attention may combine tokens");
    auto shape = broadcast({ArrayRef<Dim>(a).drop_back(2), ArrayRef<Dim>(b).drop_back(2)});
    if (!shape) return typing.report(op, "has batch axes that do not broadcast");
    shape->push_back(a[a.size() - 2]);
    shape->push_back(b.back());
    typing.setToken(op, *shape);
  }

  /// x @ W with a constant matrix; the recipe holds W^T, [out, in].
  void lower(graph::MatmulOp op, RowBuilder &rows) const {
    Value x = rows.rows(op.getLhs());
    if (!x) return;
    ArrayRef<Dim> weight = rows.typing.shape(op.getRhs());
    bool plain = rows.typing[op.getRhs()].constant && constantProduct(weight.drop_back(2)) == 1;
    if (!plain || rows.width(op.getLhs()) != weight[weight.size() - 2].constant()) return rows.noRowForm(op);
    int64_t k = *weight[weight.size() - 2].constant(), n = *weight.back().constant();
    auto recipe = rows.recipes.ofMatrix(rows.typing, op.getRhs(), op, [&](OpBuilder &builder, Value matrix) {
      return Recipes::transpose(builder, Recipes::reshape(builder, matrix, {k, n}), {1, 0});
    });
    if (recipe)
      rows.set(op, rows.create<decoder::LinearOp>(op, rows.rowType(n), x, recipe, FlatSymbolRefAttr(),
                                                  rows.builder.getI64IntegerAttr(0)));
  }
};

struct CumsumRule {
  /// Of a closed form that does not vary along the axis.
  void infer(graph::CumsumOp op, Typing &typing) const {
    Value input = op.getInput();
    if (!typing[input].isClosed()) return typing.report(op, "sums along tokens; only attention may combine tokens");
    bool plain = !op.getReverse();
    auto form = [&typing, input, axis = op.getAxis(), exclusive = op.getExclusive(), plain](Indices indices) -> Expr {
      ExprContext &exprs = typing.exprs;
      Variable r = exprs.newVariable("r");
      SmallVector<Expr, 4> inner(indices);
      inner[axis] = exprs.variable(r);
      Expr element = typing.at(input, inner);
      if (!plain || !element || !element.isAffine() || exprs.mentions(element, r)) return {};
      return exprs.mul(exprs.add(indices[axis], exprs.integer(exclusive ? 0 : 1)), element);
    };
    typing.setClosed(op, Shape(typing.shape(input)), form, typing[input].constant);
  }
};

} // namespace

void ingot::infer::attachContraction(MLIRContext *context) {
  attach<graph::ReduceOp, ReduceRule>(context);
  attach<graph::MatmulOp, MatmulRule>(context);
  attach<graph::CumsumOp, CumsumRule>(context);
}
