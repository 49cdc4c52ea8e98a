// Data movement by index tensors: gathers, scatters, NonZero, OneHot. Gather of a weight table by ids is in OpsEmbed.
#include "compiler/import/OpTable.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind, graph::CompareKind;

static void importGatherElements(NodeImporter &n) {
  Value x = n.input(0), indices = n.input(1);
  n.set(0, n.create<graph::GatherElementsOp>(x, indices, n.axis(n.integer("axis", 0), n.rank(x))));
}

static void importGatherND(NodeImporter &n) {
  n.set(0, n.create<graph::GatherNDOp>(n.input(0), n.input(1), n.integer("batch_dims", 0)));
}

static graph::ScatterReduction reduction(NodeImporter &n) {
  std::string name = n.text("reduction", "none");
  auto kind = graph::symbolizeScatterReduction(name);
  n.require(kind.has_value(), "reduction '" + name + "' is not supported");
  return kind.value_or(graph::ScatterReduction::none);
}

static void importScatterElements(NodeImporter &n) {
  Value x = n.input(0), indices = n.input(1), updates = n.input(2);
  int64_t axis = n.axis(n.integer("axis", 0), n.rank(x));
  n.set(0, n.create<graph::ScatterElementsOp>(x, indices, updates, axis, reduction(n)));
}

static void importScatterND(NodeImporter &n) {
  n.set(0, n.create<graph::ScatterNDOp>(n.input(0), n.input(1), n.input(2), reduction(n)));
}

static void importNonZero(NodeImporter &n) { n.set(0, n.create<graph::NonzeroOp>(n.input(0))); }

// values = [off, on]; negative indices count from depth. The new axis runs over 0..depth-1.
static void importOneHot(NodeImporter &n) {
  Value indices = n.input(0), depth = n.input(1), values = n.input(2);
  int64_t axis = n.axis(n.integer("axis", -1), n.rank(indices) + 1);
  Type i64 = n.builder().getI64Type();
  if (n.failed()) return;
  Value flat = n.reshape(n.cast(depth, i64), n.integerVector({})), zero = n.scalar(0, i64);
  Value positions = n.create<graph::RangeOp>(zero, flat, n.scalar(1, i64));
  SmallVector<int64_t> trailing; // positions lie along `axis` of the result
  for (int64_t i = 1; i < n.rank(indices) + 1 - axis; ++i) trailing.push_back(i);
  Value wrapped = n.binary(BinaryKind::mod, n.cast(indices, i64), flat);
  Value hit =
      n.create<graph::CompareOp>(CompareKind::eq, n.unsqueeze(wrapped, {axis}), n.unsqueeze(positions, trailing));
  auto pick = [&](int64_t i) { return n.create<graph::GatherOp>(values, n.scalar(double(i), i64), 0); };
  n.set(0, n.create<graph::SelectOp>(hit, pick(1), pick(0)));
}

// 1 at column = row + k of a matrix that has x's shape.
static void importEyeLike(NodeImporter &n) {
  Value x = n.input(0);
  int64_t k = n.integer("k", 0);
  if (n.failed() || !n.require(n.rank(x) == 2, "needs a matrix")) return;
  Type i64 = n.builder().getI64Type();
  auto index = [&](int64_t axis) { return n.createOne<graph::IotaOp>(n.type(x).clone(i64), n.shapeOf(x), axis); };
  Value row = n.binary(BinaryKind::add, index(0), n.scalar(double(k), i64));
  Value hit = n.create<graph::CompareOp>(CompareKind::eq, index(1), row);
  Type element = n.hasAttribute("dtype") ? n.elementOf(n.integer("dtype")) : n.element(x);
  n.set(0, n.cast(hit, element));
}

void ingot::addIndexedOps(OpTable &table) {
  table.add("", "GatherElements", importGatherElements, 11);
  table.add("", "GatherND", importGatherND, 11);
  table.add("", "ScatterElements", importScatterElements, 11);
  table.add("", "Scatter", importScatterElements, 9, 10);
  table.add("", "ScatterND", importScatterND, 11);
  table.add("", "NonZero", importNonZero, 9);
  table.add("", "OneHot", importOneHot, 9);
  table.add("", "EyeLike", importEyeLike, 9);
}
