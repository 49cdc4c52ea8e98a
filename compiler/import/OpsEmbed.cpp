// Rows looked up by ids: Gather of a weight table, plain or quantised. Any other Gather is data movement.
#include "compiler/import/Embed.h"
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

Value ingot::lookUp(NodeImporter &n, Value x, Value indices, int64_t axis, StringRef hint) {
  if (n.failed()) return {};
  bool lookup = axis == 0 && n.rank(x) == 2 && n.isFloat(x) && n.isWeight(x) && n.rank(indices) >= 1 && isIds(indices);
  if (!lookup) return n.create<graph::GatherOp>(x, indices, axis);
  RecipeWriter writer(n.weights(), n.loc());
  Value table = n.recipeValue(writer, x);
  return table ? embed(n, indices, writer.finish(writer.onGrid(table), hint), n.dim(x, 1), n.element(x)) : Value();
}

static void importGather(NodeImporter &n) {
  Value x = n.input(0), indices = n.input(1);
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(x));
  n.set(0, lookUp(n, x, indices, axis, n.inputName(0)));
}

namespace {
/// Operands of GatherBlockQuantized. `bytes`: ui8 data, which packs 8 / bits numbers a byte along the last axis.
struct QuantizedTable {
  Value data, scales, zeros;
  int64_t bits, block, axis;
  bool bytes;
  SmallVector<int64_t> shape, counts; // of the values, and of their blocks

  bool read(NodeImporter &n);
};
} // namespace

bool QuantizedTable::read(NodeImporter &n) {
  data = n.input(0), scales = n.input(2), zeros = n.optional(3);
  bits = n.integer("bits", 4), block = n.integer("block_size", 128);
  axis = n.axis(n.integer("quantize_axis", 1), n.rank(data));
  if (n.failed()) return false;
  n.require(n.rank(data) >= 1 && n.type(data).hasStaticShape() && n.isWeight(data), "its data must be a weight");
  bytes = n.element(data).isUnsignedInteger(8);
  bool four = isa<IntegerType>(n.element(data)) && n.element(data).getIntOrFloatBitWidth() == 4;
  n.require(bytes || (four && bits == 4), "its data must be uint8, int4 or uint4");
  n.require(bits == 2 || bits == 4 || bits == 8, "bits = " + Twine(bits) + " is not supported; 2, 4 and 8 are");
  n.require(block >= 16 && block <= INT32_MAX && (block & (block - 1)) == 0,
            "block_size must be a power of two of at least 16");
  if (n.failed()) return false;
  if (!n.require(n.type(data).getNumElements() < int64_t(1) << 48, "its data is too large")) return false;
  shape.assign(n.type(data).getShape().begin(), n.type(data).getShape().end());
  if (bytes) shape.back() *= 8 / bits;
  counts = shape;
  counts[axis] = (shape[axis] + block - 1) / block;
  SmallVector<int64_t> zeroShape = counts;
  if (bytes) zeroShape.back() = (counts.back() * bits + 7) / 8;
  n.require(n.isFloat(scales) && n.type(scales).getShape() == ArrayRef(counts), "its scales do not fit its data");
  n.require(!zeros || n.element(zeros) == n.element(data), "its zero points must have the data's type");
  n.require(!zeros || n.type(zeros).getShape() == ArrayRef(zeroShape), "its zero points do not fit its data");
  return !n.failed();
}

// com.microsoft: rows of a table in blocks along one axis. ui8 data packs `bits`-bit numbers, low bits first, centred
// on 2^(bits-1) unless zero points are given; 4-bit types are centred on 0.
static void importGatherBlockQuantized(NodeImporter &n) {
  QuantizedTable table;
  Value ids = n.input(1);
  int64_t gatherAxis = n.integer("gather_axis", 0);
  if (!table.read(n)) return;
  gatherAxis = n.axis(gatherAxis, n.rank(table.data));
  if (n.failed()) return;
  if (!table.bytes) { // the standard's own blocked DequantizeLinear
    auto type = RankedTensorType::get(table.shape, n.element(table.scales));
    Value dense = n.createOne<graph::DequantOp>(type, table.data, table.scales, table.zeros, table.axis, table.block);
    return n.set(0, lookUp(n, dense, ids, gatherAxis, n.inputName(0)));
  }
  n.require(gatherAxis == 0 && table.shape.size() == 2 && n.rank(ids) >= 1 && isIds(ids),
            "uint8 data must be a matrix whose rows the ids pick (gather_axis = 0)");
  if (n.failed()) return;
  RecipeWriter writer(n.weights(), n.loc());
  Value q = n.recipeValue(writer, table.data), s = n.recipeValue(writer, table.scales);
  Value z = table.zeros ? n.recipeValue(writer, table.zeros) : Value();
  if (n.failed()) return;
  int64_t rows = table.shape[0], columns = table.shape[1];
  Value dense;
  if (table.axis == 1 && table.bits >= 4 && columns % table.block == 0) { // as MatMulNBits has it
    q = writer.reshape(q, {rows, table.counts[1], table.block * table.bits / 8});
    dense = writer.dequant(q, s, z, table.bits, table.block, rows, columns);
  } else {
    if (table.bits < 8) q = writer.unpack(q, table.bits, columns, false);
    if (z && table.bits < 8) z = writer.unpack(z, table.bits, table.counts[1], false);
    if (!z) z = writer.filled(table.counts, n.element(table.data), double(1 << (table.bits - 1)));
    dense = writer.onGrid(writer.dequantise(q, s, z, table.axis, table.block));
  }
  n.set(0, embed(n, ids, writer.finish(dense, n.inputName(0)), columns, n.element(table.scales)));
}

void ingot::addEmbedOps(OpTable &table) {
  table.add("", "Gather", importGather);
  table.add("com.microsoft", "GatherBlockQuantized", importGatherBlockQuantized);
}
