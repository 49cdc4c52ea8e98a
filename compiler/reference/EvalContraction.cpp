// Ops that combine elements along axes, accumulated in double (integers exactly).
#include "compiler/reference/Evaluator.h"
#include "compiler/reference/numerics.h"
#include "dialects/graph/Graph.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;
using graph::ReduceKind;

static double startOf(ReduceKind kind) {
  if (kind == ReduceKind::prod) return 1;
  if (kind == ReduceKind::max) return -std::numeric_limits<double>::infinity();
  return kind == ReduceKind::min ? std::numeric_limits<double>::infinity() : 0;
}

static double step(ReduceKind kind, double a, double b) {
  if (kind == ReduceKind::prod) return a * b;
  if (kind == ReduceKind::max) return std::isnan(a) || std::isnan(b) ? NAN : std::max(a, b);
  if (kind == ReduceKind::min) return std::isnan(a) || std::isnan(b) ? NAN : std::min(a, b);
  return a + b;
}

static int64_t startOf(ReduceKind kind, Type element) {
  bool isUnsigned = element.isUnsignedInteger();
  unsigned width = element.getIntOrFloatBitWidth();
  if (kind == ReduceKind::prod) return 1;
  if (kind == ReduceKind::max) return isUnsigned ? 0 : int64_t(~uint64_t(0) << (width - 1));
  if (kind == ReduceKind::min)
    return int64_t(isUnsigned ? ~uint64_t(0) >> (64 - width) : ~(~uint64_t(0) << (width - 1)));
  return 0;
}

static int64_t step(ReduceKind kind, bool isUnsigned, int64_t a, int64_t b) {
  bool less = isUnsigned ? uint64_t(a) < uint64_t(b) : a < b;
  if (kind == ReduceKind::prod) return int64_t(uint64_t(a) * uint64_t(b));
  if (kind == ReduceKind::max) return less ? b : a;
  if (kind == ReduceKind::min) return less ? a : b;
  return int64_t(uint64_t(a) + uint64_t(b));
}

// f32 in the contract's lanes; a line holds the elements in their order.
static float reduceLine(ReduceKind kind, const std::vector<float> &line) {
  if (kind == ReduceKind::prod) return numerics::rowProduct(line.data(), line.size());
  if (kind == ReduceKind::max) return numerics::rowMax(line.data(), line.size());
  if (kind == ReduceKind::min) return numerics::rowMin(line.data(), line.size());
  float sum = numerics::rowSum(line.data(), line.size());
  return kind == ReduceKind::mean ? sum / float(line.size()) : sum;
}

static bool reduce(Evaluator &e, graph::ReduceOp op, const Array &x, Array &y) {
  Shape kept, strides(x.shape.size(), 0);
  int64_t count = 1;
  for (int64_t i = 0; i < x.rank(); ++i) {
    bool away = llvm::is_contained(op.getAxes(), i);
    kept.push_back(away ? 1 : x.shape[i]);
    if (away) count *= x.shape[i];
  }
  strides = stridesOf(kept);
  Shape shape = kept;
  if (!op.getKeepdims())
    for (int64_t axis : llvm::reverse(op.getAxes())) shape.erase(shape.begin() + axis);
  y = makeArray(x.element, shape);
  std::fill(y.reals.begin(), y.reals.end(), startOf(op.getKind()));
  if (!x.isReal()) std::fill(y.integers.begin(), y.integers.end(), startOf(op.getKind(), x.element));
  bool contract = e.isContract() && x.element.isF32();
  std::vector<std::vector<float>> lines(contract ? y.size() : 0);
  forEachIndex(x.shape, [&](ArrayRef<int64_t> index, size_t flat) {
    size_t to = 0;
    for (size_t i = 0; i < index.size(); ++i)
      if (kept[i] != 1) to += size_t(index[i] * strides[i]);
    if (contract)
      lines[to].push_back(float(x.reals[flat]));
    else if (x.isReal())
      y.reals[to] = step(op.getKind(), y.reals[to], x.reals[flat]);
    else
      y.integers[to] = step(op.getKind(), x.element.isUnsignedInteger(), y.integers[to], x.integers[flat]);
  });
  for (size_t i = 0; i < lines.size(); ++i) y.reals[i] = reduceLine(op.getKind(), lines[i]);
  bool mean = op.getKind() == ReduceKind::mean;
  if (mean && count == 0 && !x.isReal()) return e.fail("the mean of no integers");
  for (double &value : y.reals) value = roundTo(x.element, mean && !contract ? value / double(count) : value);
  for (int64_t &value : y.integers) value = wrapTo(x.element, mean ? value / count : value);
  return true;
}

