// RotaryEmbedding of ONNX (opset 23 on) and of com.microsoft. Tables of the model looked up by positions become
// decoder.angles and decoder.rope; cosines and sines that the graph computes stay graph ops.
#include "compiler/import/OpTable.h"
#include "compiler/import/Rotary.h"
#include "compiler/import/ScaledDotProduct.h"
#include "dialects/decoder/Decoder.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

bool ingot::areRotaryTables(NodeImporter &n, Value cos, Value sin) {
  return !n.failed() && n.rank(cos) == 2 && n.type(cos) == n.type(sin) && n.isFloat(cos) &&
         n.type(cos).hasStaticShape() && n.isWeight(cos) && n.isWeight(sin);
}

Value ingot::rotaryAngles(NodeImporter &n, Value positions, size_t cosOperand, size_t sinOperand) {
  Value cos = n.input(cosOperand), sin = n.input(sinOperand);
  if (n.failed()) return {};
  n.require(areRotaryTables(n, cos, sin),
            "its cosine and sine tables must be weights of the model, matrices of one type");
  auto cosRecipe = n.recipe(cos, n.inputName(cosOperand)), sinRecipe = n.recipe(sin, n.inputName(sinOperand));
  if (n.failed()) return {};
  SmallVector<int64_t> shape(n.type(positions).getShape());
  shape.push_back(2 * n.dim(cos, 1));
  return n.createOne<decoder::AnglesOp>(RankedTensorType::get(shape, n.element(cos)), positions, DenseF32ArrayAttr(),
                                        cosRecipe, sinRecipe, n.builder().getF32FloatAttr(1));
}

Value ingot::rotate(NodeImporter &n, Value x, Value angles, int64_t heads, bool interleaved) {
  if (n.failed()) return {};
  int64_t columns = n.dim(x, -1), turned = n.dim(angles, -1);
  n.require(heads > 0 && columns != kDynamic && columns % heads == 0 && turned <= columns / heads,
            "its heads and rotary tables do not fit " + Twine(columns) + " columns");
  return n.createOne<decoder::RopeOp>(x.getType(), x, angles, uint64_t(heads), interleaved);
}

Value ingot::rotateByValues(NodeImporter &n, Value x, Value cos, Value sin, bool interleaved) {
  if (n.failed()) return {};
  int64_t half = n.dim(cos, -1), size = n.dim(x, -1), last = n.rank(x) - 1;
  bool fits = half != kDynamic && size != kDynamic && half > 0 && 2 * half <= size && n.dim(sin, -1) == half;
  if (!n.require(fits, "its cosines and sines do not fit its heads, or head size is not static")) return {};
  auto columns = [&](int64_t begin, int64_t end, int64_t step) {
    return n.create<graph::SliceOp>(x, n.integerVector({begin}), n.integerVector({end}), ArrayRef<int64_t>{last},
                                    ArrayRef<int64_t>{step});
  };
  auto mul = [&](Value a, Value b) { return n.binary(BinaryKind::mul, a, n.cast(b, n.element(x))); };
  Value x1 = interleaved ? columns(0, 2 * half, 2) : columns(0, half, 1);
  Value x2 = interleaved ? columns(1, 2 * half, 2) : columns(half, 2 * half, 1);
  SmallVector<Value> parts = {n.binary(BinaryKind::sub, mul(x1, cos), mul(x2, sin)),
                              n.binary(BinaryKind::add, mul(x1, sin), mul(x2, cos))};
  if (n.failed()) return {};
  if (interleaved) {
    SmallVector<int64_t> dims(size_t(last), 0);
    dims.push_back(2 * half);
    for (Value &part : parts) part = n.unsqueeze(part, {last + 1});
    if (n.failed()) return {};
    Value pairs = n.create<graph::ConcatOp>(ValueRange(parts), last + 1);
    parts = {n.create<graph::ReshapeOp>(pairs, n.integerVector(dims), false)};
  }
  if (2 * half < size) parts.push_back(columns(2 * half, size, 1));
  if (n.failed()) return {};
  return parts.size() == 1 ? parts[0] : n.create<graph::ConcatOp>(ValueRange(parts), last);
}

Value ingot::rotateAt(NodeImporter &n, Value x, Value positions, size_t cosOperand, size_t sinOperand, int64_t heads,
                      bool interleaved) {
  Value cos = n.input(cosOperand), sin = n.input(sinOperand);
  if (n.failed()) return {};
  if (areRotaryTables(n, cos, sin))
    return rotate(n, x, rotaryAngles(n, positions, cosOperand, sinOperand), heads, interleaved);
  int64_t columns = n.dim(x, -1);
  n.require(heads > 0 && columns != kDynamic && columns % heads == 0, "its heads do not fit its columns");
  if (n.failed()) return {};
  auto at = [&](Value table) { return n.unsqueeze(n.create<graph::GatherOp>(table, positions, 0), {2}); };
  Value c = at(cos), s = at(sin);
  Value split = n.create<graph::ReshapeOp>(x, n.integerVector({0, 0, heads, columns / heads}), false);
  Value y = rotateByValues(n, split, c, s, interleaved);
  return y ? n.create<graph::ReshapeOp>(y, n.integerVector({0, 0, columns}), false) : Value();
}

// position_ids are [B, S], or [1]: the first position, others following it.
static Value positions(NodeImporter &n, Value x, Value ids) {
  if (n.rank(ids) == 2) return ids;
  n.require(n.rank(ids) == 1, "position_ids must be a matrix or one number");
  Value steps = iota(n, extentOf(n, x, 1));
  return n.unsqueeze(n.binary(BinaryKind::add, steps, n.cast(ids, n.builder().getI64Type())), {0});
}

