// Everything here works on one shape of value: DequantLinearOp = (input - zeros) * scales + minima, with parts that
// have a number a block. A part is moved, cut and repeated along with its input.
#include "dialects/weights/NormalForm.h"
#include <numeric>

using namespace mlir;
using namespace ingot::weights;

using Extents = SmallVector<int64_t>;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
static Type elementOf(Value value) { return typeOf(value).getElementType(); }
static ArrayRef<int64_t> shapeOf(Value value) { return typeOf(value).getShape(); }
static int64_t ceilDiv(int64_t a, int64_t b) { return a / b + (a % b != 0); }

/// A type without encoding: what moves a value other than by rows drops its grid.
static RankedTensorType plain(Value like, ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, elementOf(like));
}

//===- parts of a dequantisation ----------------------------------------------------------------------------------===//

namespace {
struct Dequantised {
  Value input, scales, zeros, minima;
  Extents blocks;

  static Dequantised of(DequantLinearOp op) {
    return {op.getInput(), op.getScales(), op.getZeros(), op.getMinima(), Extents(op.getBlocks())};
  }
  /// Applies f to every part that is there.
  template <typename F> bool eachPart(F f) {
    for (Value *part : {&scales, &zeros, &minima})
      if (*part && !(*part = f(*part))) return false;
    return true;
  }
  Value build(OpBuilder &builder) {
    for (auto [block, extent] : llvm::zip(blocks, shapeOf(input)))
      block = std::clamp<int64_t>(block, 1, std::max<int64_t>(1, extent));
    auto type = RankedTensorType::get(shapeOf(input), builder.getF32Type());
    return builder.create<DequantLinearOp>(input.getLoc(), type, input, scales, zeros, minima, blocks);
  }
};
} // namespace

static Value constant(OpBuilder &builder, Location loc, ArrayRef<int64_t> shape, Type element, double value) {
  auto type = RankedTensorType::get(shape, element);
  Attribute number = isa<FloatType>(element) ? Attribute(FloatAttr::get(element, value))
                                             : Attribute(IntegerAttr::get(element, int64_t(value)));
  return builder.create<ConstantOp>(loc, type, DenseElementsAttr::get(type, number));
}

/// The one number that a literal holds everywhere.
static std::optional<double> splat(Value value) {
  auto op = value ? value.getDefiningOp<ConstantOp>() : ConstantOp();
  if (!op) {
    if (auto repeat = value ? value.getDefiningOp<RepeatOp>() : RepeatOp()) return splat(repeat.getInput());
    return std::nullopt;
  }
  auto elements = cast<DenseElementsAttr>(op.getValue());
  if (elements.empty() || !elements.isSplat()) return std::nullopt;
  if (isa<FloatType>(elements.getElementType())) {
    APFloat number = elements.getSplatValue<APFloat>();
    bool inexact;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
    return number.convertToDouble();
  }
  APInt number = elements.getSplatValue<APInt>();
  return elements.getElementType().isUnsignedInteger() ? double(number.getZExtValue()) : double(number.getSExtValue());
}

static Value repeat(OpBuilder &builder, Value part, int64_t axis, int64_t times, int64_t extent) {
  if (times == 1) return part;
  Extents shape(shapeOf(part));
  shape[axis] = extent;
  return builder.create<RepeatOp>(part.getLoc(), plain(part, shape), part, axis, times);
}

Value ingot::weights::filled(OpBuilder &builder, Location loc, ArrayRef<int64_t> shape, Type element, double value) {
  Value result = constant(builder, loc, Extents(shape.size(), 1), element, value);
  for (auto [axis, extent] : llvm::enumerate(shape)) result = repeat(builder, result, axis, extent, extent);
  return result;
}

/// A part with one number a `from` elements of each axis as one with a number a `to` elements; null if `to` does not
/// divide `from`.
static Value refine(OpBuilder &builder, Value part, ArrayRef<int64_t> extents, ArrayRef<int64_t> from,
                    ArrayRef<int64_t> to) {
  for (size_t i = 0; part && i < extents.size(); ++i) {
    if (from[i] == to[i] || extents[i] <= 1) continue;
    int64_t count = ceilDiv(extents[i], to[i]);
    if (from[i] >= extents[i])
      part = repeat(builder, part, i, count, count);
    else
      part = from[i] % to[i] ? Value() : repeat(builder, part, i, from[i] / to[i], count);
  }
  return part;
}

