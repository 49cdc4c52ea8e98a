#include "compiler/weights/dequant_linear.h"

#include <cstring>

using namespace llvm;

namespace ingot {
namespace {

// The box of numbers that a box of elements takes, one number a block along every axis.
Box blocksOf(const Box &box, ArrayRef<int64_t> blocks) {
  Box result = box;
  for (size_t i = 0; i < blocks.size(); ++i) {
    result.begin[i] = box.begin[i] / blocks[i];
    result.extent[i] = box.extent[i] ? (box.begin[i] + box.extent[i] - 1) / blocks[i] - result.begin[i] + 1 : 0;
  }
  return result;
}

// Calls f(elements so far, first of the row) for every row (last axis) of a box, with the place of the row's first
// number in a dense `part` box.
template <typename F> void forEachRow(const Box &box, const Box &part, ArrayRef<int64_t> blocks, F f) {
  size_t rank = box.extent.size();
  Shape index(rank, 0);
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < rank; ++i) rows *= box.extent[i];
  for (int64_t row = 0; row < rows; ++row) {
    int64_t place = 0;
    for (size_t i = 0; i + 1 < rank; ++i)
      place = (place + (box.begin[i] + index[i]) / blocks[i] - part.begin[i]) * part.extent[i + 1];
    f(row, place);
    for (size_t i = rank - 1; i-- > 0 && ++index[i] == box.extent[i];) index[i] = 0;
  }
}

class Repeat final : public Tensor {
public:
  Repeat(TensorRef input, ArrayRef<int64_t> shape, int64_t axis, int64_t times)
      : Tensor(shape, input->element), input(std::move(input)), blocks(shape.size(), 1) {
    blocks[size_t(axis)] = times;
  }

  Error read(const Box &box, uint8_t *out) const override {
    Box from = blocksOf(box, blocks);
    ByteBuffer values = allocate(element, from.elements());
    if (Error error = input->read(from, values.get())) return error;
    size_t size = elementBytes(element), last = box.extent.size() - 1;
    forEachRow(box, from, blocks, [&](int64_t row, int64_t place) {
      uint8_t *to = out + size_t(row * box.extent[last]) * size;
      for (int64_t k = 0; k < box.extent[last]; ++k, to += size) {
        int64_t at = place + (box.begin[last] + k) / blocks[last] - from.begin[last];
        std::memcpy(to, values.get() + size_t(at) * size, size);
      }
    });
    return Error::success();
  }

private:
  TensorRef input;
  Shape blocks;
};

class Unpack final : public Tensor {
public:
  Unpack(TensorRef bytes, ArrayRef<int64_t> shape, uint32_t bits, bool highFirst)
      : Tensor(shape, Element::u8), bytes(std::move(bytes)), bits(bits), highFirst(highFirst) {}

  Error read(const Box &box, uint8_t *out) const override {
    uint32_t each = 8 / bits;
    Shape blocks(shape.size(), 1);
    blocks.back() = each;
    Box from = blocksOf(box, blocks);
    ByteBuffer packed = allocate(Element::u8, from.elements());
    if (Error error = bytes->read(from, packed.get())) return error;
    size_t last = shape.size() - 1;
    forEachRow(box, from, blocks, [&](int64_t row, int64_t place) {
      for (int64_t k = 0; k < box.extent[last]; ++k) {
        uint64_t at = uint64_t(box.begin[last] + k);
        uint32_t slot = uint32_t(at % each), shift = (highFirst ? each - 1 - slot : slot) * bits;
        uint8_t byte = packed[size_t(place + int64_t(at / each) - from.begin[last])];
        out[row * box.extent[last] + k] = uint8_t(byte >> shift & ((1u << bits) - 1));
      }
    });
    return Error::success();
  }

private:
  TensorRef bytes;
  uint32_t bits;
  bool highFirst;
};

class Lookup final : public Tensor {
public:
  Lookup(TensorRef table, TensorRef codes)
      : Tensor(codes->shape, table->element), table(std::move(table)), codes(std::move(codes)) {}

  Error read(const Box &box, uint8_t *out) const override {
    int64_t count = box.elements(), known = table->shape[0];
    size_t size = elementBytes(element);
    ByteBuffer numbers = allocate(Element::u8, count), values = allocate(element, known);
    if (Error error = codes->read(box, numbers.get())) return error;
    if (Error error = table->read(Box::whole(table->shape), values.get())) return error;
    for (int64_t i = 0; i < count; ++i, out += size) {
      if (numbers[size_t(i)] >= known)
        return createStringError("code %u lies outside of its table", unsigned(numbers[size_t(i)]));
      std::memcpy(out, values.get() + numbers[size_t(i)] * size, size);
    }
    return Error::success();
  }

private:
  TensorRef table, codes;
};

class DequantLinear final : public Tensor {
public:
  DequantLinear(TensorRef input, TensorRef scales, TensorRef zeros, TensorRef minima, ArrayRef<int64_t> blocks)
      : Tensor(input->shape, Element::f32), input(std::move(input)), scales(std::move(scales)), zeros(std::move(zeros)),
        minima(std::move(minima)), blocks(blocks) {}

  Error read(const Box &box, uint8_t *out) const override {
    if (box.elements() == 0) return Error::success();
    float *values = reinterpret_cast<float *>(out);
    if (Error error = readFloats(*input, box, values)) return error;
    if (Error error = apply(zeros, box, values, [](float x, float zero) { return x - zero; })) return error;
    if (Error error = apply(scales, box, values, [](float x, float scale) { return x * scale; })) return error;
    return apply(minima, box, values, [](float x, float minimum) { return x + minimum; });
  }

private:
  template <typename F> Error apply(const TensorRef &part, const Box &box, float *values, F f) const {
    if (!part) return Error::success();
    Box from = blocksOf(box, blocks);
    auto numbers = std::make_unique_for_overwrite<float[]>(size_t(from.elements()));
    if (Error error = readFloats(*part, from, numbers.get())) return error;
    if (shape.empty()) return values[0] = f(values[0], numbers[0]), Error::success();
    size_t last = shape.size() - 1;
    forEachRow(box, from, blocks, [&](int64_t row, int64_t place) {
      float *to = values + row * box.extent[last];
      for (int64_t k = 0; k < box.extent[last]; ++k)
        to[k] = f(to[k], numbers[size_t(place + (box.begin[last] + k) / blocks[last] - from.begin[last])]);
    });
    return Error::success();
  }

  TensorRef input, scales, zeros, minima;
  Shape blocks;
};

} // namespace

TensorRef makeRepeat(TensorRef input, ArrayRef<int64_t> shape, int64_t axis, int64_t times) {
  return std::make_shared<Repeat>(std::move(input), shape, axis, times);
}
TensorRef makeUnpack(TensorRef bytes, ArrayRef<int64_t> shape, uint32_t bits, bool highFirst) {
  return std::make_shared<Unpack>(std::move(bytes), shape, bits, highFirst);
}
TensorRef makeLookup(TensorRef table, TensorRef codes) {
  return std::make_shared<Lookup>(std::move(table), std::move(codes));
}
TensorRef makeDequantLinear(TensorRef input, TensorRef scales, TensorRef zeros, TensorRef minima,
                            ArrayRef<int64_t> blocks) {
  return std::make_shared<DequantLinear>(std::move(input), std::move(scales), std::move(zeros), std::move(minima),
                                         blocks);
}

} // namespace ingot
