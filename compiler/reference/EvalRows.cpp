// The decoder dialect's row-wise ops, on operands of any leading dims.
#include "compiler/reference/Evaluator.h"
#include "compiler/reference/numerics.h"
#include "dialects/decoder/Decoder.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;
using decoder::ActKind, decoder::NormKind;

static size_t columns(const Array &x) { return x.shape.empty() ? 1 : size_t(x.shape.back()); }
static size_t rows(const Array &x) { return columns(x) ? x.size() / columns(x) : 0; }

static std::vector<float> floats(const Array &x, size_t begin, size_t count) {
  return std::vector<float>(x.reals.begin() + begin, x.reals.begin() + begin + count);
}

static void store(const std::vector<float> &values, Array &y, size_t begin) {
  for (size_t i = 0; i < values.size(); ++i) y.reals[begin + i] = roundTo(y.element, values[i]);
}

static Array likeRows(const Array &x, size_t width, Type element) {
  Shape shape = x.shape;
  shape.back() = int64_t(width);
  return makeArray(element, shape);
}

// Rows of a table, by id.
static bool lookup(Evaluator &e, Operation *op, const Array &ids, StringRef symbol, int64_t offset, double scale,
                   Array &y) {
  auto table = e.recipe(symbol);
  if (!table) return false;
  if (table->rank() != 2 || ids.isReal()) return e.fail("a look-up needs integer ids and a matrix");
  size_t width = columns(*table);
  Shape shape = ids.shape;
  shape.push_back(int64_t(width));
  if (!elementCount(shape)) return e.fail("the result is too large");
  y = makeArray(getElementTypeOrSelf(op->getResult(0).getType()), shape);
  for (size_t i = 0; i < ids.size(); ++i) {
    int64_t row = ids.integers[i] + offset;
    if (row < 0 || row >= table->shape[0]) return e.fail("id " + Twine(row) + " is outside of the table");
    for (size_t k = 0; k < width; ++k)
      y.reals[i * width + k] = roundTo(y.element, table->reals[size_t(row) * width + k] * scale);
  }
  return true;
}

static bool angles(Evaluator &e, decoder::AnglesOp op, const Array &positions, Array &y) {
  std::optional<Array> cos, sin;
  ArrayRef<float> freq = op.getFreq().value_or(ArrayRef<float>());
  if (op.getCos() && (!(cos = e.recipe(*op.getCos())) || !(sin = e.recipe(*op.getSin())))) return false;
  size_t n = cos ? columns(*cos) : freq.size();
  Shape shape = positions.shape;
  shape.push_back(int64_t(2 * n));
  y = makeArray(getElementTypeOrSelf(op.getType()), shape);
  double scale = op.getScale().convertToFloat();
  for (size_t i = 0; i < positions.size(); ++i) {
    int64_t p = positions.integers[i];
    if (cos && (p < 0 || p >= cos->shape[0]))
      return e.fail("position " + Twine(p) + " is outside of the rotary tables");
    std::vector<float> both(2 * n);
    if (!cos && e.isContract()) numerics::angles(int32_t(p), freq.data(), n, float(scale), both.data());
    for (size_t k = 0; k < n; ++k) {
      double angle = cos || e.isContract() ? 0 : double(float(p) * freq[k]);
      double c = cos ? cos->reals[size_t(p) * n + k] * scale : e.isContract() ? both[k] : std::cos(angle) * scale;
      double s = sin ? sin->reals[size_t(p) * n + k] * scale : e.isContract() ? both[n + k] : std::sin(angle) * scale;
      y.reals[i * 2 * n + k] = roundTo(y.element, c);
      y.reals[i * 2 * n + n + k] = roundTo(y.element, s);
    }
  }
  return true;
}

