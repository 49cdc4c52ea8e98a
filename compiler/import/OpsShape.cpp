// Sources of values and operators that keep the elements' order: Constant, Shape, Reshape and their like.
#include "compiler/import/OpTable.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind;

static void importIdentity(NodeImporter &n) { n.set(0, n.input(0)); }

// Inference only: identity, and a mask of ones.
static void importDropout(NodeImporter &n) {
  n.ignore("seed");
  n.ignore("ratio");
  (void)n.optional(1);
  Value x = n.input(0);
  if (n.has(2)) {
    auto training = n.constants(2, "training_mode");
    n.require(training.size() == 1 && training[0] == 0, "training_mode is not supported");
  }
  n.set(0, x);
  if (!n.wants(1)) return;
  n.set(1, n.create<graph::FillOp>(n.shapeOf(x), n.scalar(1, n.builder().getI1Type())));
}

static Value vectorOf(NodeImporter &n, ArrayRef<float> values) {
  auto type = RankedTensorType::get({int64_t(values.size())}, n.builder().getF32Type());
  return n.literal(DenseElementsAttr::get(type, values));
}

static void importConstant(NodeImporter &n) {
  if (auto tensor = n.tensor("value"))
    n.set(0, n.materialise(*tensor));
  else if (n.hasAttribute("value_int"))
    n.set(0, n.scalar(double(n.integer("value_int")), n.builder().getI64Type()));
  else if (n.hasAttribute("value_float"))
    n.set(0, n.scalar(n.real("value_float"), n.builder().getF32Type()));
  else if (n.hasAttribute("value_ints"))
    n.set(0, n.integerVector(n.integers("value_ints")));
  else if (n.hasAttribute("value_floats"))
    n.set(0, vectorOf(n, n.reals("value_floats")));
  else
    n.gap("needs a value that is neither sparse nor a string");
}

static void importConstantOfShape(NodeImporter &n) {
  auto tensor = n.tensor("value");
  Value value = tensor ? n.materialise(*tensor) : n.scalar(0, n.builder().getF32Type());
  n.require(n.failed() || n.type(value).getNumElements() == 1, "its value must have one element");
  n.set(0, n.create<graph::FillOp>(n.input(0), value));
}

static int64_t clampDim(int64_t index, int64_t rank) {
  return std::clamp<int64_t>(index < 0 ? index + rank : index, 0, rank);
}

static void importShape(NodeImporter &n) {
  Value x = n.input(0);
  int64_t rank = n.rank(x);
  int64_t start = clampDim(std::max(n.integer("start", 0), -rank), rank);
  int64_t end = clampDim(std::max(n.integer("end", rank), -rank), rank);
  n.set(0, n.create<graph::ShapeOp>(x, start, std::max(start, end)));
}

static void importSize(NodeImporter &n) {
  Value dims = n.shapeOf(n.input(0));
  n.set(0, n.create<graph::ReduceOp>(graph::ReduceKind::prod, dims, ArrayRef<int64_t>{0}, false));
}

static void importReshape(NodeImporter &n) {
  bool allowzero = n.flag("allowzero", false);
  n.set(0, n.create<graph::ReshapeOp>(n.input(0), n.input(1), allowzero));
}

// The product of dims [begin, end), as i64[1].
static Value extent(NodeImporter &n, Value x, int64_t begin, int64_t end) {
  Value dims = n.create<graph::ShapeOp>(x, begin, end);
  return n.create<graph::ReduceOp>(graph::ReduceKind::prod, dims, ArrayRef<int64_t>{0}, true);
}

static void importFlatten(NodeImporter &n) {
  Value x = n.input(0);
  int64_t rank = n.rank(x), axis = n.integer("axis", 1);
  if (axis < 0) axis += rank;
  if (!n.require(axis >= 0 && axis <= rank, "axis is outside of the operand's rank")) return;
  Value shape = n.create<graph::ConcatOp>(ValueRange{extent(n, x, 0, axis), extent(n, x, axis, rank)}, 0);
  n.set(0, n.reshape(x, shape));
}

// Axes moved from an attribute to an operand at opset 13.
static SmallVector<int64_t> readAxes(NodeImporter &n) {
  return n.opset < 13 ? n.integers("axes") : n.has(1) ? n.constants(1, "axes") : SmallVector<int64_t>();
}

static void importSqueeze(NodeImporter &n) {
  Value x = n.input(0);
  auto axes = n.axes(readAxes(n), n.rank(x));
  bool given = n.opset < 13 ? n.hasAttribute("axes") : n.has(1);
  for (int64_t i = 0; !given && i < n.rank(x); ++i) {
    n.require(n.dim(x, i) != ShapedType::kDynamic, "without axes its operand must have a static shape");
    if (n.dim(x, i) == 1) axes.push_back(i);
  }
  n.set(0, n.create<graph::SqueezeOp>(x, ArrayRef(axes)));
}

static void importUnsqueeze(NodeImporter &n) {
  Value x = n.input(0);
  auto axes = readAxes(n);
  n.set(0, n.unsqueeze(x, n.axes(axes, n.rank(x) + axes.size())));
}

static void importExpand(NodeImporter &n) { n.set(0, n.create<graph::ExpandOp>(n.input(0), n.input(1))); }

static void importRange(NodeImporter &n) {
  n.ignore("stash_type");
  n.set(0, n.create<graph::RangeOp>(n.input(0), n.input(1), n.input(2)));
}

// Repeats by giving each dim a leading dim of its count, broadcasting, and merging the pairs.
static void importTile(NodeImporter &n) {
  Value x = n.input(0), repeats = n.input(1);
  int64_t rank = n.rank(x);
  if (n.failed() || rank == 0) return n.set(0, x);
  SmallVector<int64_t> leading;
  SmallVector<Value> pairs;
  Value dims = n.shapeOf(x);
  for (int64_t i = 0; i < rank; ++i) {
    leading.push_back(2 * i);
    Value index = n.integerVector({i});
    pairs.push_back(n.create<graph::GatherOp>(repeats, index, 0));
    pairs.push_back(n.create<graph::GatherOp>(dims, index, 0));
  }
  if (n.failed()) return;
  Value expanded = n.create<graph::ExpandOp>(n.unsqueeze(x, leading), n.create<graph::ConcatOp>(ValueRange(pairs), 0));
  n.set(0, n.reshape(expanded, n.binary(BinaryKind::mul, dims, repeats)));
}

void ingot::addShapeOps(OpTable &table) {
  table.add("", "Identity", importIdentity);
  table.add("", "Dropout", importDropout, 7);
  table.add("", "Constant", importConstant);
  table.add("", "ConstantOfShape", importConstantOfShape);
  table.add("", "Shape", importShape);
  table.add("", "Size", importSize);
  table.add("", "Reshape", importReshape, 5);
  table.add("", "Flatten", importFlatten);
  table.add("", "Squeeze", importSqueeze);
  table.add("", "Unsqueeze", importUnsqueeze);
  table.add("", "Expand", importExpand);
  table.add("", "Range", importRange);
  table.add("", "Tile", importTile, 6);
}
