// Recipes in the form that import writes, evaluated whole in memory: independent of the streams in compiler/weights.
#include "compiler/reference/Evaluator.h"
#include "dialects/weights/Weights.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;

static Array transposed(const Array &x, ArrayRef<int64_t> permutation) {
  Shape shape, all = stridesOf(x.shape), strides;
  for (int64_t axis : permutation) shape.push_back(x.shape[axis]), strides.push_back(all[axis]);
  Array y = makeArray(x.element, shape);
  forEachIndex(shape, [&](ArrayRef<int64_t> index, size_t flat) {
    size_t from = 0;
    for (size_t i = 0; i < index.size(); ++i) from += size_t(index[i] * strides[i]);
    if (x.isReal())
      y.reals[flat] = x.reals[from];
    else
      y.integers[flat] = x.integers[from];
  });
  return y;
}

// The i-th `bits`-bit number of a row of bytes, low bits first.
static int64_t unpack(const Array &bytes, size_t rowBegin, size_t i, int64_t bits) {
  if (bits == 8) return bytes.integers[rowBegin + i];
  return bytes.integers[rowBegin + i / 2] >> (i % 2 * 4) & 15;
}

// (q - z) * s, or fma(q, s, m) with m = -(z * s) rounded, in f32; see weights.dequant.
static bool dequant(Evaluator &e, weights::DequantOp op, const Array &q, const Array &s, const Array *z, Array &y) {
  auto type = cast<RankedTensorType>(op.getType());
  int64_t bits = int64_t(op.getBits()), block = int64_t(op.getBlock());
  size_t n = size_t(type.getDimSize(0)), k = size_t(type.getDimSize(1)),
         blocks = (k + size_t(block) - 1) / size_t(block);
  bool packed = q.rank() == 3, isSigned = !packed && q.element.isSignlessInteger();
  size_t blob = size_t(block * bits / 8), zeroBytes = (blocks * size_t(bits) + 7) / 8;
  bool packedZeros = z && !z->isReal() && z->element.isUnsignedInteger(8) && z->size() == n * zeroBytes;
  if (q.size() != (packed ? n * blocks * blob : n * k) || s.size() != n * blocks || (bits != 4 && bits != 8) ||
      (z && !packedZeros && z->size() != n * blocks))
    return e.fail("a quantised weight's parts do not fit together");
  y = makeArray(Float32Type::get(op.getContext()), {int64_t(n), int64_t(k)});
  for (size_t row = 0; row < n; ++row)
    for (size_t i = 0; i < k; ++i) {
      size_t b = i / size_t(block), at = row * blocks + b;
      int64_t quant = packed ? unpack(q, at * blob, i % size_t(block), bits) : q.integers[row * k + i];
      float scale = float(s.reals[at]);
      if (z && z->isReal()) {
        float minimum = -(float(z->reals[at]) * scale);
        y.reals[row * k + i] = std::fma(float(quant), scale, minimum);
        continue;
      }
      int64_t zero = z          ? packedZeros ? unpack(*z, row * zeroBytes, b, bits) : z->integers[at]
                              : isSigned ? 0
                                : int64_t(1) << (bits - 1);
      y.reals[row * k + i] = float(quant - zero) * scale;
    }
  return true;
}

static bool step(Evaluator &e, Operation &op, ArrayRef<Array> in, Array &y) {
  return llvm::TypeSwitch<Operation *, bool>(&op)
      .Case([&](weights::LoadOp load) {
        auto array = e.source(load.getSource());
        if (array) y = std::move(*array);
        return array.has_value();
      })
      .Case([&](weights::ConstantOp constant) {
        auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
        if (elements) y = fromElements(elements);
        return elements || e.fail("a literal must be dense");
      })
      .Case([&](weights::ReshapeOp reshape) {
        y = in[0];
        y.shape.assign(cast<RankedTensorType>(reshape.getType()).getShape().begin(),
                       cast<RankedTensorType>(reshape.getType()).getShape().end());
        return elementCount(y.shape) == y.size() || e.fail("a recipe reshapes to another size");
      })
      .Case([&](weights::TransposeOp transpose) {
        y = transposed(in[0], transpose.getPermutation());
        return true;
      })
      .Case([&](weights::CastOp cast) {
        y = in[0];
        y.element = getElementTypeOrSelf(cast.getType());
        if (!in[0].isReal() || !y.isReal()) return e.fail("a recipe casts between kinds");
        for (double &value : y.reals) value = roundTo(y.element, value);
        return true;
      })
      .Case([&](weights::DequantOp d) { return dequant(e, d, in[0], in[1], in.size() > 2 ? &in[2] : nullptr, y); })
      .Default([&](Operation *other) {
        return e.fail(other->getName().getStringRef() + " is no op of a recipe in import form");
      });
}

std::optional<Array> ingot::reference::evaluateRecipe(Evaluator &e, Operation *recipe) {
  llvm::DenseMap<Value, Array> values;
  for (Operation &op : cast<weights::RecipeOp>(recipe).getBody().front()) {
    if (auto yield = dyn_cast<weights::YieldOp>(op)) return values.lookup(yield.getValue());
    SmallVector<Array> operands;
    for (Value operand : op.getOperands()) operands.push_back(values.lookup(operand));
    Array result;
    if (!step(e, op, operands, result)) return std::nullopt;
    values[op.getResult(0)] = std::move(result);
  }
  e.fail("a recipe yields nothing");
  return std::nullopt;
}