/// The coarsest blocks that both divide.
static Extents commonBlocks(ArrayRef<int64_t> extents, ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  Extents common;
  for (auto [extent, x, y] : llvm::zip(extents, a, b))
    common.push_back(x >= extent ? y : y >= extent ? x : std::gcd(x, y));
  return common;
}

static bool refineTo(OpBuilder &builder, Dequantised &d, ArrayRef<int64_t> blocks) {
  bool good = d.eachPart([&](Value part) { return refine(builder, part, shapeOf(d.input), d.blocks, blocks); });
  d.blocks.assign(blocks.begin(), blocks.end());
  return good;
}

//===- layout -----------------------------------------------------------------------------------------------------===//

Value ingot::weights::transpose(OpBuilder &builder, Value input, ArrayRef<int64_t> permutation) {
  if (auto op = input.getDefiningOp<DequantLinearOp>()) {
    Dequantised d = Dequantised::of(op);
    d.input = transpose(builder, d.input, permutation);
    d.eachPart([&](Value part) { return transpose(builder, part, permutation); });
    for (auto [i, axis] : llvm::enumerate(permutation)) d.blocks[i] = op.getBlocks()[axis];
    return llvm::is_sorted(permutation) ? input : d.build(builder);
  }
  Extents whole(permutation), shape;
  if (auto inner = input.getDefiningOp<TransposeOp>()) {
    for (int64_t &axis : whole) axis = inner.getPermutation()[axis];
    input = inner.getInput();
  }
  if (llvm::is_sorted(whole)) return input;
  for (int64_t axis : whole) shape.push_back(shapeOf(input)[axis]);
  if (auto number = splat(input); number && input.getDefiningOp<ConstantOp>())
    return constant(builder, input.getLoc(), shape, elementOf(input), *number);
  return builder.create<TransposeOp>(input.getLoc(), plain(input, shape), input, builder.getDenseI64ArrayAttr(whole));
}

namespace {
/// A factor of an axis: parts either have a number for each of its indices or one for all of them.
struct Factor {
  int64_t size;
  bool varies;
};
} // namespace

/// The factors of the axes in order; nullopt where the last block of an axis is short and the axis changes.
static std::optional<SmallVector<Factor>> factorsOf(ArrayRef<int64_t> shape, ArrayRef<int64_t> blocks) {
  SmallVector<Factor> factors;
  for (auto [extent, block] : llvm::zip(shape, blocks)) {
    if (block < extent && extent % block) return std::nullopt;
    if (block < extent) factors.push_back({extent / block, true});
    if (block > 1 || extent == 1) factors.push_back({std::min(extent, block), false});
  }
  llvm::erase_if(factors, [](const Factor &factor) { return factor.size == 1; });
  return factors;
}

/// Regroups factors into axes of `shape`: every axis must be factors that vary, then factors that do not.
static std::optional<Extents> regroup(SmallVector<Factor> factors, ArrayRef<int64_t> shape) {
  Extents blocks;
  std::reverse(factors.begin(), factors.end());
  for (int64_t extent : shape) {
    int64_t rest = extent, block = 1;
    bool within = false;
    while (rest > 1) {
      if (factors.empty()) return std::nullopt;
      Factor factor = factors.pop_back_val();
      if (factor.size > rest && factor.size % rest == 0) { // its outer part belongs here
        factors.push_back({factor.size / rest, factor.varies});
        factor.size = rest;
      }
      if (rest % factor.size || (within && factor.varies)) return std::nullopt;
      if (!factor.varies) within = true, block *= factor.size;
      rest /= factor.size;
    }
    blocks.push_back(block);
  }
  return blocks;
}

static Extents blockCounts(ArrayRef<int64_t> shape, ArrayRef<int64_t> blocks) {
  Extents counts;
  for (auto [extent, block] : llvm::zip(shape, blocks)) counts.push_back(ceilDiv(extent, block));
  return counts;
}

/// Blocks of a reshape that only inserts or removes axes of size 1.
static std::optional<Extents> sameAxes(ArrayRef<int64_t> from, ArrayRef<int64_t> blocks, ArrayRef<int64_t> to) {
  Extents result;
  size_t i = 0;
  auto skip = [&] {
    while (i < from.size() && from[i] == 1) ++i;
  };
  for (int64_t extent : to) {
    if (extent == 1) {
      result.push_back(1);
      continue;
    }
    skip();
    if (i == from.size() || from[i] != extent) return std::nullopt;
    result.push_back(blocks[i++]);
  }
  skip();
  return i == from.size() ? std::optional(result) : std::nullopt;
}

