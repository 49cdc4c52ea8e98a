// The one spelling that all attention operators become.
#include "compiler/import/ScaledDotProduct.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using graph::BinaryKind, graph::CompareKind, graph::UnaryKind;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

Value ingot::extentOf(NodeImporter &n, Value x, int64_t axis) {
  axis = n.axis(axis, n.rank(x));
  return n.create<graph::ShapeOp>(x, axis, axis + 1);
}

Value ingot::iota(NodeImporter &n, Value count) {
  Type i64 = n.builder().getI64Type();
  Value limit = n.reshape(count, n.integerVector({}));
  return n.create<graph::RangeOp>(n.scalar(0, i64), limit, n.scalar(1, i64));
}

Value ingot::splitHeads(NodeImporter &n, Value x, int64_t heads) {
  if (n.failed()) return {};
  int64_t columns = n.dim(x, -1);
  n.require(n.rank(x) == 3 && heads > 0 && (columns == kDynamic || columns % heads == 0),
            "needs [B, S, heads * d] with a last dim that its heads divide");
  if (n.failed()) return {};
  int64_t size = columns == kDynamic ? -1 : columns / heads;
  Value split = n.create<graph::ReshapeOp>(x, n.integerVector({0, 0, heads, size}), false);
  return n.create<graph::TransposeOp>(split, ArrayRef<int64_t>{0, 2, 1, 3});
}

Value ingot::mergeHeads(NodeImporter &n, Value x) {
  if (n.failed()) return {};
  Value rows = n.create<graph::TransposeOp>(x, ArrayRef<int64_t>{0, 2, 1, 3});
  int64_t heads = n.dim(x, 1), size = n.dim(x, 3);
  int64_t columns = heads == kDynamic || size == kDynamic ? -1 : heads * size;
  return n.create<graph::ReshapeOp>(rows, n.integerVector({0, 0, columns}), false);
}

Value ingot::appendToPast(NodeImporter &n, Value past, Value fresh) {
  if (!past || n.failed()) return fresh;
  SmallVector<Value> parts = {past, n.cast(fresh, n.element(past))};
  return n.create<graph::ConcatOp>(ValueRange(parts), n.rank(fresh) - 2);
}

Value ingot::biasOf(NodeImporter &n, Value visible, Type element, double hidden) {
  return n.create<graph::SelectOp>(visible, n.scalar(0, element), n.scalar(hidden, element));
}

Value ingot::causalMask(NodeImporter &n, Value queries, Value keys, Value offset, int64_t window) {
  Value row = n.unsqueeze(iota(n, queries), {1}), column = iota(n, keys);
  row = n.binary(BinaryKind::add, row, offset);
  Value visible = n.create<graph::CompareOp>(CompareKind::le, column, row);
  if (window <= 0) return visible;
  Value first = n.binary(BinaryKind::sub, row, n.scalar(double(window), n.builder().getI64Type()));
  return n.binary(BinaryKind::logical_and, visible, n.create<graph::CompareOp>(CompareKind::gt, column, first));
}

Value ingot::sumOf(NodeImporter &n, Value a, Value b) { return a && b ? n.binary(BinaryKind::add, a, b) : a ? a : b; }

// Each of K heads H / K times in a row: [B, K, T, d] -> [B, H, T, d]. Heads that import does not know stay glue: infer
// works them out.
static Value repeatHeads(NodeImporter &n, Value x, Value q) {
  if (n.failed()) return {};
  int64_t heads = n.dim(q, 1), kv = n.dim(x, 1);
  if (heads == kv && heads != kDynamic) return x;
  bool known = heads != kDynamic && kv != kDynamic;
  Value all = known ? n.integerVector({heads}) : extentOf(n, q, 1), one = n.integerVector({1});
  Value group = known ? n.integerVector({heads / kv}) : n.binary(BinaryKind::div, all, extentOf(n, x, 1));
  auto vector = [&](ArrayRef<Value> parts) { return n.create<graph::ConcatOp>(ValueRange(parts), 0); };
  if (n.failed()) return {};
  Value wide = n.create<graph::ExpandOp>(n.unsqueeze(x, {2}), vector({one, one, group, one, one}));
  Value zero = n.integerVector({0}), rest = n.integerVector({-1});
  Value size = n.dim(x, 3) == kDynamic ? extentOf(n, x, 3) : n.integerVector({n.dim(x, 3)});
  if (n.failed()) return {};
  return n.create<graph::ReshapeOp>(wide, vector({zero, all, rest, size}), false);
}

