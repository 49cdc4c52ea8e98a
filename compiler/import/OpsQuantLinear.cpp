// Matrix products with quantised operands: weights packed by blocks (MatMulNBits, MatMulBnb4) become recipes, integer
// products (MatMulInteger, QLinearMatMul and their kin) are spelled out in graph ops, zero points subtracted first.
#include "compiler/import/Linear.h"
#include "compiler/import/OpTable.h"
#include "dialects/graph/Graph.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind;

static bool holds(NodeImporter &n, Value value, int64_t count) {
  return n.type(value).hasStaticShape() && n.type(value).getNumElements() == count;
}

/// Sizes whose products below fit 64 bits.
static bool isPossible(int64_t rows, int64_t columns) {
  return rows > 0 && columns > 0 && rows < (1 << 24) && columns < (1 << 24);
}

//===- weights packed by blocks -----------------------------------------------------------------------------------===//

namespace {
/// What a weight of [rows, columns] in blocks of columns is made of; quants are bytes.
struct Blocks {
  int64_t rows, columns, bits, size;
  int64_t count() const { return (columns + size - 1) / size; }
  int64_t bytes() const { return size * bits / 8; }
  int64_t zeroBytes() const { return (count() * bits + 7) / 8; }
  /// weights.dequant reads the bytes as they are, and a packed layout holds the blocks.
  bool isPlain() const { return bits >= 4 && (size % 16 == 0 || size >= columns); }
};
} // namespace

/// Numbers unpacked one by one, for what weights.dequant cannot read or no packed layout holds.
static Value unpacked(NodeImporter &n, RecipeWriter &writer, const Blocks &blocks, Value q, Value s, Value z) {
  int64_t count = blocks.count();
  q = writer.reshape(q, {blocks.rows, count * blocks.bytes()});
  if (blocks.bits < 8) q = writer.unpack(q, blocks.bits, count * blocks.size, false);
  q = writer.slice(q, 1, 0, blocks.columns);
  Type byte = cast<RankedTensorType>(q.getType()).getElementType();
  bool floats = z && isa<FloatType>(cast<RankedTensorType>(z.getType()).getElementType());
  if (!z)
    z = writer.filled({blocks.rows, count}, byte, double(1 << (blocks.bits - 1)));
  else if (!floats && blocks.bits < 8)
    z = writer.unpack(z, blocks.bits, count, false);
  bool grid = blocks.size % 16 == 0 || blocks.size >= blocks.columns;
  if (grid) return writer.dequant(q, s, z, std::max<int64_t>(4, blocks.bits), blocks.size, blocks.rows, blocks.columns);
  Value dense = writer.dequantise(q, s, z, 1, blocks.size);
  n.require(bool(dense), "its parts do not fit together");
  return dense;
}