static bool linear(Evaluator &e, decoder::LinearOp op, const Array &x, Array &y) {
  auto w = e.recipe(op.getWeight());
  auto bias = op.getBias() ? e.recipe(*op.getBias()) : std::nullopt;
  if (!w || (op.getBias() && !bias)) return false;
  size_t k = columns(x), tokens = rows(x), n = size_t(w->shape[0]);
  if (w->rank() != 2 || columns(*w) != k || (bias && bias->size() < n)) return e.fail("the weight does not fit");
  y = likeRows(x, n, getElementTypeOrSelf(op.getType()));
  if (e.isContract()) {
    std::vector<float> xs = floats(x, 0, x.size()), ws = floats(*w, 0, w->size()), ys(tokens * n);
    numerics::linear(xs.data(), tokens, ws.data(), n, k, ys.data());
    for (size_t i = 0; bias && i < ys.size(); ++i) ys[i] += float(bias->reals[i % n]);
    store(ys, y, 0);
    return true;
  }
  for (size_t t = 0; t < tokens; ++t)
    for (size_t row = 0; row < n; ++row) {
      double sum = 0;
      for (size_t i = 0; i < k; ++i) sum += w->reals[row * k + i] * x.reals[t * k + i];
      if (bias) sum += bias->reals[row];
      y.reals[t * n + row] = roundTo(y.element, sum);
    }
  return true;
}

// A linear a slot, with the expert that the slot's index names.
static bool expertLinear(Evaluator &e, decoder::ExpertLinearOp op, const Array &x, const Array &indices, Array &y) {
  auto w = e.recipe(op.getWeight());
  auto bias = op.getBias() ? e.recipe(*op.getBias()) : std::nullopt;
  if (!w || (op.getBias() && !bias)) return false;
  size_t experts = size_t(op.getExperts()), slots = columns(indices), tokens = rows(indices), k = columns(*w);
  size_t n = size_t(op.getSlotColumns()), stride = columns(x);
  if (w->rank() != 2 || rows(*w) != experts * n || rows(x) != tokens || (stride != k && stride != slots * k) ||
      (bias && bias->size() != experts * n))
    return e.fail("the experts do not fit");
  y = likeRows(x, slots * n, getElementTypeOrSelf(op.getType()));
  for (size_t p = 0; p < tokens * slots; ++p) {
    double index = indices.isReal() ? indices.reals[p] : double(indices.integers[p]);
    if (!(index >= 0 && index < double(experts))) return e.fail("an index names no expert");
    size_t first = size_t(index) * n, from = p / slots * stride + (stride == k ? 0 : p % slots * k);
    std::vector<float> xs = floats(x, from, k), ws = floats(*w, first * k, n * k), ys(n);
    if (e.isContract()) numerics::linear(xs.data(), 1, ws.data(), n, k, ys.data());
    for (size_t row = 0; row < n; ++row) {
      double sum = 0, add = bias ? bias->reals[first + row] : 0;
      for (size_t i = 0; i < k; ++i) sum += w->reals[(first + row) * k + i] * x.reals[from + i];
      if (e.isContract()) sum = ys[row], add = float(add);
      y.reals[p * n + row] =
          roundTo(y.element, bias ? (e.isContract() ? double(float(sum) + float(add)) : sum + add) : sum);
    }
  }
  return true;
}

