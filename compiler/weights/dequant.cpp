// weights.dequant: the integer grid that the file has, kept exactly.
#include "compiler/weights/float16.h"
#include "compiler/weights/grid.h"

#include <cmath>

using namespace llvm;

namespace ingot {
namespace {

using Zero = WeightFormat::Zero;
using Scale = WeightFormat::Scale;

// m = -z * s passed through two roundings (z = -m / s when it was written, the product now): relative 2^-23.
constexpr double minimumTolerance = 0x1.000002p-23;

bool explains(uint16_t half, float minimum) {
  double m = floatFromHalf(half);
  return std::fabs(m - double(minimum)) <= std::fabs(m) * minimumTolerance;
}

// Takes `bits`-bit integers, low bits first, from bytes.
uint8_t unpackBits(const uint8_t *bytes, int64_t index, uint32_t bits) {
  return bits == 8 ? bytes[index] : uint8_t(bytes[index / 2] >> (index % 2 * 4) & 15);
}

class Dequant final : public GridTensor {
public:
  Dequant(TensorRef quants, TensorRef scales, TensorRef zeros, ArrayRef<int64_t> shape, GridFormat format,
          bool quantsPacked, bool zerosPacked, bool minimaGiven)
      : GridTensor(shape, format), quants(std::move(quants)), scales(std::move(scales)), zeros(std::move(zeros)),
        quantsPacked(quantsPacked), zerosPacked(zerosPacked), minimaGiven(minimaGiven) {}

  Error readGrid(int64_t row, int64_t rows, GridRows &out) const override {
    out.resize(format, rows, cols());
    if (Error error = readCodes(row, rows, out.codes)) return error;
    if (Error error = readFloats(*scales, Box::rows(scales->shape, row, rows), out.scales.data())) return error;
    if (format.zero == Zero::zero_point) return readZeroPoints(row, rows, out.zeros);
    return format.zero == Zero::minimum ? readMinima(row, rows, out) : checkScales(out.scales);
  }

  Expected<Scale> scaleType() const override {
    int64_t step = std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(1, blocks()));
    for (int64_t row = 0; row < shape[0]; row += step) {
      int64_t rows = std::min(step, shape[0] - row);
      std::vector<float> values(size_t(rows * blocks())), factors(values.size());
      if (Error error = readFloats(*scales, Box::rows(scales->shape, row, rows), values.data())) return error;
      if (!all_of(values, isHalf)) return Scale::f32;
      if (format.zero != Zero::minimum) continue;
      if (Error error = readFloats(*zeros, Box::rows(zeros->shape, row, rows), factors.data())) return error;
      for (size_t i = 0; i < values.size(); ++i)
        if (!fitsHalf(minimaGiven ? factors[i] : -factors[i] * values[i])) return Scale::f32;
    }
    return Scale::f16;
  }

private:
  bool fitsHalf(float m) const { return minimaGiven ? isHalf(m) : explains(halfFromFloat(m), m); }

  Error readCodes(int64_t row, int64_t rows, std::vector<uint8_t> &out) const {
    if (!quantsPacked) return readIntegers(*quants, row, rows, out);
    int64_t pitch = quants->shape[1];
    ByteBuffer bytes = allocate(Element::u8, rows * pitch);
    if (Error error = quants->read(Box::rows(quants->shape, row, rows), bytes.get())) return error;
    int64_t blockBytes = (format.block * format.bits + 7) / 8;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t b = 0; b < blocks(); ++b) {
        const uint8_t *from = bytes.get() + r * pitch + b * blockBytes;
        uint8_t *to = out.data() + r * cols() + b * format.block;
        int64_t count = std::min(format.block, cols() - b * format.block);
        for (int64_t k = 0; k < count; ++k) to[k] = unpackBits(from, k, format.bits);
      }
    return Error::success();
  }

  Error readZeroPoints(int64_t row, int64_t rows, std::vector<uint8_t> &out) const {
    if (!zerosPacked) return readIntegers(*zeros, row, rows, out);
    int64_t pitch = zeros->shape[1];
    ByteBuffer bytes = allocate(Element::u8, rows * pitch);
    if (Error error = zeros->read(Box::rows(zeros->shape, row, rows), bytes.get())) return error;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t b = 0; b < blocks(); ++b)
        out[size_t(r * blocks() + b)] = unpackBits(bytes.get() + r * pitch, b, format.bits);
    return Error::success();
  }

  // One integer a byte; signed ones are moved to [0, 2^bits).
  Error readIntegers(const Tensor &tensor, int64_t row, int64_t rows, std::vector<uint8_t> &out) const {
    if (Error error = tensor.read(Box::rows(tensor.shape, row, rows), out.data())) return error;
    uint8_t bias = tensor.element == Element::i8 ? uint8_t(1u << (format.bits - 1)) : 0;
    unsigned used = 0;
    for (uint8_t &value : out) used |= (value = uint8_t(value + bias));
    if (used >> format.bits)
      return createStringError("an integer of a %u-bit weight does not fit %u bits", format.bits, format.bits);
    return Error::success();
  }

  Error readMinima(int64_t row, int64_t rows, GridRows &out) const {
    if (Error error = readFloats(*zeros, Box::rows(zeros->shape, row, rows), out.minima.data())) return error;
    for (size_t i = 0; i < out.minima.size(); ++i) {
      float &m = out.minima[i];
      if (!minimaGiven) m = -m * out.scales[i];
      if (format.scale == Scale::f32) continue;
      if (!fitsHalf(m)) return createStringError("a minimum of an f16 grid is not an f16");
      m = floatFromHalf(halfFromFloat(m));
    }
    return checkScales(out.scales);
  }

  Error checkScales(ArrayRef<float> values) const {
    if (format.scale == Scale::f16 && !all_of(values, isHalf))
      return createStringError("a scale of an f16 grid is not an f16");
    return Error::success();
  }

  TensorRef quants; // packed [N, bytes a row] u8, else [N, K]
  TensorRef scales; // [N, blocks]
  TensorRef zeros;  // null, packed [N, bytes a row] u8, else [N, blocks]
  bool quantsPacked, zerosPacked, minimaGiven;
};

TensorRef asRows(TensorRef tensor, int64_t rows) {
  int64_t shape[] = {rows, rows ? elementCount(tensor->shape) / rows : 0};
  return ArrayRef<int64_t>(tensor->shape) == ArrayRef<int64_t>(shape) ? tensor : makeReshape(std::move(tensor), shape);
}

} // namespace

TensorRef makeDequant(TensorRef quants, TensorRef scales, TensorRef zeros, ArrayRef<int64_t> shape, GridFormat format,
                      bool minima) {
  bool quantsPacked = quants->shape.size() == 3 || quants->shape[1] != shape[1];
  quants = asRows(std::move(quants), shape[0]);
  scales = asRows(std::move(scales), shape[0]);
  if (zeros) zeros = asRows(std::move(zeros), shape[0]);
  int64_t blocks = (shape[1] + format.block - 1) / format.block;
  bool zerosPacked = zeros && zeros->element == Element::u8 && zeros->shape[1] == (blocks * format.bits + 7) / 8;
  return std::make_shared<Dequant>(std::move(quants), std::move(scales), std::move(zeros), shape, format, quantsPacked,
                                   zerosPacked, minima);
}

} // namespace ingot
