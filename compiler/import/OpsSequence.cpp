// Sequences of tensors. Exporters make them to take one item out again; here a sequence is a list of values that import
// holds, so only lengths and positions known at compile time are read.
#include "compiler/import/OpTable.h"

using namespace mlir;
using namespace ingot;

static constexpr size_t maxItems = 4096;

static void importConstruct(NodeImporter &n) {
  SmallVector<Value> items;
  for (size_t i = 0; i < n.inputCount(); ++i) items.push_back(n.input(i));
  n.setSequence(0, std::move(items));
}

static int64_t position(NodeImporter &n, size_t operand, size_t length) {
  auto given = n.constants(operand, "position");
  int64_t count = int64_t(length);
  if (n.failed() || !n.require(given.size() == 1 && given[0] >= -count && given[0] < count, "its position is outside"))
    return 0;
  return given[0] < 0 ? given[0] + count : given[0];
}

static void importAt(NodeImporter &n) {
  auto items = n.sequence(0);
  int64_t at = position(n, 1, items.size());
  if (!n.failed()) n.set(0, items[size_t(at)]);
}

static void importLength(NodeImporter &n) {
  auto items = n.sequence(0);
  n.set(0, n.scalar(double(items.size()), n.builder().getI64Type()));
}

static void importConcat(NodeImporter &n) {
  auto items = n.sequence(0);
  bool fresh = n.flag("new_axis", false);
  int64_t axis = n.integer("axis");
  if (n.failed() || !n.require(!items.empty(), "its sequence is empty")) return;
  axis = n.axis(axis, n.rank(items[0]) + fresh);
  for (Value &item : items)
    if (fresh) item = n.unsqueeze(item, {axis});
  if (!n.failed()) n.set(0, n.create<graph::ConcatOp>(ValueRange(items), axis));
}

// Parts of given sizes, of one size (the last may be smaller), or of size 1; of a static dim.
static void importSplit(NodeImporter &n) {
  Value x = n.input(0);
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(x)), extent = n.dim(x, axis), begin = 0;
  bool keep = n.flag("keepdims", true);
  SmallVector<int64_t> sizes = {1};
  bool even = !n.has(1) || n.rank(n.input(1)) == 0;
  if (n.has(1)) sizes = n.constants(1, "split");
  if (n.failed() || !n.require(extent != ShapedType::kDynamic, "splits a dim that is not static")) return;
  if (even) {
    int64_t size = sizes.empty() ? 0 : sizes[0];
    if (!n.require(size > 0 && extent / size < int64_t(maxItems), "its parts' size must be positive")) return;
    sizes.assign(size_t(extent / size), size);
    if (extent % size) sizes.push_back(extent % size);
  }
  SmallVector<Value> items;
  for (int64_t size : sizes) {
    if (!n.require(size >= 0 && size <= extent - begin, "the parts' sizes do not add up to the dim")) return;
    Value starts = n.integerVector({begin}), ends = n.integerVector({begin += size});
    Value item = n.create<graph::SliceOp>(x, starts, ends, ArrayRef<int64_t>{axis}, ArrayRef<int64_t>{1});
    items.push_back(n.has(1) || keep || n.failed() ? item : n.create<graph::SqueezeOp>(item, ArrayRef<int64_t>{axis}));
  }
  n.require(n.failed() || begin == extent, "the parts' sizes do not add up to the dim");
  n.setSequence(0, std::move(items));
}

void ingot::addSequenceOps(OpTable &table) {
  table.add("", "SequenceConstruct", importConstruct, 11);
  table.add("", "SequenceAt", importAt, 11);
  table.add("", "SequenceLength", importLength, 11);
  table.add("", "ConcatFromSequence", importConcat, 11);
  table.add("", "SplitToSequence", importSplit, 11);
}
