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
    if (a.empty() || b.empty()) return typing.report(op, "multiplies a scalar; matrices or vectors were expected");
    bool rowVector = a.size() == 1, columnVector = b.size() == 1;
    if (rowVector) a.insert(a.begin(), Dim());
    if (columnVector) b.push_back(Dim());
    Dim inner = a.back();
    if (inner != b[b.size() - 2])
      return typing.report(op,
                           "contracts " + inner.print(typing.exprs) + " with " + b[b.size() - 2].print(typing.exprs));
    if (!inner.constant())
      return typing.report(op, "contracts over the axis of length " + inner.print(typing.exprs) +
                                   "; only attention may combine tokens");
    auto shape = broadcast({ArrayRef<Dim>(a).drop_back(2), ArrayRef<Dim>(b).drop_back(2)});
    if (!shape) return typing.report(op, "has batch axes that do not broadcast");
    if (!rowVector) shape->push_back(a[a.size() - 2]);
    if (!columnVector) shape->push_back(b.back());
    typing.setToken(op, *shape);
  }

  /// x @ W with a constant matrix, or W @ x with one column a token, is a linear; the recipe is [out, in].
  void lower(graph::MatmulOp op, RowBuilder &rows) const {
    bool first = rows.typing[op.getLhs()].constant;
    Value matrix = first ? op.getLhs() : op.getRhs(), token = first ? op.getRhs() : op.getLhs();
    Value x = rows.rows(token);
    if (!x) return rows.typing[token].isToken() ? void() : rows.noRowForm(op);
    ArrayRef<Dim> shape = rows.typing.shape(matrix);
    bool plain = rows.typing[matrix].constant && shape.size() >= 2 && constantProduct(shape.drop_back(2)) == 1;
    if (!plain) return rows.noRowForm(op);
    int64_t height = *shape[shape.size() - 2].constant(), width = *shape.back().constant();
    int64_t k = first ? width : height;
    if (rows.width(token) != k) return rows.noRowForm(op); // several rows a token
    auto recipe = rows.recipes.ofMatrix(rows.typing, matrix, op, [&](OpBuilder &builder, Value weight) {
      weight = Recipes::reshape(builder, weight, {height, width});
      return first ? weight : Recipes::transpose(builder, weight, {1, 0});
    });
    if (recipe)
      rows.set(op, rows.create<decoder::LinearOp>(op, rows.rowType(first ? height : width), x, recipe,
                                                  FlatSymbolRefAttr(), rows.builder.getI64IntegerAttr(0)));
  }
};

struct TopkRule {
  void infer(graph::TopkOp op, Typing &typing) const {
    Value input = op.getInput();
    auto k = typing.integers(op.getK(), op);
    if (!k) return;
    Shape shape(typing.shape(input));
    size_t axis = op.getAxis();
    if (k->size() != 1 || !(*k)[0].asInteger() || axis >= shape.size() || !shape[axis].constant() ||
        !typing[input].isToken())
      return typing.report(op, "picks the largest of " + print(typing.exprs, shape) +
                                   " along an axis that is not constant; only columns of a token's row may be sorted");
    shape[axis] = typing.dim(*(*k)[0].asInteger());
    typing.setToken(op.getValues(), shape);
    typing.setToken(op.getIndices(), shape);
  }
};

struct CumsumRule {
  /// Of a closed form that does not vary along the axis.
  void infer(graph::CumsumOp op, Typing &typing) const {
    Value input = op.getInput();
    if (typing[input].isToken() && typing.shape(input)[op.getAxis()].constant())
      return typing.setToken(op, Shape(typing.shape(input)));
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
  attach<graph::TopkOp, TopkRule>(context);
}