// com.microsoft: quants [N, blocks, block * bits / 8] ui8, low bits first; scales N * blocks; zero points packed ui8
// (absent: the middle of the range) or floats.
static void importMatMulNBits(NodeImporter &n) {
  Blocks blocks{n.integer("N"), n.integer("K"), n.integer("bits", 4), n.integer("block_size")};
  int64_t accuracy = n.integer("accuracy_level", 0);
  n.require(blocks.bits == 2 || blocks.bits == 4 || blocks.bits == 8,
            "bits = " + Twine(blocks.bits) + " is not supported; 2, 4 and 8 are");
  n.require(isPossible(blocks.rows, blocks.columns), "K and N must be positive (and no larger than a model's)");
  n.require(blocks.size >= 8 && blocks.size <= INT32_MAX && blocks.size % 8 == 0, "block_size must be a multiple of 8");
  n.refuse(4, "g_idx");
  Value x = n.input(0), quants = n.input(1), scales = n.input(2), zeros = n.optional(3), bias = n.optional(5);
  if (n.failed()) return;
  int64_t parameters = blocks.rows * blocks.count();
  bool floatZeros = zeros && n.isFloat(zeros);
  n.require(n.element(quants).isUnsignedInteger(8) && holds(n, quants, parameters * blocks.bytes()),
            "its quants do not fit K and N");
  n.require(n.isFloat(scales) && holds(n, scales, parameters), "its scales do not fit K and N");
  n.require(!zeros || holds(n, zeros, floatZeros ? parameters : blocks.rows * blocks.zeroBytes()),
            "its zero points do not fit K and N");
  n.require(!zeros || floatZeros || n.element(zeros).isUnsignedInteger(8), "its zero points must be uint8 or floats");
  n.require(!bias || holds(n, bias, blocks.rows), "its bias does not fit N");
  if (n.failed()) return;
  RecipeWriter writer(n.weights(), n.loc());
  Value q = n.recipeValue(writer, quants), s = n.recipeValue(writer, scales);
  Value z = zeros ? n.recipeValue(writer, zeros) : Value();
  if (n.failed()) return;
  s = writer.reshape(s, {blocks.rows, blocks.count()});
  if (z) z = writer.reshape(z, {blocks.rows, floatZeros ? blocks.count() : blocks.zeroBytes()});
  Value w;
  if (blocks.isPlain())
    w = writer.dequant(writer.reshape(q, {blocks.rows, blocks.count(), blocks.bytes()}), s, z, blocks.bits, blocks.size,
                       blocks.rows, blocks.columns);
  else
    w = unpacked(n, writer, blocks, q, s, z);
  if (n.failed()) return;
  auto weight = writer.finish(w, n.inputName(1));
  n.set(0, linear(n, x, weight, n.recipe(bias, n.inputName(5)), blocks.rows, blocks.columns, accuracy));
}

// The values of a code times the block's largest magnitude. fp4: bitsandbytes' order of sign, exponent and mantissa
// bits; nf4: quantiles of the normal distribution (Dettmers et al., QLoRA, 2023, appendix E).
static constexpr float fp4Values[16] = {
    0.0f,  5.208333333e-03f,  0.66666667f,  1.0f,  0.33333333f,  0.5f,  0.16666667f,  0.25f,
    -0.0f, -5.208333333e-03f, -0.66666667f, -1.0f, -0.33333333f, -0.5f, -0.16666667f, -0.25f};
static constexpr float nf4Values[16] = {-1.0f,
                                        -0.6961928009986877f,
                                        -0.5250730514526367f,
                                        -0.39491748809814453f,
                                        -0.28444138169288635f,
                                        -0.18477343022823334f,
                                        -0.09105003625154495f,
                                        0.0f,
                                        0.07958029955625534f,
                                        0.16093020141124725f,
                                        0.24611230194568634f,
                                        0.33791524171829224f,
                                        0.44070982933044434f,
                                        0.5626170039176941f,
                                        0.7229568362236023f,
                                        1.0f};

// com.microsoft: B^T [N, K] flattened, two codes a byte, the first in the high bits; absmax a block of it.
static void importMatMulBnb4(NodeImporter &n) {
  int64_t columns = n.integer("K"), rows = n.integer("N"), block = n.integer("block_size"),
          kind = n.integer("quant_type");
  n.ignore("training_mode");
  n.expect("transB", 1);
  n.require(kind == 0 || kind == 1, "quant_type must be 0 (fp4) or 1 (nf4)");
  n.require(isPossible(rows, columns), "K and N must be positive (and no larger than a model's)");
  n.require(block > 0 && block <= INT32_MAX, "block_size must be positive");
  Value x = n.input(0), quants = n.input(1), absmax = n.input(2);
  if (n.failed()) return;
  int64_t count = rows * columns, blocks = (count + block - 1) / block, bytes = (count + 1) / 2;
  n.require(n.element(quants).isUnsignedInteger(8) && holds(n, quants, bytes), "its quants do not fit K and N");
  n.require(n.isFloat(absmax) && holds(n, absmax, blocks), "its absmax does not fit K and N");
  if (n.failed()) return;
  RecipeWriter writer(n.weights(), n.loc());
  Value q = n.recipeValue(writer, quants), scale = n.recipeValue(writer, absmax);
  if (n.failed()) return;
  auto tableType = RankedTensorType::get({16}, n.builder().getF32Type());
  Value table = writer.constant(DenseElementsAttr::get(tableType, ArrayRef(kind == 0 ? fp4Values : nf4Values)));
  Value codes = writer.unpack(writer.reshape(q, {bytes}), 4, count, /*highFirst=*/true);
  Value w = writer.dequantise(writer.lookup(table, codes), writer.reshape(scale, {blocks}), {}, 0, block);
  if (!n.require(bool(w), "its absmax does not fit its quants")) return;
  auto weight = writer.finish(writer.reshape(w, {rows, columns}), n.inputName(1));
  n.set(0, linear(n, x, weight, {}, rows, columns));
}

