// Matrix products. One with a weight of the model on its right is decoder.linear over a recipe; any other is
// graph.matmul.
#include "compiler/import/Linear.h"
#include "compiler/import/OpTable.h"
#include "dialects/decoder/Decoder.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

Value ingot::linear(NodeImporter &n, Value x, FlatSymbolRefAttr weight, FlatSymbolRefAttr bias, int64_t rows,
                    int64_t columns, int64_t accuracy) {
  if (n.failed()) return {};
  int64_t k = n.dim(x, -1);
  if (!n.require(n.rank(x) >= 1 && (k == columns || k == kDynamic),
                 "contracts " + Twine(k) + " columns with a weight of " + Twine(columns)))
    return {};
  SmallVector<int64_t> shape(n.type(x).getShape());
  shape.back() = rows;
  return n.createOne<decoder::LinearOp>(n.type(x).clone(shape), x, weight, bias,
                                        n.builder().getI64IntegerAttr(accuracy));
}

Value ingot::swapLast(NodeImporter &n, Value x) {
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < n.rank(x); ++i) order.push_back(i);
  if (!n.require(n.failed() || order.size() >= 2, "needs a matrix")) return {};
  if (n.failed()) return {};
  std::swap(order.back(), order[order.size() - 2]);
  return n.create<graph::TransposeOp>(x, ArrayRef(order));
}

static bool isLinear(NodeImporter &n, Value x, Value w) {
  return !n.failed() && n.rank(w) == 2 && n.rank(x) >= 1 && n.isFloat(w) && n.element(w) == n.element(x) &&
         n.isWeight(w) && !n.isWeight(x);
}

// The weight as [N, K], from [K, N] unless `transposed`.
static FlatSymbolRefAttr weightRecipe(NodeImporter &n, Value w, bool transposed, StringRef hint) {
  RecipeWriter writer(n.weights(), n.loc());
  Value value = n.recipeValue(writer, w);
  if (!value) return {};
  return writer.finish(writer.onGrid(transposed ? value : writer.transpose(value, {1, 0})), hint);
}

Value ingot::project(NodeImporter &n, Value x, Value w, bool transposed, Value bias, size_t wOperand,
                     size_t biasOperand) {
  if (n.failed()) return {};
  int64_t rows = n.dim(w, transposed ? 0 : 1), columns = n.dim(w, transposed ? 1 : 0);
  bool vector = bias && n.rank(bias) == 1 && n.dim(bias, 0) == rows && n.isWeight(bias);
  if (!isLinear(n, x, w)) {
    Value y = n.create<graph::MatmulOp>(x, transposed ? swapLast(n, w) : w);
    return bias ? n.binary(BinaryKind::add, y, bias) : y;
  }
  auto recipe = weightRecipe(n, w, transposed, n.inputName(wOperand));
  auto offset = vector ? n.recipe(bias, n.inputName(biasOperand)) : FlatSymbolRefAttr();
  Value y = linear(n, x, recipe, offset, rows, columns);
  return bias && !vector ? n.binary(BinaryKind::add, y, bias) : y;
}

static void importMatMul(NodeImporter &n) {
  Value x = n.input(0), w = n.input(1);
  n.set(0, project(n, x, w, false, {}, 1, 2));
}

static Value scaled(NodeImporter &n, Value x, float factor) {
  return factor == 1 ? x : n.binary(BinaryKind::mul, x, n.scalar(factor, n.element(x)));
}

// alpha * A * B + beta * C
static Value gemm(NodeImporter &n) {
  Value a = n.input(0), b = n.input(1), c = n.optional(2);
  float alpha = n.real("alpha", 1.0f), beta = n.real("beta", 1.0f);
  bool transA = n.flag("transA", false), transB = n.flag("transB", false);
  if (n.failed()) return {};
  if (transA) a = swapLast(n, a);
  if (alpha == 1 && beta == 1) return project(n, a, b, transB, c, 1, 2);
  Value y = scaled(n, project(n, a, b, transB, {}, 1, 2), alpha);
  return c ? n.binary(BinaryKind::add, y, scaled(n, c, beta)) : y;
}

static void importGemm(NodeImporter &n) { n.set(0, gemm(n)); }

// com.microsoft: an activation after Gemm.
static void importFusedGemm(NodeImporter &n) {
  std::string activation = n.text("activation", "");
  auto kind = llvm::StringSwitch<std::optional<graph::UnaryKind>>(activation)
                  .Case("Relu", graph::UnaryKind::relu)
                  .Case("Sigmoid", graph::UnaryKind::sigmoid)
                  .Case("Tanh", graph::UnaryKind::tanh)
                  .Case("Gelu", graph::UnaryKind::gelu)
                  .Default(std::nullopt);
  Value y = gemm(n);
  n.require(kind.has_value() || activation.empty(), "activation '" + activation + "' is not supported");
  if (!n.failed()) n.set(0, kind ? n.unary(*kind, y) : y);
}

// transBatch: the matrix's rows come before the batch dims, [M, batch.., K].
static Value batchFirst(NodeImporter &n, Value x, bool transposed) {
  if (!transposed || n.failed()) return x;
  SmallVector<int64_t> order;
  if (!n.require(n.rank(x) >= 2, "needs a matrix")) return {};
  for (int64_t i = 1; i + 1 < n.rank(x); ++i) order.push_back(i);
  order.push_back(0);
  order.push_back(n.rank(x) - 1);
  return n.create<graph::TransposeOp>(x, ArrayRef(order));
}

static void importFusedMatMul(NodeImporter &n) {
  float alpha = n.real("alpha", 1.0f);
  bool transA = n.flag("transA", false), transB = n.flag("transB", false);
  Value x = batchFirst(n, n.input(0), n.integer("transBatchA", 0));
  Value w = batchFirst(n, n.input(1), n.integer("transBatchB", 0));
  if (transA && n.rank(x) > 1) x = swapLast(n, x);
  n.set(0, scaled(n, project(n, x, w, transB && n.rank(w) > 1, {}, 1, 2), alpha));
}

void ingot::addLinearOps(OpTable &table) {
  table.add("", "MatMul", importMatMul);
  table.add("", "Gemm", importGemm, 7);
  table.add("com.microsoft", "FusedGemm", importFusedGemm);
  table.add("com.microsoft", "FusedMatMul", importFusedMatMul);
  table.add("com.microsoft", "TransposeMatMul", importFusedMatMul); // its old name
}
