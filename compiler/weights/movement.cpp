#include "compiler/weights/movement.h"

#include <cstring>

using namespace llvm;

namespace ingot {
namespace {

class Load final : public Tensor {
public:
  Load(const SourceFile &file, uint64_t offset, ArrayRef<int64_t> shape, Element element, Storage storage)
      : Tensor(shape, element), file(file), offset(offset), storage(storage) {}

  Error read(const Box &box, uint8_t *out) const override {
    size_t bytes = elementBytes(element);
    return forEachRun(shape, box, [&](int64_t begin, int64_t count) -> Error {
      uint8_t *to = std::exchange(out, out + count * bytes);
      if (storage == Storage::plain) return file.read(offset + uint64_t(begin) * bytes, uint64_t(count) * bytes, to);
      return readNibbles(begin, count, to);
    });
  }

private:
  Error readNibbles(int64_t begin, int64_t count, uint8_t *out) const {
    int64_t first = begin / 2, last = (begin + count + 1) / 2;
    ByteBuffer packed = allocate(Element::u8, last - first);
    if (Error error = file.read(offset + uint64_t(first), uint64_t(last - first), packed.get())) return error;
    for (int64_t i = 0; i < count; ++i) {
      int64_t at = begin + i;
      uint8_t nibble = packed[at / 2 - first] >> (at % 2 * 4) & 15;
      out[i] = storage == Storage::packedU4 ? nibble : uint8_t((nibble ^ 8) - 8);
    }
    return Error::success();
  }

  const SourceFile &file;
  uint64_t offset;
  Storage storage;
};

class Constant final : public Tensor {
public:
  Constant(ArrayRef<int64_t> shape, Element element, std::vector<uint8_t> bytes)
      : Tensor(shape, element), bytes(std::move(bytes)) {}

  Error read(const Box &box, uint8_t *out) const override {
    size_t size = elementBytes(element);
    return forEachRun(shape, box, [&](int64_t begin, int64_t count) -> Error {
      std::memcpy(std::exchange(out, out + count * size), bytes.data() + begin * size, count * size);
      return Error::success();
    });
  }

private:
  std::vector<uint8_t> bytes;
};

class Reshape final : public Tensor {
public:
  Reshape(TensorRef input, ArrayRef<int64_t> shape) : Tensor(shape, input->element), input(std::move(input)) {}

  Error read(const Box &box, uint8_t *out) const override {
    return forEachRun(shape, box, [&](int64_t begin, int64_t count) {
      return forEachBox(input->shape, begin, count, [&](const Box &piece) {
        return input->read(piece, std::exchange(out, out + piece.elements() * elementBytes(element)));
      });
    });
  }

private:
  TensorRef input;
};

// Copies a dense `from` of extents [outer...] under `strides` to a dense row-major `to`. Tiles over the last axis and
// the axis that is contiguous in `from`, so that both sides stay in cache.
template <typename T>
void copyPermuted(ArrayRef<int64_t> extent, ArrayRef<int64_t> strides, size_t unitAxis, const T *from, T *to) {
  constexpr int64_t tile = 16;
  size_t last = extent.size() - 1;
  Shape outStrides(extent.size(), 1);
  for (size_t i = last; i > 0; --i) outStrides[i - 1] = outStrides[i] * extent[i];
  int64_t across = unitAxis == last ? 1 : extent[unitAxis];
  Box outer = Box::whole(extent);
  outer.extent[last] = outer.extent[unitAxis] = 1;
  Shape index(extent.size(), 0);
  for (int64_t count = outer.elements(); count > 0; --count) {
    const T *source = from;
    T *target = to;
    for (size_t i = 0; i < extent.size(); ++i) source += index[i] * strides[i], target += index[i] * outStrides[i];
    for (int64_t u0 = 0; u0 < across; u0 += tile)
      for (int64_t k0 = 0; k0 < extent[last]; k0 += tile)
        for (int64_t u = u0; u < std::min(across, u0 + tile); ++u)
          for (int64_t k = k0; k < std::min(extent[last], k0 + tile); ++k)
            target[u * outStrides[unitAxis] + k] = source[u * strides[unitAxis] + k * strides[last]];
    for (size_t i = extent.size(); i-- > 0;) {
      if (++index[i] < outer.extent[i]) break;
      index[i] = 0;
    }
  }
}

class Transpose final : public Tensor {
public:
  Transpose(TensorRef input, ArrayRef<int64_t> shape, ArrayRef<int64_t> permutation)
      : Tensor(shape, input->element), input(std::move(input)), permutation(permutation) {}

  Error read(const Box &box, uint8_t *out) const override {
    size_t rank = shape.size();
    Box from = box;
    for (size_t i = 0; i < rank; ++i)
      from.begin[permutation[i]] = box.begin[i], from.extent[permutation[i]] = box.extent[i];
    ByteBuffer bytes = allocate(element, box.elements());
    if (Error error = input->read(from, bytes.get())) return error;
    Shape inStrides(rank, 1), strides(rank);
    for (size_t i = rank - 1; i > 0; --i) inStrides[i - 1] = inStrides[i] * from.extent[i];
    size_t unitAxis = 0;
    for (size_t i = 0; i < rank; ++i) {
      strides[i] = inStrides[permutation[i]];
      if (permutation[i] == int64_t(rank - 1)) unitAxis = i;
    }
    auto copy = [&](auto type) {
      using T = decltype(type);
      copyPermuted(ArrayRef<int64_t>(box.extent), ArrayRef<int64_t>(strides), unitAxis,
                   reinterpret_cast<const T *>(bytes.get()), reinterpret_cast<T *>(out));
    };
    switch (elementBytes(element)) {
    case 1:
      copy(uint8_t());
      break;
    case 2:
      copy(uint16_t());
      break;
    case 4:
      copy(uint32_t());
      break;
    default:
      copy(uint64_t());
    }
    return Error::success();
  }

private:
  TensorRef input;
  Shape permutation;
};

class Slice final : public Tensor {
public:
  Slice(TensorRef input, ArrayRef<int64_t> shape, int64_t axis, int64_t begin)
      : Tensor(shape, input->element), input(std::move(input)), axis(axis), begin(begin) {}