Value ingot::weights::reshape(OpBuilder &builder, Value input, ArrayRef<int64_t> shape) {
  if (shapeOf(input) == shape) return input;
  if (auto op = input.getDefiningOp<DequantLinearOp>()) {
    auto blocks = sameAxes(shapeOf(input), op.getBlocks(), shape);
    auto factors = factorsOf(shapeOf(input), op.getBlocks());
    if (!blocks && factors) blocks = regroup(*factors, shape);
    if (blocks) {
      Dequantised d = Dequantised::of(op);
      d.input = reshape(builder, d.input, shape);
      d.blocks = *blocks;
      d.eachPart([&](Value part) { return reshape(builder, part, blockCounts(shape, *blocks)); });
      return d.build(builder);
    }
  }
  if (auto inner = input.getDefiningOp<ReshapeOp>()) return reshape(builder, inner.getInput(), shape);
  if (auto literal = input.getDefiningOp<ConstantOp>())
    return builder.create<ConstantOp>(input.getLoc(), plain(input, shape),
                                      cast<DenseElementsAttr>(literal.getValue()).reshape(plain(input, shape)));
  return builder.create<ReshapeOp>(input.getLoc(), plain(input, shape), input);
}

Value ingot::weights::slice(OpBuilder &builder, Value input, int64_t axis, int64_t begin, int64_t extent) {
  Extents shape(shapeOf(input));
  if (begin == 0 && extent == shape[axis]) return input;
  shape[axis] = extent;
  if (auto op = input.getDefiningOp<DequantLinearOp>()) {
    Dequantised d = Dequantised::of(op);
    int64_t &block = d.blocks[axis];
    Extents finer = d.blocks;
    bool whole = block >= shapeOf(input)[axis];
    if (!whole && begin % block) finer[axis] = std::gcd(block, begin);
    if (refineTo(builder, d, finer)) {
      if (!whole)
        d.eachPart([&](Value part) { return slice(builder, part, axis, begin / block, ceilDiv(extent, block)); });
      d.input = slice(builder, d.input, axis, begin, extent);
      return d.build(builder);
    }
  }
  return builder.create<SliceOp>(input.getLoc(), plain(input, shape), input, axis, begin);
}

/// The values as one dequantisation of their inputs one after the other; null if they are of different kinds.
static Value concatDequantised(OpBuilder &builder, ArrayRef<Value> inputs, int64_t axis, ArrayRef<int64_t> shape) {
  SmallVector<Dequantised> all;
  for (Value input : inputs) {
    auto op = input.getDefiningOp<DequantLinearOp>();
    if (!op) return {};
    Dequantised d = Dequantised::of(op);
    bool alike = all.empty() || (elementOf(d.input) == elementOf(all[0].input) && bool(d.zeros) == bool(all[0].zeros) &&
                                 bool(d.minima) == bool(all[0].minima));
    bool partsAlike = all.empty() || (elementOf(d.scales) == elementOf(all[0].scales) &&
                                      (!d.zeros || elementOf(d.zeros) == elementOf(all[0].zeros)) &&
                                      (!d.minima || elementOf(d.minima) == elementOf(all[0].minima)));
    if (!alike || !partsAlike) return {};
    all.push_back(std::move(d));
  }
  Extents blocks = all[0].blocks;
  for (Dequantised &d : all) blocks = commonBlocks(shape, blocks, d.blocks);
  blocks[axis] = 0; // of every input, and where the next one starts
  for (auto [k, d] : llvm::enumerate(all)) {
    blocks[axis] = std::gcd(blocks[axis], d.blocks[axis]);
    if (k + 1 < all.size()) blocks[axis] = std::gcd(blocks[axis], shapeOf(d.input)[axis]);
  }
  Dequantised result = all[0];
  for (Dequantised &d : all)
    if (!refineTo(builder, d, blocks)) return {};
  auto join = [&](Value Dequantised::*part) {
    SmallVector<Value> parts;
    for (Dequantised &d : all) parts.push_back(d.*part);
    return parts[0] ? concat(builder, parts, axis) : Value();
  };
  result = {join(&Dequantised::input), join(&Dequantised::scales), join(&Dequantised::zeros),
            join(&Dequantised::minima), blocks};
  return result.build(builder);
}

