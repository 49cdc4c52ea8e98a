// Normalisations that decoders seldom use, spelled out in graph ops.
#include "compiler/import/OpTable.h"
#include "compiler/import/ScaledDotProduct.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind, graph::ReduceKind, graph::UnaryKind;

static Value mean(NodeImporter &n, Value x, ArrayRef<int64_t> axes) {
  return n.create<graph::ReduceOp>(ReduceKind::mean, x, axes, true);
}

// (x - mean) / sqrt(mean((x - mean)^2) + eps) over `axes`, in f32 at least.
static Value standardised(NodeImporter &n, Value x, ArrayRef<int64_t> axes, float eps) {
  if (n.failed()) return {};
  Type wide = n.element(x).isF64() ? n.element(x) : n.builder().getF32Type();
  Value y = n.cast(x, wide);
  y = n.binary(BinaryKind::sub, y, mean(n, y, axes));
  Value variance = mean(n, n.binary(BinaryKind::mul, y, y), axes);
  Value deviation = n.unary(UnaryKind::sqrt, n.binary(BinaryKind::add, variance, n.scalar(eps, wide)));
  return n.cast(n.binary(BinaryKind::div, y, deviation), n.element(x));
}

// A vector along axis 1 of something of x's rank.
static Value alongChannels(NodeImporter &n, Value vector, int64_t rank) {
  SmallVector<int64_t> axes = {0};
  for (int64_t i = 2; i < rank; ++i) axes.push_back(i);
  return n.unsqueeze(vector, axes);
}

static Value affine(NodeImporter &n, Value x, Value gain, Value bias) {
  int64_t rank = n.rank(x);
  if (!n.require(n.failed() || (n.rank(gain) == 1 && n.rank(bias) == 1 && rank >= 2), "scale and bias must be vectors"))
    return {};
  gain = alongChannels(n, n.cast(gain, n.element(x)), rank), bias = alongChannels(n, n.cast(bias, n.element(x)), rank);
  return n.binary(BinaryKind::add, n.binary(BinaryKind::mul, x, gain), bias);
}

static SmallVector<int64_t> axesFrom(int64_t first, int64_t rank) {
  SmallVector<int64_t> axes;
  for (int64_t i = first; i < rank; ++i) axes.push_back(i);
  return axes;
}

static void importInstanceNorm(NodeImporter &n) {
  Value x = n.input(0);
  float eps = n.real("epsilon", 1e-5f);
  n.set(0, affine(n, standardised(n, x, axesFrom(2, n.rank(x)), eps), n.input(1), n.input(2)));
}

// Scale and bias are one a channel (opset 21), one a group before.
static void importGroupNorm(NodeImporter &n) {
  Value x = n.input(0), gain = n.input(1), bias = n.input(2);
  int64_t groups = n.integer("num_groups");
  float eps = n.real("epsilon", 1e-5f);
  n.ignore("stash_type");
  if (n.failed()) return;
  int64_t channels = n.dim(x, 1);
  n.require(n.rank(x) >= 2 && channels != ShapedType::kDynamic && groups > 0 && channels % groups == 0,
            "its groups must divide a static number of channels");
  if (n.failed()) return;
  Value split = n.create<graph::ReshapeOp>(x, n.integerVector({0, groups, -1}), false);
  Value y = standardised(n, split, {2}, eps);
  if (n.opset < 21) return n.set(0, n.reshape(affine(n, y, gain, bias), n.shapeOf(x)));
  n.set(0, affine(n, n.reshape(y, n.shapeOf(x)), gain, bias));
}

// Inference: scale * (x - mean) / sqrt(variance + eps) + bias with the model's statistics.
static void importBatchNorm(NodeImporter &n) {
  Value x = n.input(0), gain = n.input(1), bias = n.input(2), average = n.input(3), variance = n.input(4);
  float eps = n.real("epsilon", 1e-5f);
  n.ignore("momentum");
  n.expect("training_mode", 0);
  if (n.opset < 9) n.expect("spatial", 1);
  if (n.failed()) return;
  Type wide = n.element(variance);
  Value deviation = n.unary(UnaryKind::sqrt, n.binary(BinaryKind::add, variance, n.scalar(eps, wide)));
  n.require(n.rank(average) == 1 && n.rank(variance) == 1 && n.rank(x) >= 2, "its statistics must be vectors");
  if (n.failed()) return;
  auto wideX = n.cast(x, wide);
  Value y = n.binary(BinaryKind::sub, wideX, alongChannels(n, average, n.rank(x)));
  y = n.binary(BinaryKind::div, y, alongChannels(n, deviation, n.rank(x)));
  n.set(0, n.cast(affine(n, y, gain, bias), n.element(x)));
}

static void importMeanVariance(NodeImporter &n) {
  Value x = n.input(0);
  SmallVector<int64_t> axes = n.integers("axes");
  if (!n.hasAttribute("axes")) axes = {0, 2, 3};
  n.set(0, standardised(n, x, n.axes(axes, n.rank(x)), 1e-9f));
}

static void importLpNorm(NodeImporter &n) {
  Value x = n.input(0);
  int64_t axis = n.axis(n.integer("axis", -1), n.rank(x)), p = n.integer("p", 2);
  n.require(p == 1 || p == 2, "p must be 1 or 2");
  if (n.failed()) return;
  Value size = p == 1 ? n.unary(UnaryKind::abs, x) : n.binary(BinaryKind::mul, x, x);
  size = n.create<graph::ReduceOp>(ReduceKind::sum, size, ArrayRef<int64_t>{axis}, true);
  if (p == 2) size = n.unary(UnaryKind::sqrt, size);
  Value zero = n.scalar(0, n.element(x)), isZero = n.create<graph::CompareOp>(graph::CompareKind::eq, size, zero);
  n.set(0, n.create<graph::SelectOp>(isZero, zero, n.binary(BinaryKind::div, x, size)));
}

void ingot::addRareNormOps(OpTable &table) {
  table.add("", "InstanceNormalization", importInstanceNorm, 6);
  table.add("", "GroupNormalization", importGroupNorm, 18);
  table.add("", "BatchNormalization", importBatchNorm, 7);
  table.add("", "MeanVarianceNormalization", importMeanVariance, 9);
  table.add("", "LpNormalization", importLpNorm);
}
