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
        float minimum = op.getMinima() ? float(z->reals[at]) : -(float(z->reals[at]) * scale);
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

// Calls f(element of x, element of `part`) for every element, where part has a number a block of every axis.
template <typename F> static void eachBlock(const Array &x, const Array &part, ArrayRef<int64_t> blocks, F f) {
  Shape strides = stridesOf(part.shape);
  forEachIndex(x.shape, [&](ArrayRef<int64_t> index, size_t flat) {
    size_t at = 0;
    for (size_t i = 0; i < index.size(); ++i) at += size_t(index[i] / blocks[i] * strides[i]);
    f(flat, at);
  });
}

static bool dequantLinear(weights::DequantLinearOp op, ArrayRef<Array> in, Array &y) {
  y = makeArray(Float32Type::get(op.getContext()), in[0].shape);
  for (size_t i = 0; i < y.size(); ++i) y.reals[i] = float(in[0].number(i));
  auto apply = [&](const Array &part, auto f) {
    eachBlock(y, part, op.getBlocks(),
              [&](size_t i, size_t at) { y.reals[i] = f(float(y.reals[i]), float(part.number(at))); });
  };
  if (op.getZeros()) apply(in[2], [](float x, float zero) { return x - zero; });
  apply(in[1], [](float x, float scale) { return x * scale; });
  if (op.getMinima()) apply(in.back(), [](float x, float minimum) { return x + minimum; });
  return true;
}

static void copyElement(Array &y, size_t to, const Array &x, size_t from) {
  if (x.isReal())
    y.reals[to] = x.reals[from];
  else
    y.integers[to] = x.integers[from];
}

static bool repeat(weights::RepeatOp op, const Array &x, Array &y) {
  auto type = cast<RankedTensorType>(op.getType());
  y = makeArray(x.element, Shape(type.getShape().begin(), type.getShape().end()));
  SmallVector<int64_t> blocks(type.getRank(), 1);
  blocks[op.getAxis()] = op.getTimes();
  eachBlock(y, x, blocks, [&](size_t i, size_t at) { copyElement(y, i, x, at); });
  return true;
}

static bool slice(weights::SliceOp op, const Array &x, Array &y) {
  auto type = cast<RankedTensorType>(op.getType());
  y = makeArray(x.element, Shape(type.getShape().begin(), type.getShape().end()));
  Shape strides = stridesOf(x.shape);
  forEachIndex(y.shape, [&](ArrayRef<int64_t> index, size_t flat) {
    size_t from = size_t(int64_t(op.getBegin()) * strides[op.getAxis()]);
    for (size_t i = 0; i < index.size(); ++i) from += size_t(index[i] * strides[i]);
    copyElement(y, flat, x, from);
  });
  return true;
}

static bool concat(weights::ConcatOp op, ArrayRef<Array> in, Array &y) {
  auto type = cast<RankedTensorType>(op.getType());
  y = makeArray(in[0].element, Shape(type.getShape().begin(), type.getShape().end()));
  Shape strides = stridesOf(y.shape);
  int64_t axis = op.getAxis(), start = 0;
  for (const Array &x : in) {
    forEachIndex(x.shape, [&](ArrayRef<int64_t> index, size_t flat) {
      size_t to = size_t(start * strides[axis]);
      for (size_t i = 0; i < index.size(); ++i) to += size_t(index[i] * strides[i]);
      copyElement(y, to, x, flat);
    });
    start += x.shape[axis];
  }
  return true;
}

static bool unpackBytes(weights::UnpackOp op, const Array &x, Array &y) {
  auto type = cast<RankedTensorType>(op.getType());
  y = makeArray(x.element, Shape(type.getShape().begin(), type.getShape().end()));
  int64_t bits = op.getBits(), each = 8 / bits;
  size_t count = size_t(y.shape.back()), bytes = size_t(x.shape.back());
  for (size_t i = 0; i < y.size(); ++i) {
    int64_t k = int64_t(i % count), slot = op.getHighFirst() ? each - 1 - k % each : k % each;
    y.integers[i] = x.integers[i / count * bytes + size_t(k / each)] >> (slot * bits) & ((1 << bits) - 1);
  }
  return true;
}

static bool lookup(Evaluator &e, const Array &table, const Array &codes, Array &y) {
  y = makeArray(table.element, codes.shape);
  for (size_t i = 0; i < y.size(); ++i) {
    if (size_t(codes.integers[i]) >= table.size()) return e.fail("a code lies outside of its table");
    y.reals[i] = table.reals[size_t(codes.integers[i])];
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
        if (!y.isReal()) return e.fail("a recipe casts to integers");
        y = makeArray(y.element, y.shape);
        for (size_t i = 0; i < y.size(); ++i) y.reals[i] = roundTo(y.element, in[0].number(i));
        return true;
      })
      .Case([&](weights::DequantLinearOp d) { return dequantLinear(d, in, y); })
      .Case([&](weights::RepeatOp r) { return repeat(r, in[0], y); })
      .Case([&](weights::SliceOp s) { return slice(s, in[0], y); })
      .Case([&](weights::ConcatOp c) { return concat(c, in, y); })
      .Case([&](weights::UnpackOp u) { return unpackBytes(u, in[0], y); })
      .Case([&](weights::LookupOp) { return lookup(e, in[0], in[1], y); })
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