// One part of a row in double: (x - mean) / sqrt(mean square + eps); l2 sums instead of averaging.
static void normPlain(NormKind kind, const double *x, size_t n, const Array *gain, const Array *bias, double eps,
                      Array &y, size_t begin) {
  double mean = 0, squares = 0;
  for (size_t i = 0; kind == NormKind::layer && i < n; ++i) mean += x[i] / double(n);
  for (size_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  double r = 1 / std::sqrt((kind == NormKind::l2 ? squares : squares / double(n)) + eps);
  for (size_t i = 0; i < n; ++i) {
    double value = (x[i] - mean) * r * (gain ? gain->reals[i] : 1) + (bias ? bias->reals[i] : 0);
    y.reals[begin + i] = roundTo(y.element, value);
  }
}

static void normContract(NormKind kind, const std::vector<float> &x, const Array *gain, const Array *bias, float eps,
                         Array &y, size_t begin) {
  std::vector<float> g = gain ? floats(*gain, 0, x.size()) : std::vector<float>();
  std::vector<float> b = bias ? floats(*bias, 0, x.size()) : std::vector<float>(), out(x.size());
  const float *gs = gain ? g.data() : nullptr, *bs = bias ? b.data() : nullptr;
  if (kind == NormKind::rms) numerics::rmsNorm(x.data(), x.size(), gs, eps, out.data());
  if (kind == NormKind::layer) numerics::layerNorm(x.data(), x.size(), gs, bs, eps, out.data());
  if (kind == NormKind::l2) numerics::l2Norm(x.data(), x.size(), gs, eps, out.data());
  store(out, y, begin);
}

static bool norm(Evaluator &e, decoder::NormOp op, const Array &x, Array &y) {
  auto gain = op.getGain() ? e.recipe(*op.getGain()) : std::nullopt;
  auto bias = op.getBias() ? e.recipe(*op.getBias()) : std::nullopt;
  if ((op.getGain() && !gain) || (op.getBias() && !bias)) return false;
  size_t groups = size_t(op.getGroups()), n = groups ? columns(x) / groups : 0;
  if (!n || columns(x) % groups || (gain && gain->size() != n) || (bias && bias->size() != n))
    return e.fail("the gain or groups do not fit");
  y = makeArray(getElementTypeOrSelf(op.getType()), x.shape);
  float eps = op.getEps().convertToFloat();
  for (size_t begin = 0; begin < x.size(); begin += n) {
    if (e.isContract())
      normContract(op.getKind(), floats(x, begin, n), gain ? &*gain : nullptr, bias ? &*bias : nullptr, eps, y, begin);
    else
      normPlain(op.getKind(), x.reals.data() + begin, n, gain ? &*gain : nullptr, bias ? &*bias : nullptr, eps, y,
                begin);
  }
  return true;
}

static bool rope(Evaluator &e, decoder::RopeOp op, const Array &x, const Array &angles, Array &y) {
  size_t heads = size_t(op.getHeads()), width = columns(x), n = columns(angles) / 2, d = heads ? width / heads : 0;
  Shape expected = x.shape; // angles may be shared by the batch
  expected.back() = int64_t(2 * n);
  if (!heads || width % heads || 2 * n > d || broadcast(angles.shape, expected) != expected)
    return e.fail("the angles do not fit");
  auto at = broadcastIndices(angles.shape, expected);
  y = x;
  for (size_t t = 0; t < rows(x); ++t)
    for (size_t h = 0; h < heads; ++h) {
      size_t begin = t * width + h * d;
      std::vector<float> turns(2 * n);
      for (size_t i = 0; i < 2 * n; ++i) turns[i] = float(angles.reals[at[t * 2 * n + i]]);
      if (e.isContract()) {
        std::vector<float> head = floats(x, begin, d);
        numerics::rope(head.data(), turns.data(), n, op.getInterleaved());
        store(head, y, begin);
        continue;
      }
      for (size_t i = 0; i < n; ++i) {
        size_t first = begin + (op.getInterleaved() ? 2 * i : i), second = op.getInterleaved() ? first + 1 : first + n;
        double x1 = x.reals[first], x2 = x.reals[second], c = turns[i], s = turns[n + i];
        y.reals[first] = roundTo(y.element, x1 * c - x2 * s);
        y.reals[second] = roundTo(y.element, x2 * c + x1 * s);
      }
    }
  return true;
}

static double act(ActKind kind, double x) {
  switch (kind) {
  case ActKind::silu:
    return x / (1 + std::exp(-x));
  case ActKind::gelu:
    return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
  case ActKind::gelu_tanh:
    return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  case ActKind::quick_gelu:
    return x / (1 + std::exp(-1.702 * x));
  case ActKind::relu:
    return x < 0 ? 0 : x;
  case ActKind::relu_squared:
    return x < 0 ? 0 : x * x;
  case ActKind::sigmoid:
    return 1 / (1 + std::exp(-x));
  case ActKind::tanh:
    return std::tanh(x);
  }
  return NAN;
}

static float actContract(ActKind kind, float x) {
  switch (kind) {
  case ActKind::silu:
    return numerics::silu(x);
  case ActKind::gelu:
    return numerics::gelu(x);
  case ActKind::gelu_tanh:
    return numerics::geluTanh(x);
  case ActKind::quick_gelu:
    return numerics::quickGelu(x);
  case ActKind::relu:
    return numerics::relu(x);
  case ActKind::relu_squared:
    return numerics::reluSquared(x);
  case ActKind::sigmoid:
    return numerics::sigmoid(x);
  case ActKind::tanh:
    return numerics::tanh(x);
  }
  return NAN;
}

static double activated(Evaluator &e, ActKind kind, double x) {
  return e.isContract() ? double(actContract(kind, float(x))) : act(kind, x);
}

// Columns alternate in blocks of gate and up.
static bool gate(Evaluator &e, decoder::GateOp op, const Array &x, Array &y) {
  auto type = cast<RankedTensorType>(op.getType());
  size_t n = size_t(type.getShape().back()), block = size_t(op.getBlock()), width = columns(x);
  if (!block || width != 2 * ((n + block - 1) / block) * block) return e.fail("the blocks do not fit");
  y = likeRows(x, n, type.getElementType());
  for (size_t t = 0; t < rows(x); ++t)
    for (size_t i = 0; i < n; ++i) {
      size_t at = t * width + i / block * 2 * block + i % block;
      double g = roundTo(y.element, activated(e, op.getKind(), x.reals[at]));
      y.reals[t * n + i] = roundTo(y.element, g * x.reals[at + block]);
    }
  return true;
}

template <typename F> static void pointwise(Operation *op, const Array &x, Array &y, F f) {
  y = makeArray(getElementTypeOrSelf(op->getResult(0).getType()), x.shape);
  for (size_t i = 0; i < x.size(); ++i) y.reals[i] = roundTo(y.element, f(x.reals[i]));
}

static bool pair(Evaluator &e, bool add, const Array &x, const Array &z, Array &y) {
  if (x.shape != z.shape) return e.fail("the operands differ in shape");
  y = x;
  for (size_t i = 0; i < x.size(); ++i)
    y.reals[i] = roundTo(y.element, add ? x.reals[i] + z.reals[i] : x.reals[i] * z.reals[i]);
  return true;
}

static bool split(Evaluator &e, decoder::SplitOp op, const Array &x, std::vector<Array> &out) {
  size_t begin = 0, width = columns(x), align = std::max<size_t>(1, size_t(op.getAlign()));
  for (int64_t size : op.getSizes()) {
    if (size < 0 || begin + size_t(size) > width) return e.fail("the parts pass the last axis");
    Array part = likeRows(x, size_t(size), x.element);
    for (size_t t = 0; t < rows(x); ++t)
      for (size_t i = 0; i < size_t(size); ++i) part.reals[t * size_t(size) + i] = x.reals[t * width + begin + i];
    out.push_back(std::move(part));
    begin = (begin + size_t(size) + align - 1) / align * align;
  }
  return true;
}

// Row `index` of x in the shape that a region sees.
static Array rowAt(const Array &x, size_t index, size_t width, Type type) {
  Array row = makeArray(x.element, cast<RankedTensorType>(type).getShape());
  for (size_t i = 0; i < width; ++i) {
    if (x.isReal())
      row.reals[i] = x.reals[index * width + i];
    else
      row.integers[i] = x.integers[index * width + i];
  }
  return row;
}

// decoder.rows: its region on every row.
static bool regionRows(Evaluator &e, decoder::RowsOp op, ArrayRef<Array> in, std::vector<Array> &out) {
  if (in.empty()) return e.fail("a rows op without inputs has no rows");
  Block &block = op.getBody().front();
  size_t count = in[0].shape.empty() ? 0 : size_t(in[0].shape[0]);
  std::vector<Array> weights;
  for (auto symbol : op.getWeights().getAsRange<FlatSymbolRefAttr>()) {
    auto array = e.recipe(symbol.getValue());
    if (!array || !array->isReal()) return e.fail("a weight of rows cannot be read as floats");
    array->element = Float32Type::get(op.getContext());
    weights.push_back(std::move(*array));
  }
  for (OpResult result : op.getResults()) {
    Shape shape(cast<RankedTensorType>(result.getType()).getShape());
    shape[0] = int64_t(count);
    if (!elementCount(shape)) return e.fail("the result is too large");
    out.push_back(makeArray(getElementTypeOrSelf(result.getType()), shape));
  }
  for (size_t t = 0; t < count; ++t) {
    std::vector<Array> arguments, yields;
    for (auto [argument, x] : llvm::zip(block.getArguments(), in)) {
      if (x.shape.empty() || size_t(x.shape[0]) != count) return e.fail("the inputs differ in rows");
      arguments.push_back(rowAt(x, t, x.size() / std::max<size_t>(count, 1), argument.getType()));
    }
    llvm::append_range(arguments, weights);
    if (!e.runRegion(block, std::move(arguments), yields)) return false;
    for (auto [row, y] : llvm::zip(yields, out))
      std::copy(row.reals.begin(), row.reals.end(), y.reals.begin() + t * row.size());
  }
  return true;
}

bool ingot::reference::evaluateRows(Evaluator &e, Operation *op, ArrayRef<Array> in, std::vector<Array> &out,
                                    bool &known) {
  if (auto s = dyn_cast<decoder::SplitOp>(op)) return split(e, s, in[0], out);
  if (auto r = dyn_cast<decoder::RowsOp>(op)) return regionRows(e, r, in, out);
  Array y;
  bool good = true;
  if (auto m = dyn_cast<decoder::EmbedOp>(op))
    good = lookup(e, op, in[0], m.getTable(), 0, m.getScale().convertToFloat(), y);
  else if (auto l = dyn_cast<decoder::LookupRowsOp>(op))
    good = lookup(e, op, in[0], l.getTable(), int64_t(l.getOffset()), 1, y);
  else if (auto a = dyn_cast<decoder::AnglesOp>(op))
    good = angles(e, a, in[0], y);
  else if (auto l = dyn_cast<decoder::LinearOp>(op))
    good = linear(e, l, in[0], y);
  else if (auto x = dyn_cast<decoder::ExpertLinearOp>(op))
    good = expertLinear(e, x, in[0], in[1], y);
  else if (auto n = dyn_cast<decoder::NormOp>(op))
    good = norm(e, n, in[0], y);
  else if (auto r = dyn_cast<decoder::RopeOp>(op))
    good = rope(e, r, in[0], in[1], y);
  else if (auto g = dyn_cast<decoder::GateOp>(op))
    good = gate(e, g, in[0], y);
  else if (auto a = dyn_cast<decoder::ActOp>(op))
    pointwise(op, in[0], y, [&](double x) { return activated(e, a.getKind(), x); });
  else if (auto s = dyn_cast<decoder::ScaleOp>(op))
    pointwise(op, in[0], y, [&](double x) { return x * s.getFactor().convertToFloat(); });
  else if (auto s = dyn_cast<decoder::SoftcapOp>(op))
    pointwise(op, in[0], y, [&](double x) {
      double cap = s.getCap().convertToFloat();
      return e.isContract() ? double(numerics::softcap(float(x), float(cap))) : cap * std::tanh(x / cap);
    });
  else if (isa<decoder::AddOp, decoder::MulOp>(op))
    good = pair(e, isa<decoder::AddOp>(op), in[0], in[1], y);
  else
    return known = false;
  if (good) out.push_back(std::move(y));
  return good;
}