//===- integer products -------------------------------------------------------------------------------------------===//

/// x - zero as i32. `perRow`: a vector has a zero point a row of x, else one a column.
static Value centred(NodeImporter &n, Value x, Value zero, bool perRow) {
  Type i32 = n.builder().getI32Type();
  x = n.cast(x, i32), zero = n.cast(zero, i32);
  if (!zero || n.failed()) return x;
  if (perRow && n.rank(zero) == 1 && n.dim(zero, 0) != 1) zero = n.unsqueeze(zero, {1});
  return n.binary(BinaryKind::sub, x, zero);
}

static Value integerProduct(NodeImporter &n, Value a, Value aZero, Value b, Value bZero) {
  return n.create<graph::MatmulOp>(centred(n, a, aZero, true), centred(n, b, bZero, false));
}

// int8 by int8 to int32.
static void importMatMulInteger(NodeImporter &n) {
  Value a = n.input(0), b = n.input(1), aZero = n.optional(2), bZero = n.optional(3);
  n.set(0, integerProduct(n, a, aZero, b, bZero));
}

/// product * (aScale * bScale) + bias as floats.
static Value rescaled(NodeImporter &n, Value product, Value aScale, Value bScale, Value bias) {
  if (n.failed()) return {};
  if (n.rank(aScale) == 1 && n.dim(aScale, 0) != 1) aScale = n.unsqueeze(aScale, {1});
  Value scale = n.binary(BinaryKind::mul, aScale, bScale);
  Value y = n.binary(BinaryKind::mul, n.cast(product, n.element(aScale)), scale);
  return bias ? n.binary(BinaryKind::add, y, bias) : y;
}

static void importMatMulIntegerToFloat(NodeImporter &n) {
  Value a = n.input(0), b = n.input(1), aScale = n.input(2), bScale = n.input(3);
  Value aZero = n.optional(4), bZero = n.optional(5), bias = n.optional(6);
  n.set(0, rescaled(n, integerProduct(n, a, aZero, b, bZero), aScale, bScale, bias));
}

static void importDynamicQuantizeMatMul(NodeImporter &n) {
  Value a = n.input(0), b = n.input(1), bScale = n.input(2), bZero = n.optional(3), bias = n.optional(4);
  auto dynamic = n.createAll<graph::DynamicQuantOp>(3, a);
  if (!dynamic) return;
  Value product = integerProduct(n, dynamic.getResult(), dynamic.getZero(), b, bZero);
  n.set(0, rescaled(n, product, dynamic.getScale(), bScale, bias));
}

//===- operators on quantised tensors (ONNX Runtime's QOperator format)
//--------------------------------------------===//

