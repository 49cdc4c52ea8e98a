// Data movement by position: Transpose, Slice, Concat, Split, Pad, triangles.
#include "compiler/import/OpTable.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind, graph::CompareKind;

static void importTranspose(NodeImporter &n) {
  Value x = n.input(0);
  auto permutation = n.integers("perm");
  if (!n.hasAttribute("perm"))
    for (int64_t i = n.rank(x); i-- > 0;) permutation.push_back(i);
  n.set(0, n.create<graph::TransposeOp>(x, ArrayRef(permutation)));
}

static void importSlice(NodeImporter &n) {
  Value x = n.input(0), starts = n.input(1), ends = n.input(2);
  int64_t count = n.dim(starts, 0);
  if (!n.require(n.failed() || (n.rank(starts) == 1 && count >= 0), "starts must be a vector of known length")) return;
  SmallVector<int64_t> axes, steps(std::max<int64_t>(count, 0), 1);
  for (int64_t i = 0; i < count; ++i) axes.push_back(i);
  if (n.has(3)) axes = n.constants(3, "axes");
  if (n.has(4)) steps = n.constants(4, "steps");
  for (int64_t &axis : axes) axis = n.axis(axis, n.rank(x));
  n.require(n.failed() || axes.size() == steps.size(), "axes and steps differ in length");
  n.set(0, n.create<graph::SliceOp>(x, starts, ends, ArrayRef(axes), ArrayRef(steps)));
}

// Opset 1 to 9: everything in attributes.
static void importSliceOfAttributes(NodeImporter &n) {
  Value x = n.input(0);
  auto starts = n.integers("starts"), ends = n.integers("ends"), axes = n.integers("axes");
  if (!n.hasAttribute("axes"))
    for (size_t i = 0; i < starts.size(); ++i) axes.push_back(int64_t(i));
  for (int64_t &axis : axes) axis = n.axis(axis, n.rank(x));
  n.require(n.failed() || (starts.size() == ends.size() && starts.size() == axes.size()),
            "starts, ends and axes differ in length");
  SmallVector<int64_t> steps(axes.size(), 1);
  n.set(0,
        n.create<graph::SliceOp>(x, n.integerVector(starts), n.integerVector(ends), ArrayRef(axes), ArrayRef(steps)));
}

static void importConcat(NodeImporter &n) {
  SmallVector<Value> parts;
  for (size_t i = 0; i < n.inputCount(); ++i) parts.push_back(n.input(i));
  int64_t axis = n.integer("axis");
  if (n.failed() || !n.require(!parts.empty(), "has no operands")) return;
  n.set(0, n.create<graph::ConcatOp>(ValueRange(parts), n.axis(axis, n.rank(parts[0]))));
}

// Part sizes from the attribute (before 13), the operand, or equal shares of a static dim (the last one smaller).
static SmallVector<int64_t> splitSizes(NodeImporter &n, Value x, int64_t axis) {
  if (n.opset < 13 && n.hasAttribute("split")) return n.integers("split");
  if (n.opset >= 13 && n.has(1)) return n.constants(1, "split");
  int64_t parts = n.opset >= 18 && n.hasAttribute("num_outputs") ? n.integer("num_outputs") : n.outputCount();
  int64_t extent = n.dim(x, axis);
  if (!n.require(extent != ShapedType::kDynamic, "an even split needs a static dim") ||
      !n.require(parts > 0 && parts == int64_t(n.outputCount()), "its parts and results differ in number"))
    return {};
  int64_t share = (extent + parts - 1) / parts;
  SmallVector<int64_t> sizes(parts, share);
  sizes.back() = std::max<int64_t>(extent - share * (parts - 1), 0);
  return sizes;
}

static void importSplit(NodeImporter &n) {
  Value x = n.input(0);
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(x)), begin = 0;
  auto sizes = splitSizes(n, x, axis);
  if (n.failed() || !n.require(sizes.size() == n.outputCount(), "its parts and results differ in number")) return;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (!n.require(sizes[i] >= 0 && sizes[i] <= INT32_MAX, "a part's size is negative or too large")) return;
    Value starts = n.integerVector({begin}), ends = n.integerVector({begin += sizes[i]});
    n.set(i, n.create<graph::SliceOp>(x, starts, ends, ArrayRef<int64_t>{axis}, ArrayRef<int64_t>{1}));
  }
  int64_t extent = n.dim(x, axis);
  n.require(extent == ShapedType::kDynamic || extent == begin, "the parts' sizes do not add up to the dim");
}

static void importPad(NodeImporter &n) {
  Value x = n.input(0), pads = n.input(1);
  std::string name = n.text("mode", "constant");
  auto mode = graph::symbolizePadMode(name);
  if (!n.require(mode.has_value(), "mode '" + name + "' is not supported")) return;
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i < n.rank(x); ++i) axes.push_back(i);
  if (n.has(3)) axes = n.constants(3, "axes");
  for (int64_t &axis : axes) axis = n.axis(axis, n.rank(x));
  Value given = n.optional(2), value = given ? given : n.scalar(0, n.element(x));
  n.set(0, n.create<graph::PadOp>(x, pads, value, ArrayRef(axes), *mode));
}

// Opset 2 to 10: pads and value in attributes.
static void importPadOfAttributes(NodeImporter &n) {
  Value x = n.input(0);
  std::string name = n.text("mode", "constant");
  auto mode = graph::symbolizePadMode(name);
  auto pads = n.integers("pads");
  float value = n.real("value", 0.0f);
  n.require(mode.has_value() && int64_t(pads.size()) == 2 * n.rank(x), "its mode or pads are not understood");
  if (n.failed()) return;
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i < n.rank(x); ++i) axes.push_back(i);
  n.set(0, n.create<graph::PadOp>(x, n.integerVector(pads), n.scalar(value, n.element(x)), ArrayRef(axes), *mode));
}

// The index along the last but `back` dim at every element of x.
static Value iota(NodeImporter &n, Value x, int64_t back) {
  auto type = n.type(x).clone(n.builder().getI64Type());
  return n.createOne<graph::IotaOp>(type, n.shapeOf(x), n.rank(x) - 1 - back);
}

// upper: keeps column >= row + k; lower: column <= row + k.
static void importTrilu(NodeImporter &n) {
  Value x = n.input(0), k = n.optional(1);
  bool upper = n.flag("upper", true);
  if (n.failed() || !n.require(n.rank(x) >= 2, "needs at least two dims")) return;
  Value row = iota(n, x, 1), column = iota(n, x, 0);
  if (k) row = n.binary(BinaryKind::add, row, k);
  Value keep = n.create<graph::CompareOp>(upper ? CompareKind::ge : CompareKind::le, column, row);
  n.set(0, n.create<graph::SelectOp>(keep, x, n.scalar(0, n.element(x))));
}

void ingot::addMovementOps(OpTable &table) {
  table.add("", "Transpose", importTranspose);
  table.add("", "Slice", importSlice, 10);
  table.add("", "Slice", importSliceOfAttributes, 1, 9);
  table.add("", "Concat", importConcat, 4);
  table.add("", "Split", importSplit);
  table.add("", "Pad", importPad, 11);
  table.add("", "Pad", importPadOfAttributes, 2, 10);
  table.add("", "Trilu", importTrilu, 14);
  table.add("com.microsoft", "Trilu", importTrilu);
}
