// Quantise and dequantise: per tensor, along an axis, or by blocks of an axis.
#include "compiler/reference/Evaluator.h"
#include "dialects/graph/Graph.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;

// Which scale belongs to every element of x; nothing if the scale's shape does not fit.
static std::optional<std::vector<size_t>> scaleOf(const Array &x, const Array &scale, size_t axis, int64_t block) {
  std::vector<size_t> indices(x.size(), 0);
  if (scale.size() == 1) return indices;
  if (axis >= x.shape.size()) return std::nullopt;
  Shape expected = x.shape;
  if (block > 0)
    expected[axis] = (x.shape[axis] + block - 1) / block;
  else
    expected = {x.shape[axis]};
  if (scale.shape != expected) return std::nullopt;
  Shape strides = stridesOf(expected);
  forEachIndex(x.shape, [&](ArrayRef<int64_t> index, size_t flat) {
    if (block == 0) {
      indices[flat] = size_t(index[axis]);
      return;
    }
    for (size_t i = 0; i < index.size(); ++i)
      indices[flat] += size_t((i == axis ? index[i] / block : index[i]) * strides[i]);
  });
  return indices;
}

static bool dequant(Evaluator &e, graph::DequantOp op, ArrayRef<Array> in, Array &y) {
  const Array &x = in[0], &scale = in[1];
  auto at = scaleOf(x, scale, op.getAxis(), int64_t(op.getBlock()));
  if (!at || (in.size() > 2 && in[2].size() != scale.size())) return e.fail("the scale does not fit the operand");
  y = makeArray(scale.element, x.shape);
  for (size_t i = 0; i < x.size(); ++i) {
    double zero = in.size() > 2 ? in[2].number((*at)[i]) : 0;
    double difference = x.number(i) - zero; // the contract rounds it to f32 first
    if (e.isContract()) difference = double(float(difference));
    y.reals[i] = roundTo(y.element, difference * scale.reals[(*at)[i]]);
  }
  return true;
}

static double clampTo(Type element, double value) {
  unsigned width = element.getIntOrFloatBitWidth();
  double low = element.isUnsignedInteger() ? 0 : -std::ldexp(1.0, int(width) - 1);
  double high = std::ldexp(1.0, int(width) - !element.isUnsignedInteger()) - 1;
  return std::isnan(value) ? 0 : std::clamp(value, low, high);
}

static bool quantise(Evaluator &e, graph::QuantiseOp op, ArrayRef<Array> in, Array &y) {
  const Array &x = in[0], &scale = in[1];
  auto at = scaleOf(x, scale, op.getAxis(), int64_t(op.getBlock()));
  if (!at || (in.size() > 2 && in[2].size() != scale.size())) return e.fail("the scale does not fit the operand");
  y = makeArray(getElementTypeOrSelf(op.getType()), x.shape);
  if (y.isReal()) return e.fail("quantise makes integers");
  for (size_t i = 0; i < x.size(); ++i) {
    double zero = in.size() > 2 ? in[2].number((*at)[i]) : 0;
    double quotient = roundTo(scale.element, x.number(i) / scale.reals[(*at)[i]]);
    y.integers[i] = int64_t(clampTo(y.element, std::nearbyint(quotient) + zero));
  }
  return true;
}

// ONNX's DynamicQuantizeLinear, whose intermediate results are f32.
static bool dynamicQuant(Evaluator &e, graph::DynamicQuantOp op, const Array &x, std::vector<Array> &out) {
  if (!x.isReal()) return e.fail("dynamic_quant needs floats");
  double low = 0, high = 0;
  for (double value : x.reals) low = std::min(low, value), high = std::max(high, value);
  Type byte = getElementTypeOrSelf(op.getZero().getType());
  Array y = makeArray(byte, x.shape), scale = makeArray(x.element, {}), zero = makeArray(byte, {});
  scale.reals[0] = roundTo(x.element, (high - low) / 255);
  double s = scale.reals[0];
  zero.integers[0] = s == 0 ? 0 : int64_t(clampTo(byte, std::nearbyint(roundTo(x.element, -low / s))));
  for (size_t i = 0; i < x.size(); ++i) {
    double q = s == 0 ? 0 : std::nearbyint(roundTo(x.element, x.reals[i] / s));
    y.integers[i] = int64_t(clampTo(byte, q + double(zero.integers[0])));
  }
  out = {std::move(y), std::move(scale), std::move(zero)};
  return true;
}

bool ingot::reference::evaluateQuant(Evaluator &e, Operation *op, ArrayRef<Array> in, std::vector<Array> &out,
                                     bool &known) {
  if (auto d = dyn_cast<graph::DynamicQuantOp>(op)) return dynamicQuant(e, d, in[0], out);
  Array y;
  if (!isa<graph::DequantOp, graph::QuantiseOp>(op)) return known = false;
  if (!in[1].isReal()) return e.fail("a scale must be a float");
  auto d = dyn_cast<graph::DequantOp>(op);
  bool good = d ? dequant(e, d, in, y) : quantise(e, cast<graph::QuantiseOp>(op), in, y);
  if (good) out.push_back(std::move(y));
  return good;
}