/// (x - zero) * scale; a vector of scales goes along `axis`.
static Value dequantised(NodeImporter &n, size_t operand, int64_t axis) {
  Value x = n.input(operand), scale = n.input(operand + 1), zero = n.optional(operand + 2);
  if (n.failed()) return {};
  bool one = n.rank(scale) == 0 || holds(n, scale, 1);
  n.require(one || n.rank(scale) == 1, "its scales must be a number or a vector");
  if (one)
    return n.failed() ? Value()
                      : n.createOne<graph::DequantOp>(n.type(x).clone(n.element(scale)), x, scale, zero, 0, 0);
  axis = n.axis(axis, n.rank(x));
  return n.failed() ? Value()
                    : n.createOne<graph::DequantOp>(n.type(x).clone(n.element(scale)), x, scale, zero, axis, 0);
}

static Value quantised(NodeImporter &n, Value y, size_t operand) {
  Value scale = n.input(operand), zero = n.optional(operand + 1);
  if (n.failed()) return {};
  n.require(n.rank(scale) == 0 || holds(n, scale, 1), "its result must have one scale");
  Type byte = zero ? n.element(zero) : Type(IntegerType::get(&n.context(), 8, IntegerType::Unsigned));
  return n.failed() ? Value() : n.createOne<graph::QuantiseOp>(n.type(y).clone(byte), y, scale, zero, 0, 0);
}

static void importQLinearMatMul(NodeImporter &n) {
  Value a = dequantised(n, 0, -2), b = dequantised(n, 3, -1);
  n.set(0, quantised(n, project(n, a, b, false, {}, 3, 6), 6));
}

// alpha A B + C, where C is int32 at the product's scale; floats unless a scale for the result is given.
static void importQGemm(NodeImporter &n) {
  bool transA = n.flag("transA", false), transB = n.flag("transB", false);
  float alpha = n.real("alpha", 1.0f);
  Value a = dequantised(n, 0, 0), b = dequantised(n, 3, transB ? 0 : 1), c = n.optional(6);
  if (n.failed()) return;
  if (transA) a = swapLast(n, a);
  Value y = project(n, a, b, transB, {}, 3, 6);
  Value scale = c ? n.binary(BinaryKind::mul, n.input(1), n.input(4)) : Value();
  if (c) y = n.binary(BinaryKind::add, y, n.binary(BinaryKind::mul, n.cast(c, n.element(scale)), scale));
  n.require(alpha == 1 || !c, "alpha other than 1 with a bias is not supported");
  if (alpha != 1 && !n.failed()) y = n.binary(BinaryKind::mul, y, n.scalar(alpha, n.element(y)));
  n.set(0, n.has(7) ? quantised(n, y, 7) : y);
}

static void importQLinearBinary(NodeImporter &n, BinaryKind kind) {
  Value a = dequantised(n, 0, 0), b = dequantised(n, 3, 0);
  n.set(0, quantised(n, n.failed() ? Value() : n.binary(kind, a, b), 6));
}

static void importQLinearSigmoid(NodeImporter &n) {
  Value x = dequantised(n, 0, 0);
  n.set(0, quantised(n, n.failed() ? Value() : n.unary(graph::UnaryKind::sigmoid, x), 3));
}

void ingot::addQuantLinearOps(OpTable &table) {
  table.add("com.microsoft", "MatMulNBits", importMatMulNBits);
  table.add("com.microsoft", "MatMulBnb4", importMatMulBnb4);
  table.add("", "MatMulInteger", importMatMulInteger, 10);
  table.add("", "QLinearMatMul", importQLinearMatMul, 10);
  table.add("com.microsoft", "MatMulIntegerToFloat", importMatMulIntegerToFloat);
  table.add("com.microsoft", "DynamicQuantizeMatMul", importDynamicQuantizeMatMul);
  table.add("com.microsoft", "QGemm", importQGemm);
  table.add("com.microsoft", "QLinearAdd", [](NodeImporter &n) { importQLinearBinary(n, BinaryKind::add); });
  table.add("com.microsoft", "QLinearMul", [](NodeImporter &n) { importQLinearBinary(n, BinaryKind::mul); });
  table.add("com.microsoft", "QLinearSigmoid", importQLinearSigmoid);
}