  Error read(const Box &box, uint8_t *out) const override {
    Box from = box;
    from.begin[axis] += begin;
    return input->read(from, out);
  }

private:
  TensorRef input;
  int64_t axis, begin;
};

class Concat final : public Tensor {
public:
  Concat(std::vector<TensorRef> inputs, ArrayRef<int64_t> shape, int64_t axis)
      : Tensor(shape, inputs.front()->element), inputs(std::move(inputs)), axis(axis) {}

  Error read(const Box &box, uint8_t *out) const override {
    size_t bytes = elementBytes(element);
    int64_t outer = elementCount(ArrayRef<int64_t>(box.extent).take_front(axis));
    size_t inner = size_t(elementCount(ArrayRef<int64_t>(box.extent).drop_front(axis + 1))) * bytes;
    size_t pitch = size_t(box.extent[axis]) * inner;
    int64_t start = 0;
    for (const TensorRef &input : inputs) {
      int64_t begin = std::max(box.begin[axis], start);
      int64_t end = std::min(box.begin[axis] + box.extent[axis], start + input->shape[axis]);
      if (begin < end) {
        Box from = box;
        from.begin[axis] = begin - start;
        from.extent[axis] = end - begin;
        if (Error error = readPiece(*input, from, outer, size_t(end - begin) * inner, pitch, out)) return error;
        out += size_t(end - begin) * inner;
      }
      start += input->shape[axis];
    }
    return Error::success();
  }

private:
  // `width` bytes of each of `outer` pieces, `pitch` bytes apart in `out`.
  static Error readPiece(const Tensor &input, const Box &from, int64_t outer, size_t width, size_t pitch,
                         uint8_t *out) {
    if (outer == 1) return input.read(from, out);
    ByteBuffer piece = allocate(input.element, from.elements());
    if (Error error = input.read(from, piece.get())) return error;
    for (int64_t i = 0; i < outer; ++i) std::memcpy(out + i * pitch, piece.get() + i * width, width);
    return Error::success();
  }

  std::vector<TensorRef> inputs;
  int64_t axis;
};

class MappedRows final : public Tensor {
public:
  MappedRows(TensorRef input, ArrayRef<int64_t> shape, RowMap map)
      : Tensor(shape, input->element), input(std::move(input)), map(std::move(map)) {}

  Error read(const Box &box, uint8_t *out) const override {
    if (box.elements() == 0) return Error::success();
    size_t rowBytes = size_t(box.elements() / box.extent[0]) * elementBytes(element);
    return forEachRowRun(map, input->shape[0], box.begin[0], box.begin[0] + box.extent[0],
                         [&](int64_t, int64_t source, int64_t count) -> Error {
                           uint8_t *to = std::exchange(out, out + count * rowBytes);
                           if (source < 0) {
                             std::memset(to, 0, count * rowBytes);
                             return Error::success();
                           }
                           Box from = box;
                           from.begin[0] = source;
                           from.extent[0] = count;
                           return input->read(from, to);
                         });
  }

private:
  TensorRef input;
  RowMap map;
};

} // namespace

int64_t RowMap::source(int64_t row) const {
  int64_t index = 0;
  for (size_t i = extents.size(); i-- > 0; row /= extents[i]) index += row % extents[i] * strides[i];
  return index;
}

Error forEachRowRun(const RowMap &map, int64_t inputRows, int64_t begin, int64_t end,
                    function_ref<Error(int64_t, int64_t, int64_t)> f) {
  auto source = [&](int64_t row) {
    int64_t index = map.source(row);
    return index < inputRows ? index : -1;
  };
  for (int64_t row = begin; row < end;) {
    int64_t first = source(row), count = 1;
    while (row + count < end && source(row + count) == (first < 0 ? -1 : first + count)) ++count;
    if (Error error = f(row, first, count)) return error;
    row += count;
  }
  return Error::success();
}

TensorRef makeLoad(const SourceFile &file, uint64_t offset, ArrayRef<int64_t> shape, Element element, Storage storage) {
  return std::make_shared<Load>(file, offset, shape, element, storage);
}
TensorRef makeConstant(ArrayRef<int64_t> shape, Element element, std::vector<uint8_t> bytes) {
  return std::make_shared<Constant>(shape, element, std::move(bytes));
}
TensorRef makeReshape(TensorRef input, ArrayRef<int64_t> shape) {
  return std::make_shared<Reshape>(std::move(input), shape);
}
TensorRef makeTranspose(TensorRef input, ArrayRef<int64_t> permutation) {
  if (permutation.empty()) return input;
  Shape shape;
  for (int64_t axis : permutation) shape.push_back(input->shape[axis]);
  return std::make_shared<Transpose>(std::move(input), shape, permutation);
}
TensorRef makeSlice(TensorRef input, ArrayRef<int64_t> shape, int64_t axis, int64_t begin) {
  return std::make_shared<Slice>(std::move(input), shape, axis, begin);
}
TensorRef makeConcat(std::vector<TensorRef> inputs, ArrayRef<int64_t> shape, int64_t axis) {
  return std::make_shared<Concat>(std::move(inputs), shape, axis);
}
TensorRef makeRowMap(TensorRef input, ArrayRef<int64_t> shape, RowMap map) {
  return std::make_shared<MappedRows>(std::move(input), shape, std::move(map));
}

} // namespace ingot