Value ingot::weights::concat(OpBuilder &builder, ArrayRef<Value> inputs, int64_t axis) {
  if (inputs.size() == 1) return inputs[0];
  Extents shape(shapeOf(inputs[0]));
  shape[axis] = 0;
  bool sameType = true;
  for (Value input : inputs) {
    shape[axis] += shapeOf(input)[axis];
    sameType &= elementOf(input) == elementOf(inputs[0]);
  }
  if (Value joined = concatDequantised(builder, inputs, axis, shape)) return joined;
  SmallVector<Value> values(inputs);
  if (!sameType)
    for (Value &value : values)
      if (!(value = cast(builder, value, builder.getF32Type()))) return {};
  return builder.create<ConcatOp>(values[0].getLoc(), plain(values[0], shape), values, axis);
}

//===- values -----------------------------------------------------------------------------------------------------===//

/// The value as integers that are exact floats: a dequantisation by 1.
static Value integral(OpBuilder &builder, Value input) {
  Extents blocks(shapeOf(input)), ones(blocks.size(), 1);
  Dequantised d{input, constant(builder, input.getLoc(), ones, builder.getF32Type(), 1), {}, {}, blocks};
  return d.build(builder);
}

static bool isNarrowInteger(Type type) { return isa<IntegerType>(type) && type.getIntOrFloatBitWidth() <= 8; }

Value ingot::weights::cast(OpBuilder &builder, Value input, Type element) {
  Type from = elementOf(input);
  bool toFloat = isa<FloatType>(element);
  auto dequantised = input.getDefiningOp<DequantLinearOp>();
  bool onGrid = bool(typeOf(input).getEncoding());
  if (from == element && !onGrid) return input;
  if ((dequantised || onGrid) && toFloat) return input;
  if (dequantised) // an integer that is already held as an exact float
    return isNarrowInteger(elementOf(dequantised.getInput())) && splat(dequantised.getScales()) == 1 &&
                   !dequantised.getMinima() && element.getIntOrFloatBitWidth() >= 16
               ? input
               : Value();
  if (isNarrowInteger(from) && (toFloat || element.getIntOrFloatBitWidth() > from.getIntOrFloatBitWidth() + 1))
    return integral(builder, input);
  if (!toFloat) return {};
  return builder.create<CastOp>(input.getLoc(), RankedTensorType::get(shapeOf(input), element), input);
}

Value ingot::weights::dequantise(OpBuilder &builder, Value quants, Value scale, Value zero, int64_t axis,
                                 int64_t block) {
  Extents shape(shapeOf(quants)), blocks(shape);
  bool one = typeOf(scale).getNumElements() == 1;
  if (!one) {
    if (axis < 0 || axis >= int64_t(shape.size()) || block < 0) return {};
    if (block) blocks.assign(shape.size(), 1);
    blocks[axis] = block ? block : 1;
  }
  for (int64_t &size : blocks) size = std::max<int64_t>(1, size);
  Extents counts = blockCounts(shape, blocks);
  int64_t count = 1;
  for (int64_t each : counts) count *= each;
  auto fits = [&](Value part) {
    return typeOf(part).getNumElements() == count &&
           (one || typeOf(part).getRank() == (block ? int64_t(shape.size()) : 1)) &&
           (one || !block || shapeOf(part) == ArrayRef(counts));
  };
  if (!isa<FloatType>(elementOf(scale)) || !fits(scale) || (zero && !fits(zero))) return {};
  Dequantised d{quants, reshape(builder, scale, counts), {}, {}, blocks};
  if (zero && splat(zero) != 0.0) d.zeros = reshape(builder, zero, counts);
  return d.build(builder);
}

/// `y` as a part of a dequantisation of shape `extents`, and its blocks; null if it does not broadcast to it.
static Value asPart(OpBuilder &builder, Value y, ArrayRef<int64_t> extents, Extents &blocks) {
  Extents shape(shapeOf(y));
  if (shape.size() > extents.size()) return {};
  shape.insert(shape.begin(), extents.size() - shape.size(), 1);
  blocks.clear();
  for (auto [own, extent] : llvm::zip(shape, extents)) {
    if (own != extent && own != 1) return {};
    blocks.push_back(own == extent ? 1 : std::max<int64_t>(1, extent));
  }
  return reshape(builder, y, shape);
}