static bool fits(NodeImporter &n, const ScaledDotProduct &a) {
  if (n.failed()) return false;
  bool shaped = n.rank(a.q) == 4 && n.rank(a.k) == 4 && n.rank(a.v) == 4;
  if (!n.require(shaped && n.isFloat(a.q) && n.isFloat(a.k) && n.isFloat(a.v),
                 "its q, k and v must be [B, heads, S, d]"))
    return false;
  auto agree = [&](int64_t x, int64_t y) { return x == y || x == kDynamic || y == kDynamic; };
  int64_t heads = n.dim(a.q, 1), kv = n.dim(a.k, 1), d = n.dim(a.q, 3);
  bool grouped = heads == kDynamic || kv == kDynamic || (heads > 0 && kv > 0 && heads % kv == 0);
  return n.require(grouped && agree(n.dim(a.v, 1), kv) && agree(d, n.dim(a.k, 3)) && d != 0,
                   "its queries, keys and values do not fit together");
}

// What scores are multiplied by, in their type.
static Value scaleOf(NodeImporter &n, const ScaledDotProduct &a, Type wide) {
  if (a.scale != 0) return n.scalar(a.scale, wide);
  if (n.dim(a.q, 3) != kDynamic) return n.scalar(1.0f / std::sqrt(float(n.dim(a.q, 3))), wide);
  Value size = n.cast(n.reshape(extentOf(n, a.q, 3), n.integerVector({})), wide);
  return n.unary(UnaryKind::reciprocal, n.unary(UnaryKind::sqrt, size));
}

// softmax over the scores and one more column, whose probability is dropped.
static Value softmaxWithSinks(NodeImporter &n, Value scores, Value sinks) {
  Value column = n.cast(n.unsqueeze(sinks, {1, 2}), n.element(scores)); // [H, 1, 1]
  SmallVector<Value> dims = {n.create<graph::ShapeOp>(scores, 0, 3), n.integerVector({1})};
  if (n.failed()) return {};
  SmallVector<Value> parts = {scores,
                              n.create<graph::ExpandOp>(column, n.create<graph::ConcatOp>(ValueRange(dims), 0))};
  if (n.failed()) return {};
  Value all = n.create<graph::SoftmaxOp>(n.create<graph::ConcatOp>(ValueRange(parts), 3), 3);
  return n.create<graph::SliceOp>(all, n.integerVector({0}), n.integerVector({-1}), ArrayRef<int64_t>{3},
                                  ArrayRef<int64_t>{1});
}

Value ingot::attend(NodeImporter &n, const ScaledDotProduct &a, AttentionScores *out) {
  if (!fits(n, a)) return {};
  Type element = n.element(a.q), wide = element.isF64() ? element : n.builder().getF32Type();
  Value k = repeatHeads(n, a.k, a.q), v = repeatHeads(n, n.cast(a.v, element), a.q);
  Value keys = n.create<graph::TransposeOp>(k, ArrayRef<int64_t>{0, 1, 3, 2});
  AttentionScores s;
  s.raw = n.create<graph::MatmulOp>(n.cast(a.q, wide), n.cast(keys, wide));
  s.raw = n.binary(BinaryKind::mul, s.raw, scaleOf(n, a, wide));
  s.capped = s.raw;
  if (a.softcap != 0) {
    Value cap = n.scalar(a.softcap, wide);
    s.capped = n.binary(BinaryKind::mul, n.unary(UnaryKind::tanh, n.binary(BinaryKind::div, s.raw, cap)), cap);
  }
  s.biased = a.bias ? n.binary(BinaryKind::add, s.capped, n.cast(a.bias, wide)) : s.capped;
  if (n.failed()) return {};
  s.probabilities = a.sinks ? softmaxWithSinks(n, s.biased, a.sinks) : n.create<graph::SoftmaxOp>(s.biased, 3);
  if (out) *out = s;
  return n.create<graph::MatmulOp>(n.cast(s.probabilities, element), v);
}
