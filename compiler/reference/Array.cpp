// Conversions and index arithmetic of arrays.
#include "compiler/reference/Array.h"

#include "llvm/ADT/APFloat.h"
#include <cstring>

using namespace mlir;
using namespace ingot::reference;

double Array::number(size_t i) const {
  if (isReal()) return reals[i];
  return element.isUnsignedInteger() ? double(uint64_t(integers[i])) : double(integers[i]);
}

std::optional<size_t> ingot::reference::elementCount(ArrayRef<int64_t> shape) {
  uint64_t count = 1;
  for (int64_t dim : shape) {
    if (dim < 0 || dim > int64_t(1) << 30) return std::nullopt;
    count *= uint64_t(dim);
    if (count > uint64_t(1) << 30) return std::nullopt;
  }
  return size_t(count);
}

Array ingot::reference::makeArray(Type element, ArrayRef<int64_t> shape) {
  Array array;
  array.element = element;
  array.shape.assign(shape.begin(), shape.end());
  size_t count = elementCount(shape).value_or(0);
  if (array.isReal())
    array.reals.resize(count);
  else
    array.integers.resize(count);
  return array;
}

double ingot::reference::roundTo(Type element, double value) {
  if (element.isF64()) return value;
  if (element.isF32()) return float(value);
  llvm::APFloat wide(value);
  bool lost;
  wide.convert(cast<FloatType>(element).getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &lost);
  return wide.convertToDouble();
}

int64_t ingot::reference::wrapTo(Type element, int64_t value) {
  unsigned unused = 64 - element.getIntOrFloatBitWidth();
  if (element.isInteger(1) || element.isUnsignedInteger()) return int64_t(uint64_t(value) << unused >> unused);
  return int64_t(uint64_t(value) << unused) >> unused;
}

static double realFromBits(Type element, uint64_t bits) {
  auto type = cast<FloatType>(element);
  return llvm::APFloat(type.getFloatSemantics(), llvm::APInt(type.getWidth(), bits)).convertToDouble();
}

Array ingot::reference::fromBytes(RankedTensorType type, ArrayRef<char> bytes) {
  Array array = makeArray(type.getElementType(), type.getShape());
  unsigned bits = array.element.isInteger(1) ? 8 : array.element.getIntOrFloatBitWidth();
  for (size_t i = 0; i < array.size(); ++i) {
    uint64_t raw = 0;
    if (bits < 8)
      raw = uint8_t(bytes[i / 2]) >> (i % 2 * 4) & 15;
    else
      std::memcpy(&raw, bytes.data() + i * (bits / 8), bits / 8); // the host is little-endian, as ONNX is
    if (array.element.isInteger(1)) raw = raw != 0;
    if (array.element.isF32())
      array.reals[i] = llvm::bit_cast<float>(uint32_t(raw));
    else if (array.isReal())
      array.reals[i] = realFromBits(array.element, raw);
    else
      array.integers[i] = wrapTo(array.element, int64_t(raw));
  }
  return array;
}

Array ingot::reference::fromElements(DenseElementsAttr elements) {
  auto type = cast<RankedTensorType>(elements.getType());
  Array array = makeArray(type.getElementType(), type.getShape());
  size_t i = 0;
  if (array.isReal())
    for (const APFloat &value : elements.getValues<APFloat>()) {
      APFloat wide = value;
      bool lost;
      wide.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
      array.reals[i++] = wide.convertToDouble();
    }
  else
    for (const APInt &value : elements.getValues<APInt>())
      array.integers[i++] = wrapTo(array.element, int64_t(value.getZExtValue()));
  return array;
}

DenseElementsAttr ingot::reference::toElements(const Array &array) {
  auto type = RankedTensorType::get(array.shape, array.element);
  SmallVector<Attribute> values;
  if (array.isReal()) {
    SmallVector<APFloat> floats;
    for (double value : array.reals) {
      APFloat narrow(value);
      bool lost;
      narrow.convert(cast<FloatType>(array.element).getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
      floats.push_back(narrow);
    }
    return DenseElementsAttr::get(type, floats);
  }
  SmallVector<APInt> integers;
  unsigned width = array.element.getIntOrFloatBitWidth();
  for (int64_t value : array.integers) integers.push_back(APInt(64, uint64_t(value)).trunc(width));
  return DenseElementsAttr::get(type, integers);
}

Shape ingot::reference::stridesOf(ArrayRef<int64_t> shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::optional<Shape> ingot::reference::broadcast(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  Shape result(std::max(a.size(), b.size()));
  for (size_t back = 1; back <= result.size(); ++back) {
    int64_t x = back <= a.size() ? a[a.size() - back] : 1, y = back <= b.size() ? b[b.size() - back] : 1;
    if (x != y && x != 1 && y != 1) return std::nullopt;
    result[result.size() - back] = x == 1 ? y : x;
  }
  return result;
}

std::vector<size_t> ingot::reference::broadcastIndices(ArrayRef<int64_t> from, ArrayRef<int64_t> shape) {
  Shape strides = stridesOf(from);
  size_t lead = shape.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] == 1) strides[i] = 0;
  std::vector<size_t> indices;
  forEachIndex(shape, [&](ArrayRef<int64_t> index, size_t) {
    size_t source = 0;
    for (size_t i = 0; i < from.size(); ++i) source += size_t(index[lead + i] * strides[i]);
    indices.push_back(source);
  });
  return indices;
}