/// The integers of a value that `cast` made floats, else the value itself.
static Value withoutCast(Value value) {
  auto op = value.getDefiningOp<DequantLinearOp>();
  return op && !op.getZeros() && !op.getMinima() && splat(op.getScales()) == 1 ? op.getInput() : value;
}

Value ingot::weights::arithmetic(OpBuilder &builder, Arithmetic kind, Value x, Value y) {
  Extents blocks;
  Value part = asPart(builder, kind == Arithmetic::sub ? withoutCast(y) : y, shapeOf(x), blocks);
  if (!part) return {};
  if (kind != Arithmetic::sub && !isa<FloatType>(elementOf(part)) &&
      !(part = cast(builder, part, builder.getF32Type())))
    return {};
  auto op = x.getDefiningOp<DequantLinearOp>();
  if (!op && !isa<FloatType>(elementOf(x))) return {};
  Dequantised d = Dequantised::of(op ? op : integral(builder, x).getDefiningOp<DequantLinearOp>());
  bool unscaled = splat(d.scales) == 1.0 && !d.minima;
  bool inside = kind == Arithmetic::add ? !d.minima : kind == Arithmetic::sub ? unscaled && !d.zeros : unscaled;
  if (!inside) d = Dequantised::of(integral(builder, x).getDefiningOp<DequantLinearOp>());
  Extents common = commonBlocks(shapeOf(x), d.blocks, blocks);
  part = refine(builder, part, shapeOf(x), blocks, common);
  if (!part || !refineTo(builder, d, common)) return {};
  (kind == Arithmetic::add ? d.minima : kind == Arithmetic::sub ? d.zeros : d.scales) = part;
  if (splat(d.zeros) == 0.0) d.zeros = {};
  return d.build(builder);
}

//===- the grid ---------------------------------------------------------------------------------------------------===//

/// ui4 or ui8 numbers whose zero point is the middle of their range are what a symmetric grid means by them.
static bool isSymmetric(Value zeros, IntegerType quants) {
  return quants.isUnsigned() ? splat(zeros) == double(1u << (quants.getWidth() - 1)) : !zeros;
}

static bool gridHolds(Dequantised &d, IntegerType quants) {
  if (!quants || (quants.getWidth() != 4 && quants.getWidth() != 8)) return false;
  if (d.zeros && isa<IntegerType>(elementOf(d.zeros)) && elementOf(d.zeros) != Type(quants)) return false;
  bool floats = d.minima || (d.zeros && isa<FloatType>(elementOf(d.zeros)));
  if (floats && (!quants.isUnsigned() || (d.minima && d.zeros))) return false;
  int64_t cols = shapeOf(d.input)[1];
  return d.blocks[1] >= cols || d.blocks[1] % 16 == 0;
}

Value ingot::weights::onGrid(OpBuilder &builder, Value matrix) {
  auto op = matrix.getDefiningOp<DequantLinearOp>();
  if (!op || op.getBlocks().size() != 2) return matrix;
  Dequantised d = Dequantised::of(op);
  auto quants = dyn_cast<IntegerType>(elementOf(d.input));
  if (typeOf(matrix).getNumElements() == 0 || !gridHolds(d, quants)) return matrix;
  if (!refineTo(builder, d, {1, d.blocks[1]})) return matrix;
  Location loc = matrix.getLoc();
  int64_t rows = shapeOf(matrix)[0], cols = shapeOf(matrix)[1], block = d.blocks[1];
  ZeroKind kind = ZeroKind::zero_point;
  Value zeros = d.minima ? d.minima : d.zeros;
  if (zeros && isa<FloatType>(elementOf(zeros)))
    kind = ZeroKind::minimum;
  else if (isSymmetric(zeros, quants))
    kind = ZeroKind::symmetric, zeros = {};
  else if (!zeros)
    zeros = filled(builder, loc, {rows, ceilDiv(cols, block)}, quants, 0);
  Type f32 = builder.getF32Type(), stored = elementOf(d.scales);
  auto grid = GridAttr::get(builder.getContext(), quants.getWidth(), block, kind,
                            stored.isF16() && kind != ZeroKind::minimum ? stored : f32);
  auto dequant = builder.create<DequantOp>(loc, RankedTensorType::get({rows, cols}, f32, grid), d.input, d.scales,
                                           zeros, quants.getWidth(), block, bool(d.minima));
  return dequant;
}
