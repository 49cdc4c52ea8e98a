// Values of a region, constants, views; what the op families share.
#include "compiler/kernels/cpu/GraphRow.h"

using namespace mlir;

namespace ingot::cpu {

int64_t elementCount(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  return count;
}

Shape stridesOf(ArrayRef<int64_t> shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

Store GraphValue::store() const {
  if (isa<FloatType>(element)) return Store::f32;
  return element.getIntOrFloatBitWidth() == 64 ? Store::i64 : Store::i32;
}

bool isUnsigned(mlir::Type element) { return element.isUnsignedInteger() || element.isInteger(1); }

static GraphValue typed(mlir::Value v) {
  auto type = cast<RankedTensorType>(v.getType());
  GraphValue value;
  value.element = type.getElementType();
  value.shape = Shape(type.getShape());
  return value;
}

//===- memory and functions ---------------------------------------------------------------------------------------===//

void GraphRow::bind(mlir::Value argument, Value memory) {
  values[argument] = typed(argument);
  values[argument].memory = memory;
}

Value GraphRow::loadRun(Type type, Value address, int64_t count) {
  if (count >= laneCount) return e.load(e.vec(type), address);
  Type lanes = e.vec(type);
  return e.b.create<LLVM::MaskedLoadOp>(lanes, address, e.firstLanes(count),
                                        ValueRange{e.b.create<LLVM::ZeroOp>(lanes)}, type.getIntOrFloatBitWidth() / 8);
}

void GraphRow::storeRun(Value lanes, Value address, int64_t count) {
  if (count >= laneCount) return e.store(lanes, address);
  unsigned bytes = getElementTypeOrSelf(lanes.getType()).getIntOrFloatBitWidth() / 8;
  e.b.create<LLVM::MaskedStoreOp>(lanes, address, e.firstLanes(count), bytes);
}

Value GraphRow::memoryOf(mlir::Value v) {
  if (values[v].memory) return values[v].memory;
  Columns lanes = values[v].lanes;
  Type type = storeType(v);
  Value to = space(type, values[v].count());
  forColumns(e, values[v].count(),
             [&](Value column, int64_t count) { storeRun(lanes(column, count), element(type, to, column), count); });
  values[v].memory = to;
  if (!values[v].uniform) values[v].lanes = nullptr;
  return to;
}

Columns GraphRow::lanesOf(mlir::Value v) {
  const GraphValue &known = values[v];
  if (known.lanes) return known.lanes;
  Type type = storeType(known.store());
  return [this, type, memory = known.memory](Value column, int64_t count) {
    return loadRun(type, element(type, memory, column), count);
  };
}

Value GraphRow::defineMemory(mlir::Value v) {
  values[v] = typed(v);
  return values[v].memory = space(storeType(v), values[v].count());
}

void GraphRow::defineLanes(mlir::Value v, Columns lanes, bool uniform) {
  values[v] = typed(v);
  values[v].lanes = std::move(lanes);
  values[v].uniform = uniform;
  if (!uniform && !v.hasOneUse()) memoryOf(v);
}

//===- loops ------------------------------------------------------------------------------------------------------===//

void GraphRow::forIndex(ArrayRef<int64_t> shape, llvm::function_ref<void(ArrayRef<Value>)> body) {
  SmallVector<Value> index;
  std::function<void()> nest = [&] {
    if (index.size() == shape.size()) return body(index);
    int64_t size = shape[index.size()];
    auto inside = [&](Value i) {
      index.push_back(i);
      nest();
      index.pop_back();
    };
    size == 1 ? inside(e.i64c(0)) : e.loop(size, inside);
  };
  if (elementCount(shape)) nest();
}

Value GraphRow::flatten(ArrayRef<Value> index, ArrayRef<int64_t> strides) {
  Value sum = e.i64c(0);
  for (auto [i, stride] : llvm::zip(index, strides))
    if (stride) sum = e.iadd(sum, e.imul(i, stride));
  return sum;
}

void GraphRow::copyRun(Type type, Value dst, Value src, int64_t count) {
  forColumns(e, count, [&](Value column, int64_t n) {
    storeRun(loadRun(type, element(type, src, column), n), element(type, dst, column), n);
  });
}

namespace {
struct CopyDim {
  int64_t size, to, from;
};
} // namespace

// Neighbouring dims that both sides walk as one become one; dims of size 1 go.
static SmallVector<CopyDim> joinDims(ArrayRef<int64_t> shape, ArrayRef<int64_t> to, ArrayRef<int64_t> from) {
  SmallVector<CopyDim> dims;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    bool joins = !dims.empty() && dims.back().to == shape[i] * to[i] && dims.back().from == shape[i] * from[i];
    if (joins)
      dims.back() = {dims.back().size * shape[i], to[i], from[i]};
    else
      dims.push_back({shape[i], to[i], from[i]});
  }
  if (dims.empty()) dims.push_back({1, 1, 1});
  return dims;
}

void GraphRow::copy(Type type, ArrayRef<int64_t> shape, Value dst, ArrayRef<int64_t> dstStrides, Value src,
                    ArrayRef<int64_t> srcStrides) {
  if (elementCount(shape) == 0) return;
  SmallVector<CopyDim> dims = joinDims(shape, dstStrides, srcStrides);
  CopyDim inner = dims.pop_back_val();
  Shape outer;
  for (const CopyDim &dim : dims) outer.push_back(dim.size);
  forIndex(outer, [&](ArrayRef<Value> index) {
    Value to = e.i64c(0), from = e.i64c(0);
    for (auto [i, dim] : llvm::zip(index, dims)) {
      to = e.iadd(to, e.imul(i, dim.to));
      from = e.iadd(from, e.imul(i, dim.from));
    }
    Value target = element(type, dst, to), source = element(type, src, from);
    if (inner.to == 1 && inner.from == 1) return copyRun(type, target, source, inner.size);
    if (inner.to == 1 && inner.from == 0) {
      Value splat = e.broadcast(e.load(type, source));
      return forColumns(e, inner.size,
                        [&](Value column, int64_t n) { storeRun(splat, element(type, target, column), n); });
    }
    e.loop(inner.size, [&](Value i) {
      e.store(e.load(type, element(type, source, e.imul(i, inner.from))), element(type, target, e.imul(i, inner.to)));
    });
  });
}

//===- broadcasting -----------------------------------------------------------------------------------------------===//

// Strides of `from` seen through a shape it broadcasts to: 0 where it repeats.
static Shape broadcastStrides(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  Shape own = stridesOf(from), strides(to.size(), 0);
  for (size_t k = 0; k < from.size(); ++k)
    if (from[k] != 1) strides[to.size() - from.size() + k] = own[k];
  return strides;
}

Columns GraphRow::broadcast(mlir::Value v, ArrayRef<int64_t> shape) {
  const GraphValue &known = values[v];
  if (known.uniform || known.count() == elementCount(shape)) return lanesOf(v);
  Value memory = memoryOf(v);
  Type type = storeType(v);
  Shape strides = broadcastStrides(values[v].shape, shape);
  SmallVector<CopyDim> dims = joinDims(shape, stridesOf(shape), strides);
  // The repeated run within, and the run that is read: whole blocks of 16 never straddle them.
  int64_t repeat = dims.back().from == 0 ? dims.back().size : 1, count = values[v].count();
  if (count == 1) return [this, memory, type](Value, int64_t) { return e.broadcast(e.load(type, memory)); };
  bool oneRun = dims.size() <= 2 + (repeat > 1) && dims[dims.size() - 1 - (repeat > 1)].from == 1;
  if (repeat > 1 && repeat % laneCount == 0 && oneRun)
    return [this, memory, type, repeat, count](Value column, int64_t) {
      return e.broadcast(e.load(type, element(type, memory, e.urem(e.udiv(column, repeat), count))));
    };
  if (repeat == 1 && count % laneCount == 0 && oneRun)
    return [this, memory, type, count](Value column, int64_t n) {
      return loadRun(type, element(type, memory, e.urem(column, count)), n);
    };
  Value whole = space(type, elementCount(shape));
  copy(type, shape, whole, stridesOf(shape), memory, strides);
  return [this, whole, type](Value column, int64_t n) { return loadRun(type, element(type, whole, column), n); };
}

//===- ops --------------------------------------------------------------------------------------------------------===//

LogicalResult GraphRow::evaluateConstant(graph::ConstantOp op) {
  auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
  GraphValue value = typed(op.getResult());
  if (!dense || (!isa<FloatType>(value.element) && !isa<IntegerType>(value.element)))
    return op.emitOpError("holds elements that no row program can");
  bool real = value.store() == Store::f32;
  auto number = [&](const llvm::APInt &x) {
    return isUnsigned(value.element) ? int64_t(x.getZExtValue()) : x.getSExtValue();
  };
  auto decimal = [](llvm::APFloat x) {
    bool inexact;
    x.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &inexact);
    return x.convertToFloat();
  };
  Type lanes = e.vec(storeType(value.store()));
  if (dense.isSplat() && !dense.empty()) {
    Value splat = real ? e.constant(lanes, decimal(dense.getSplatValue<llvm::APFloat>()))
                       : e.integer(lanes, number(dense.getSplatValue<llvm::APInt>()));
    defineLanes(op.getResult(), [splat](Value, int64_t) { return splat; }, /*uniform=*/true);
    return success();
  }
  Value table;
  if (real) {
    SmallVector<float> elements;
    for (const llvm::APFloat &x : dense.getValues<llvm::APFloat>()) elements.push_back(decimal(x));
    table = e.floatTable(elements);
  } else {
    SmallVector<int64_t> elements;
    for (const llvm::APInt &x : dense.getValues<llvm::APInt>()) elements.push_back(number(x));
    table = e.integerTable(storeType(value.store()), elements);
  }
  bind(op.getResult(), table);
  return success();
}

// The same elements in the same order.
LogicalResult GraphRow::evaluateView(Operation *op) {
  mlir::Value input = op->getOperand(0), result = op->getResult(0);
  GraphValue view = values[input];
  view.shape = Shape(cast<RankedTensorType>(result.getType()).getShape());
  values[result] = view;
  if (!view.memory && !view.uniform && !result.hasOneUse()) memoryOf(result);
  return success();
}

LogicalResult GraphRow::evaluate(Operation *op) {
  if (auto constant = dyn_cast<graph::ConstantOp>(op)) return evaluateConstant(constant);
  if (isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp>(op)) return evaluateView(op);
  for (auto family : {evaluateElementwise, evaluateMovement, evaluateLines, evaluateIndexed, evaluateQuant}) {
    bool known = true;
    LogicalResult result = family(*this, op, known);
    if (known) return result;
  }
  return op->emitOpError("cannot be part of a row program on the CPU");
}

} // namespace ingot::cpu