// Calls f(first, stride) for every line of x along an axis.
template <typename F> static void forEachLine(const Array &x, size_t axis, F &&f) {
  Shape others = x.shape, strides = stridesOf(x.shape);
  others[axis] = 1;
  forEachIndex(others, [&](ArrayRef<int64_t> index, size_t) {
    size_t first = 0;
    for (size_t i = 0; i < index.size(); ++i) first += size_t(index[i] * strides[i]);
    f(first, size_t(strides[axis]));
  });
}

static void softmax(Evaluator &e, const Array &x, size_t axis, Array &y) {
  y = x;
  size_t n = size_t(x.shape[axis]);
  if (n == 0) return;
  if (e.isContract() && x.element.isF32())
    return forEachLine(x, axis, [&](size_t first, size_t stride) {
      std::vector<float> line(n);
      for (size_t i = 0; i < n; ++i) line[i] = float(x.reals[first + i * stride]);
      numerics::softmax(line.data(), n, line.data());
      for (size_t i = 0; i < n; ++i) y.reals[first + i * stride] = line[i];
    });
  forEachLine(x, axis, [&](size_t first, size_t stride) {
    double high = -std::numeric_limits<double>::infinity(), sum = 0;
    for (size_t i = 0; i < n; ++i) high = step(ReduceKind::max, high, x.reals[first + i * stride]);
    for (size_t i = 0; i < n; ++i) sum += y.reals[first + i * stride] = std::exp(x.reals[first + i * stride] - high);
    for (size_t i = 0; i < n; ++i) y.reals[first + i * stride] = roundTo(x.element, y.reals[first + i * stride] / sum);
  });
}

static void cumsum(Evaluator &e, graph::CumsumOp op, const Array &x, Array &y) {
  y = x;
  size_t n = size_t(x.shape[op.getAxis()]);
  forEachLine(x, op.getAxis(), [&](size_t first, size_t stride) {
    double real = 0;
    uint64_t integer = 0;
    for (size_t i = 0; i < n; ++i) {
      size_t at = first + (op.getReverse() ? n - 1 - i : i) * stride;
      if (x.isReal()) {
        y.reals[at] = roundTo(x.element, op.getExclusive() ? real : real + x.reals[at]);
        real += x.reals[at];
        if (e.isContract()) real = roundTo(x.element, real); // one f32 after the other
      } else {
        y.integers[at] = wrapTo(x.element, int64_t(op.getExclusive() ? integer : integer + uint64_t(x.integers[at])));
        integer += uint64_t(x.integers[at]);
      }
    }
  });
}

// NaN counts as largest, so that the order is total.
static bool before(const Array &x, bool largest, size_t a, size_t b) {
  if (!x.isReal()) {
    bool less = x.element.isUnsignedInteger() ? uint64_t(x.integers[a]) < uint64_t(x.integers[b])
                                              : x.integers[a] < x.integers[b];
    return largest ? !less && x.integers[a] != x.integers[b] : less;
  }
  double p = x.reals[a], q = x.reals[b];
  auto less = [](double u, double v) { return u < v || (!std::isnan(u) && std::isnan(v)); };
  return largest ? less(q, p) : less(p, q);
}

