// Rows looked up by ids: Gather of a weight table, plain or quantised. Any other Gather is data movement.
#include "compiler/import/OpTable.h"
#include "dialects/decoder/Decoder.h"

using namespace mlir;
using namespace ingot;

// An integer tensor that is the graph's input up to casts and changes of shape.
static bool isIds(Value value) {
  for (unsigned i = 0; i < 16; ++i) {
    if (isa<BlockArgument>(value)) return true;
    Operation *op = value.getDefiningOp();
    if (!isa<graph::CastOp, graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp>(op)) return false;
    value = op->getOperand(0);
  }
  return false;
}

static Value embed(NodeImporter &n, Value ids, FlatSymbolRefAttr table, int64_t columns, Type element) {
  SmallVector<int64_t> shape(n.type(ids).getShape());
  shape.push_back(columns);
  return n.createOne<decoder::EmbedOp>(RankedTensorType::get(shape, element), ids, table,
                                       n.builder().getF32FloatAttr(1));
}

static void importGather(NodeImporter &n) {
  Value x = n.input(0), indices = n.input(1);
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(x));
  if (n.failed()) return;
  bool lookup = axis == 0 && n.rank(x) == 2 && n.isFloat(x) && n.isWeight(x) && n.rank(indices) >= 1 && isIds(indices);
  if (!lookup) return n.set(0, n.create<graph::GatherOp>(x, indices, axis));
  n.set(0, embed(n, indices, n.recipe(x, n.inputName(0)), n.dim(x, 1), n.element(x)));
}

// com.microsoft: rows of [V, d] with a scale per block of columns. ui8 data packs `bits`-bit numbers, low bits first,
// centred on 2^(bits-1) unless zero points are given; 4-bit types are centred on 0.
static void importGatherBlockQuantized(NodeImporter &n) {
  n.expect("gather_axis", 0);
  Value data = n.input(0), ids = n.input(1), scales = n.input(2), zeros = n.optional(3);
  int64_t bits = n.integer("bits", 4), block = n.integer("block_size", 128);
  if (n.failed()) return;
  n.require(n.rank(data) == 2 && n.type(data).hasStaticShape() && n.isWeight(data), "its data must be a weight matrix");
  int64_t axis = n.axis(n.integer("quantize_axis", 1), n.rank(data));
  n.require(axis == 1, "quantize_axis must be the last");
  n.require(bits == 4 || bits == 8, "bits = " + Twine(bits) + " is not supported; 4 and 8 are");
  n.require(block >= 8 && block <= INT32_MAX && block % 8 == 0, "block_size must be a multiple of 8");
  if (n.failed()) return;
  bool bytes = n.element(data).isUnsignedInteger(8);
  n.require(bytes || (bits == 4 && n.element(data).isInteger(4)), "its data must be uint8, int4 or uint4");
  int64_t rows = n.dim(data, 0), columns = n.dim(data, 1) * (bytes ? 8 / bits : 1),
          blocks = (columns + block - 1) / block;
  auto fits = [&](Value value, int64_t width) {
    return n.rank(value) == 2 && n.dim(value, 0) == rows && n.dim(value, 1) == width;
  };
  n.require(n.isFloat(scales) && fits(scales, blocks), "its scales do not fit its data");
  n.require(!zeros || fits(zeros, bytes ? (blocks * bits + 7) / 8 : blocks), "its zero points do not fit its data");
  n.require(!zeros || n.element(zeros) == n.element(data), "its zero points must have the data's type");
  n.require(!bytes || columns % block == 0, "uint8 data whose columns are no multiple of block_size is not supported");
  if (n.failed()) return;
  RecipeWriter writer(n.weights(), n.loc());
  Value q = n.recipeValue(writer, data), s = n.recipeValue(writer, scales);
  Value z = zeros ? n.recipeValue(writer, zeros) : Value();
  if (n.failed()) return;
  if (bytes) q = writer.reshape(q, {rows, blocks, block * bits / 8});
  if (!z && n.element(data).isUnsignedInteger(4)) {
    auto type = RankedTensorType::get({rows, blocks}, n.builder().getIntegerType(8, false));
    z = writer.constant(DenseElementsAttr::get(type, APInt(8, 0)));
  }
  auto table = writer.finish(writer.dequant(q, s, z, bits, block, rows, columns), n.inputName(0));
  n.set(0, embed(n, ids, table, columns, n.element(scales)));
}

void ingot::addEmbedOps(OpTable &table) {
  table.add("", "Gather", importGather);
  table.add("com.microsoft", "GatherBlockQuantized", importGatherBlockQuantized);
}
