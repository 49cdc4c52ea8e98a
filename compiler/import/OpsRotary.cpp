// com.microsoft's RotaryEmbedding over tables of the model.
#include "compiler/import/OpTable.h"
#include "compiler/import/Rotary.h"
#include "dialects/decoder/Decoder.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

Value ingot::rotaryAngles(NodeImporter &n, Value positions, size_t cosOperand, size_t sinOperand) {
  Value cos = n.input(cosOperand), sin = n.input(sinOperand);
  if (n.failed()) return {};
  n.require(n.rank(cos) == 2 && n.type(cos) == n.type(sin) && n.isFloat(cos) && n.type(cos).hasStaticShape(),
            "its cosine and sine tables must be matrices of one type");
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

// position_ids are [B, S], or [1]: the first position, others following it.
static Value positions(NodeImporter &n, Value x, Value ids) {
  if (n.rank(ids) == 2) return ids;
  n.require(n.rank(ids) == 1, "position_ids must be a matrix or one number");
  Type i64 = n.builder().getI64Type();
  Value length = n.reshape(n.create<graph::ShapeOp>(x, 1, 2), n.integerVector({}));
  Value steps = n.create<graph::RangeOp>(n.scalar(0, i64), length, n.scalar(1, i64));
  return n.unsqueeze(n.binary(BinaryKind::add, steps, n.cast(ids, i64)), {0});
}

static void importRotaryEmbedding(NodeImporter &n) {
  n.expect("is_packed_batching", 0);
  n.ignore("rotary_embedding_dim"); // the tables' width says it
  if (n.real("scale", 1.0f) != 1.0f) n.gap("scale is not supported");
  bool interleaved = n.integer("interleaved", 0);
  int64_t heads = n.integer("num_heads", 0);
  Value x = n.input(0), ids = n.input(1);
  if (n.failed() || !n.require(n.rank(x) == 3 || n.rank(x) == 4, "needs [B, S, n] or [B, heads, S, d]")) return;
  bool split = n.rank(x) == 4; // heads are a dim of their own
  if (split) {
    heads = n.dim(x, 1);
    n.require(heads != kDynamic && n.dim(x, 3) != kDynamic, "heads and head size must be static");
    x = n.create<graph::TransposeOp>(x, ArrayRef<int64_t>{0, 2, 1, 3});
  }
  Value dims = n.shapeOf(x), flat = x;
  if (split) flat = n.create<graph::ReshapeOp>(x, n.integerVector({0, 0, heads * n.dim(x, 3)}), false);
  Value angles = rotaryAngles(n, positions(n, x, ids), 2, 3);
  if (heads == 0 && !n.failed()) { // one head size for both: the tables'
    n.require(n.dim(angles, -1) > 0, "its tables are empty");
    heads = n.failed() ? 1 : n.dim(x, -1) / n.dim(angles, -1);
  }
  Value y = rotate(n, flat, angles, heads, interleaved);
  if (split) y = n.create<graph::TransposeOp>(n.reshape(y, dims), ArrayRef<int64_t>{0, 2, 1, 3});
  n.set(0, y);
}

void ingot::addRotaryOps(OpTable &table) { table.add("com.microsoft", "RotaryEmbedding", importRotaryEmbedding); }
