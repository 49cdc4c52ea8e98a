#include "compiler/weights/tensor.h"

using namespace llvm;

namespace ingot {

Box Box::whole(ArrayRef<int64_t> shape) { return {Shape(shape.size(), 0), Shape(shape)}; }

Box Box::rows(ArrayRef<int64_t> shape, int64_t begin, int64_t count) {
  Box box = whole(shape);
  box.begin[0] = begin;
  box.extent[0] = count;
  return box;
}

int64_t Box::elements() const { return elementCount(extent); }

int64_t elementCount(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

Error forEachRun(ArrayRef<int64_t> shape, const Box &box, function_ref<Error(int64_t, int64_t)> f) {
  if (box.elements() == 0) return Error::success();
  // Axes [axis, rank) form one run: all of them whole but the first.
  size_t axis = shape.size();
  int64_t run = 1;
  while (axis > 0) {
    run *= box.extent[--axis];
    if (box.extent[axis] != shape[axis]) break;
  }
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  Shape index(axis, 0);
  while (true) {
    int64_t flat = 0;
    for (size_t i = 0; i < shape.size(); ++i) flat += (box.begin[i] + (i < axis ? index[i] : 0)) * strides[i];
    if (Error error = f(flat, run)) return error;
    size_t i = axis;
    while (i > 0 && ++index[i - 1] == box.extent[i - 1]) index[--i] = 0;
    if (i == 0) return Error::success();
  }
}

namespace {

// Elements [begin, begin + count) of the axes [axis, rank), under the fixed indices box.begin[0, axis).
Error splitRange(ArrayRef<int64_t> shape, size_t axis, Box &box, int64_t begin, int64_t count,
                 function_ref<Error(const Box &)> f) {
  if (count == 0) return Error::success();
  if (axis == shape.size()) return f(box);
  int64_t stride = elementCount(shape.drop_front(axis + 1));
  auto inside = [&](int64_t length) {
    box.begin[axis] = begin / stride;
    box.extent[axis] = 1;
    return splitRange(shape, axis + 1, box, begin % stride, length, f);
  };
  if (begin % stride != 0) {
    int64_t length = std::min(count, stride - begin % stride);
    if (Error error = inside(length)) return error;
    begin += length, count -= length;
  }
  if (int64_t full = count / stride) {
    box.begin[axis] = begin / stride;
    box.extent[axis] = full;
    for (size_t i = axis + 1; i < shape.size(); ++i) box.begin[i] = 0, box.extent[i] = shape[i];
    if (Error error = f(box)) return error;
    begin += full * stride, count -= full * stride;
  }
  return count ? inside(count) : Error::success();
}

} // namespace

Error forEachBox(ArrayRef<int64_t> shape, int64_t begin, int64_t count, function_ref<Error(const Box &)> f) {
  Box box = {Shape(shape.size(), 0), Shape(shape.size(), 1)};
  return splitRange(shape, 0, box, begin, count, f);
}

Error readFloats(const Tensor &tensor, const Box &box, float *out) {
  if (tensor.element == Element::f32) return tensor.read(box, reinterpret_cast<uint8_t *>(out));
  int64_t count = box.elements();
  ByteBuffer bytes = allocate(tensor.element, count);
  if (Error error = tensor.read(box, bytes.get())) return error;
  convertElements(tensor.element, bytes.get(), Element::f32, out, size_t(count));
  return Error::success();
}

} // namespace ingot
