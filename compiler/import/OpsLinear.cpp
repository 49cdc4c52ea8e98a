// Matrix products. One with a weight of the model on its right is decoder.linear over a recipe; any other is
// graph.matmul.
#include "compiler/import/OpTable.h"
#include "dialects/decoder/Decoder.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

static Value linear(NodeImporter &n, Value x, FlatSymbolRefAttr weight, FlatSymbolRefAttr bias, int64_t rows,
                    int64_t columns, int64_t accuracy = 0) {
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

static Value swapLast(NodeImporter &n, Value x) {
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
  return writer.finish(transposed ? value : writer.transpose(value, {1, 0}), hint);
}

static void importMatMul(NodeImporter &n) {
  Value x = n.input(0), w = n.input(1);
  if (!isLinear(n, x, w)) return n.set(0, n.create<graph::MatmulOp>(x, w));
  auto recipe = weightRecipe(n, w, false, n.inputName(1));
  n.set(0, linear(n, x, recipe, {}, n.dim(w, 1), n.dim(w, 0)));
}

static Value scaled(NodeImporter &n, Value x, float factor) {
  return factor == 1 ? x : n.binary(BinaryKind::mul, x, n.scalar(factor, n.element(x)));
}

// alpha * A * B + beta * C
static void importGemm(NodeImporter &n) {
  Value a = n.input(0), b = n.input(1), c = n.optional(2);
  float alpha = n.real("alpha", 1.0f), beta = n.real("beta", 1.0f);
  bool transA = n.integer("transA", 0), transB = n.integer("transB", 0);
  if (n.failed()) return;
  int64_t rows = n.dim(b, transB ? 0 : 1), columns = n.dim(b, transB ? 1 : 0);
  bool vector = !c || (n.rank(c) == 1 && n.dim(c, 0) == rows && n.isWeight(c));
  if (alpha == 1 && beta == 1 && !transA && vector && isLinear(n, a, b)) {
    auto recipe = weightRecipe(n, b, transB, n.inputName(1));
    return n.set(0, linear(n, a, recipe, n.recipe(c, n.inputName(2)), rows, columns));
  }
  Value y = n.create<graph::MatmulOp>(transA ? swapLast(n, a) : a, transB ? swapLast(n, b) : b);
  y = scaled(n, y, alpha);
  n.set(0, c ? n.binary(BinaryKind::add, y, scaled(n, c, beta)) : y);
}

static void importFusedMatMul(NodeImporter &n) {
  Value x = n.input(0), w = n.input(1);
  float alpha = n.real("alpha", 1.0f);
  bool transA = n.integer("transA", 0), transB = n.integer("transB", 0);
  n.expect("transBatchA", 0);
  n.expect("transBatchB", 0);
  if (!transA && isLinear(n, x, w)) {
    auto recipe = weightRecipe(n, w, transB, n.inputName(1));
    Value y = linear(n, x, recipe, {}, n.dim(w, transB ? 0 : 1), n.dim(w, transB ? 1 : 0));
    return n.set(0, scaled(n, y, alpha));
  }
  n.set(0, scaled(n, n.create<graph::MatmulOp>(transA ? swapLast(n, x) : x, transB ? swapLast(n, w) : w), alpha));
}

// com.microsoft: quants [N, blocks, block * bits / 8] ui8; scales N * blocks; zero points packed ui8 or floats.
static void importMatMulNBits(NodeImporter &n) {
  int64_t k = n.integer("K"), rows = n.integer("N"), bits = n.integer("bits", 4), block = n.integer("block_size");
  int64_t accuracy = n.integer("accuracy_level", 0);
  n.require(bits == 4 || bits == 8, "bits = " + Twine(bits) + " is not supported; 4 and 8 are");
  n.require(k > 0 && rows > 0 && k <= INT32_MAX && rows <= INT32_MAX, "K and N must be positive");
  n.require(block >= 8 && block <= INT32_MAX && block % 8 == 0, "block_size must be a multiple of 8");
  n.refuse(4, "g_idx");
  Value x = n.input(0), quants = n.input(1), scales = n.input(2), zeros = n.optional(3), bias = n.optional(5);
  if (n.failed()) return;
  int64_t blocks = (k + block - 1) / block, blob = block * bits / 8, packed = (blocks * bits + 7) / 8;
  auto holds = [&](Value value, int64_t count) {
    return n.type(value).hasStaticShape() && n.type(value).getNumElements() == count;
  };
  bool floatZeros = zeros && n.isFloat(zeros);
  n.require(n.element(quants).isUnsignedInteger(8) && holds(quants, rows * blocks * blob),
            "its quants do not fit K and N");
  n.require(n.isFloat(scales) && holds(scales, rows * blocks), "its scales do not fit K and N");
  n.require(!zeros || holds(zeros, rows * (floatZeros ? blocks : packed)), "its zero points do not fit K and N");
  n.require(!zeros || floatZeros || n.element(zeros).isUnsignedInteger(8), "its zero points must be uint8 or floats");
  n.require(!bias || holds(bias, rows), "its bias does not fit N");
  if (n.failed()) return;
  RecipeWriter writer(n.weights(), n.loc());
  Value q = n.recipeValue(writer, quants), s = n.recipeValue(writer, scales);
  Value z = zeros ? n.recipeValue(writer, zeros) : Value();
  if (n.failed()) return;
  q = writer.reshape(q, {rows, blocks, blob}), s = writer.reshape(s, {rows, blocks});
  if (z) z = writer.reshape(z, {rows, floatZeros ? blocks : packed});
  auto weight = writer.finish(writer.dequant(q, s, z, bits, block, rows, k), n.inputName(1));
  n.set(0, linear(n, x, weight, n.recipe(bias, n.inputName(5)), rows, k, accuracy));
}

// int8 by int8 to int32, zero points subtracted first.
static void importMatMulInteger(NodeImporter &n) {
  Type i32 = n.builder().getI32Type();
  auto centred = [&](size_t operand, bool rowwise) {
    Value x = n.cast(n.input(operand), i32), zero = n.cast(n.optional(operand + 2), i32);
    if (!zero) return x;
    if (rowwise && n.rank(zero) == 1 && n.dim(zero, 0) != 1) zero = n.unsqueeze(zero, {1}); // one a row of A
    return n.binary(BinaryKind::sub, x, zero);
  };
  Value lhs = centred(0, true), rhs = centred(1, false);
  n.set(0, n.create<graph::MatmulOp>(lhs, rhs));
}

void ingot::addLinearOps(OpTable &table) {
  table.add("", "MatMul", importMatMul);
  table.add("", "Gemm", importGemm, 7);
  table.add("", "MatMulInteger", importMatMulInteger, 10);
  table.add("com.microsoft", "FusedMatMul", importFusedMatMul);
  table.add("com.microsoft", "MatMulNBits", importMatMulNBits);
}