namespace {
struct Rotary {
  Value x, ids;    // [B, S, n] or [B, heads, S, d]; ids may be null
  size_t cos, sin; // operands
  int64_t heads, dims;
  bool interleaved;
};
} // namespace

// Heads of a flat operand. One head size for both where none is told: the tables'.
static int64_t headsOf(NodeImporter &n, const Rotary &rotary, int64_t tableColumns) {
  if (rotary.heads > 0) return rotary.heads;
  int64_t columns = n.dim(rotary.x, -1), size = 2 * tableColumns;
  if (!n.require(rotary.heads == 0 && columns != kDynamic && size > 0 && columns % size == 0,
                 "num_heads is missing and does not follow from the tables"))
    return 1;
  return columns / size;
}

// Cosines or sines [.., S, n] for x: rows looked up, or as they are, with a dim for the heads at `axis`.
static Value valuesFor(NodeImporter &n, size_t operand, Value ids, int64_t axis) {
  Value table = n.input(operand);
  if (ids) table = n.create<graph::GatherOp>(table, ids, 0);
  if (!n.require(n.failed() || n.rank(table) == 3, "its cosines and sines must be [B, S, n]")) return {};
  return n.unsqueeze(table, {axis});
}

// x [B, heads, S, d]
static Value rotateSplit(NodeImporter &n, const Rotary &rotary, Value ids) {
  Value x = rotary.x;
  int64_t heads = n.dim(x, 1), size = n.dim(x, 3);
  bool tables = ids && areRotaryTables(n, n.input(rotary.cos), n.input(rotary.sin));
  if (!tables || heads == kDynamic || size == kDynamic)
    return rotateByValues(n, x, valuesFor(n, rotary.cos, ids, 1), valuesFor(n, rotary.sin, ids, 1), rotary.interleaved);
  Value rows = n.create<graph::TransposeOp>(x, ArrayRef<int64_t>{0, 2, 1, 3});
  Value flat = n.create<graph::ReshapeOp>(rows, n.integerVector({0, 0, heads * size}), false);
  Value y = rotateAt(n, flat, ids, rotary.cos, rotary.sin, heads, rotary.interleaved);
  if (n.failed()) return {};
  y = n.create<graph::ReshapeOp>(y, n.integerVector({0, 0, heads, size}), false);
  return n.create<graph::TransposeOp>(y, ArrayRef<int64_t>{0, 2, 1, 3});
}

// x [B, S, heads * d]. Columns that import does not know are as many as the heads and the tables say.
static Value rotateFlat(NodeImporter &n, const Rotary &rotary, Value ids) {
  Value x = rotary.x;
  int64_t half = n.dim(n.input(rotary.cos), -1), heads = headsOf(n, rotary, half);
  if (!n.failed() && n.dim(x, 2) == kDynamic && heads > 0 && heads <= 65536 && rotary.dims == 0)
    x = n.create<graph::ReshapeOp>(x, n.integerVector({0, 0, heads * 2 * half}), false);
  int64_t columns = n.dim(x, 2);
  n.require(n.failed() || (columns != kDynamic && columns % heads == 0), "its heads do not divide its columns");
  if (n.failed()) return {};
  if (ids) return rotateAt(n, x, ids, rotary.cos, rotary.sin, heads, rotary.interleaved);
  Value split = n.create<graph::ReshapeOp>(x, n.integerVector({0, 0, heads, columns / heads}), false);
  Value y =
      rotateByValues(n, split, valuesFor(n, rotary.cos, {}, 2), valuesFor(n, rotary.sin, {}, 2), rotary.interleaved);
  return y ? n.create<graph::ReshapeOp>(y, n.integerVector({0, 0, columns}), false) : Value();
}

static void importRotary(NodeImporter &n, const Rotary &rotary) {
  if (n.failed() || !n.require(n.rank(rotary.x) == 3 || n.rank(rotary.x) == 4, "needs [B, S, n] or [B, heads, S, d]"))
    return;
  Value cos = n.input(rotary.cos), sin = n.input(rotary.sin), x = rotary.x;
  if (n.failed()) return;
  int64_t half = n.dim(cos, -1);
  n.require(n.dim(sin, -1) == half, "its tables differ in columns");
  n.require(half != kDynamic && half > 0 && half <= 65536 && (rotary.dims == 0 || rotary.dims == 2 * half),
            "its tables must have rotary_embedding_dim / 2 columns");
  if (n.failed()) return;
  Value ids = rotary.ids ? positions(n, x, rotary.ids) : Value();
  n.set(0, n.rank(x) == 4 ? rotateSplit(n, rotary, ids) : rotateFlat(n, rotary, ids));
}

static Rotary readAttributes(NodeImporter &n) {
  Rotary rotary = {};
  rotary.heads = n.integer("num_heads", 0);
  rotary.dims = n.integer("rotary_embedding_dim", 0);
  rotary.interleaved = n.flag("interleaved", false);
  rotary.x = n.input(0);
  return rotary;
}

static void importStandardRotary(NodeImporter &n) {
  Rotary rotary = readAttributes(n);
  rotary.cos = 1, rotary.sin = 2, rotary.ids = n.optional(3);
  importRotary(n, rotary);
}

static void importContribRotary(NodeImporter &n) {
  n.expect("is_packed_batching", 0);
  if (n.real("scale", 1.0f) != 1.0f) n.gap("scale is not supported");
  Rotary rotary = readAttributes(n);
  rotary.ids = n.input(1), rotary.cos = 2, rotary.sin = 3;
  importRotary(n, rotary);
}

void ingot::addRotaryOps(OpTable &table) {
  table.add("", "RotaryEmbedding", importStandardRotary, 23);
  table.add("com.microsoft", "RotaryEmbedding", importContribRotary);
}
