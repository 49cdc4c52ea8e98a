// Quantised tensors in ONNX's own domain: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
#include "compiler/import/Embed.h"
#include "compiler/import/OpTable.h"

using namespace mlir;
using namespace ingot;

namespace {
struct Layout {
  int64_t axis, block;
};
} // namespace

// Per-tensor scales ignore the axis, whose default may then lie outside of the operand's rank.
static Layout readLayout(NodeImporter &n, Value x, Value scale) {
  int64_t axis = n.integer("axis", 1), block = n.integer("block_size", 0);
  n.require(block >= 0, "block_size must not be negative");
  bool perTensor = n.rank(scale) == 0 || (n.rank(scale) == 1 && n.dim(scale, 0) == 1);
  n.require(n.failed() || perTensor || n.rank(scale) == (block ? n.rank(x) : 1), "its scale does not fit its operand");
  return {perTensor ? 0 : n.axis(axis, n.rank(x)), block};
}

// Rows of a quantised table with one scale are the same whether they are dequantised before or after they are looked
// up; before, the table is a weight like any other.
static Value tableRows(NodeImporter &n, Value x, Value scale, Value zero) {
  auto gather = x.getDefiningOp<graph::GatherOp>();
  bool one = n.type(scale).hasStaticShape() && n.type(scale).getNumElements() == 1;
  if (!gather || !one || !n.isWeight(gather.getInput()) || !n.isWeight(scale) || (zero && !n.isWeight(zero))) return {};
  Type type = n.type(gather.getInput()).clone(n.element(scale));
  Value table = n.createOne<graph::DequantOp>(type, gather.getInput(), scale, zero, 0, 0);
  return lookUp(n, table, gather.getIndices(), gather.getAxis(), n.hint());
}

static void importDequantize(NodeImporter &n) {
  Value x = n.input(0), scale = n.input(1), zero = n.optional(2);
  Layout layout = readLayout(n, x, scale);
  Type element = n.hasAttribute("output_dtype") && n.integer("output_dtype") ? n.elementOf(n.integer("output_dtype"))
                                                                             : n.element(scale);
  if (n.failed()) return;
  n.require(!n.isFloat(x), "float8 and float4 operands are not supported");
  Type scaled = n.type(x).clone(n.element(scale));
  if (n.failed()) return;
  Value y = tableRows(n, x, scale, zero);
  if (!y) y = n.createOne<graph::DequantOp>(scaled, x, scale, zero, layout.axis, layout.block);
  n.set(0, n.cast(y, element));
}

static void importQuantize(NodeImporter &n) {
  Value x = n.input(0), scale = n.input(1), zero = n.optional(2);
  Layout layout = readLayout(n, x, scale);
  n.expect("saturate", 1);
  n.expect("precision", 0);
  Type fallback = IntegerType::get(&n.context(), 8, IntegerType::Unsigned);
  int64_t named = n.integer("output_dtype", 0);
  Type element = named ? n.elementOf(named) : zero ? n.element(zero) : fallback;
  if (n.failed() || !n.require(isa<IntegerType>(element), "float8 and float4 results are not supported")) return;
  n.set(0, n.createOne<graph::QuantiseOp>(n.type(x).clone(element), x, scale, zero, layout.axis, layout.block));
}

static void importDynamicQuantize(NodeImporter &n) {
  auto op = n.createAll<graph::DynamicQuantOp>(3, n.input(0));
  if (!op) return;
  n.set(0, op.getResult());
  n.set(1, op.getScale());
  n.set(2, op.getZero());
}

void ingot::addQuantOps(OpTable &table) {
  table.add("", "DequantizeLinear", importDequantize, 10);
  table.add("", "QuantizeLinear", importQuantize, 10);
  table.add("com.microsoft", "DequantizeLinear", importDequantize);
  table.add("com.microsoft", "QuantizeLinear", importQuantize);
  table.add("", "DynamicQuantizeLinear", importDynamicQuantize, 11);
}