static bool topk(Evaluator &e, graph::TopkOp op, ArrayRef<Array> in, Array &values, Array &indices) {
  const Array &x = in[0];
  size_t axis = op.getAxis(), n = size_t(x.shape[axis]);
  if (in[1].size() != 1 || in[1].integers[0] < 0 || uint64_t(in[1].integers[0]) > n)
    return e.fail("k must be one number, at most the dim");
  Shape shape = x.shape;
  shape[axis] = in[1].integers[0];
  values = makeArray(x.element, shape);
  indices = makeArray(getElementTypeOrSelf(op.getIndices().getType()), shape);
  std::vector<std::pair<size_t, size_t>> lines; // of x and of the results
  forEachLine(x, axis, [&](size_t first, size_t) { lines.push_back({first, 0}); });
  size_t next = 0, stride = size_t(stridesOf(x.shape)[axis]);
  if (shape[axis] == 0) return true;
  forEachLine(values, axis, [&](size_t first, size_t) { lines[next++].second = first; });
  for (auto [from, to] : lines) {
    std::vector<size_t> order(n);
    for (size_t i = 0; i < n; ++i) order[i] = i;
    auto first = [&, from = from](size_t a, size_t b) {
      bool less = before(x, op.getLargest(), from + a * stride, from + b * stride);
      return less || (!before(x, op.getLargest(), from + b * stride, from + a * stride) && a < b);
    };
    std::sort(order.begin(), order.end(), first);
    for (size_t i = 0; i < size_t(shape[axis]); ++i) {
      size_t source = from + order[i] * stride, target = to + i * stride;
      if (x.isReal())
        values.reals[target] = x.reals[source];
      else
        values.integers[target] = x.integers[source];
      indices.integers[target] = int64_t(order[i]);
    }
  }
  return true;
}

// y[i][j] += x[i][k] * w[k][j] of one pair of matrices, integers wrapping; `chain`: f32, one fma after the other.
static void multiply(bool chain, const Array &x, size_t a, const Array &w, size_t b, Array &y, size_t c, size_t m,
                     size_t k, size_t n) {
  for (size_t i = 0; i < m; ++i)
    for (size_t l = 0; l < k; ++l)
      for (size_t j = 0; j < n; ++j) {
        if (chain) {
          double &sum = y.reals[c + i * n + j];
          sum = std::fma(float(w.reals[b + l * n + j]), float(x.reals[a + i * k + l]), float(sum));
        } else if (y.isReal()) {
          y.reals[c + i * n + j] += x.reals[a + i * k + l] * w.reals[b + l * n + j];
        } else {
          uint64_t product = uint64_t(x.integers[a + i * k + l]) * uint64_t(w.integers[b + l * n + j]);
          y.integers[c + i * n + j] = int64_t(uint64_t(y.integers[c + i * n + j]) + product);
        }
      }
}

static bool matmul(Evaluator &e, const Array &lhs, const Array &rhs, Array &y) {
  Shape a = lhs.shape, b = rhs.shape;
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  size_t m = size_t(a[a.size() - 2]), k = size_t(a.back()), n = size_t(b.back());
  if (size_t(b[b.size() - 2]) != k) return e.fail("the contracted dims differ");
  ArrayRef<int64_t> left = ArrayRef(a).drop_back(2), right = ArrayRef(b).drop_back(2);
  auto batch = broadcast(left, right);
  if (!batch) return e.fail("the batch dims do not broadcast");
  Shape shape = *batch;
  if (lhs.rank() > 1) shape.push_back(int64_t(m));
  if (rhs.rank() > 1) shape.push_back(int64_t(n));
  if (!elementCount(shape)) return e.fail("the result is too large");
  y = makeArray(lhs.element, shape);
  auto from = broadcastIndices(left, *batch), with = broadcastIndices(right, *batch);
  bool chain = e.isContract() && lhs.element.isF32();
  for (size_t i = 0; i < from.size(); ++i)
    multiply(chain, lhs, from[i] * m * k, rhs, with[i] * k * n, y, i * m * n, m, k, n);
  for (double &value : y.reals) value = roundTo(y.element, value);
  for (int64_t &value : y.integers) value = wrapTo(y.element, value);
  return true;
}

bool ingot::reference::evaluateContraction(Evaluator &e, Operation *op, ArrayRef<Array> in, std::vector<Array> &out,
                                           bool &known) {
  Array y, more;
  bool good = true;
  if (auto r = dyn_cast<graph::ReduceOp>(op))
    good = reduce(e, r, in[0], y);
  else if (auto s = dyn_cast<graph::SoftmaxOp>(op))
    in[0].isReal() ? softmax(e, in[0], s.getAxis(), y) : void(good = e.fail("softmax needs floats"));
  else if (auto c = dyn_cast<graph::CumsumOp>(op))
    cumsum(e, c, in[0], y);
  else if (auto t = dyn_cast<graph::TopkOp>(op))
    good = topk(e, t, in, y, more);
  else if (isa<graph::MatmulOp>(op))
    good = matmul(e, in[0], in[1], y);
  else
    return known = false;
  if (!good) return false;
  out.push_back(std::move(y));
  if (isa<graph::TopkOp>(op)) out.push_back(std::move(more));
  return true;
}
