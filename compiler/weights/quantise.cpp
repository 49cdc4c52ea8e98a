// weights.quantise: round to nearest (RTN), one scale a block.
//   int8: s = amax / 127, q = clamp(rne(x / s), -127, 127)
//   int4: s = (the signed value of largest magnitude) / -8, q = clamp(rne(x / s), -8, 7): the extreme value is exact
// s is rounded to the grid's scale type before the division; s = 0 gives q = 0.
#include "compiler/weights/float16.h"
#include "compiler/weights/grid.h"

#include <algorithm>
#include <cmath>

using namespace llvm;

namespace ingot {
namespace {

using Scale = WeightFormat::Scale;

// The value of largest magnitude, the first of equals. NaN or infinity when the block holds one.
float extreme(const float *x, int64_t count) {
  float largest = 0, most = 0, least = 0;
  bool finite = true;
  for (int64_t i = 0; i < count; ++i) {
    most = std::max(most, x[i]);
    least = std::min(least, x[i]);
    finite &= std::fabs(x[i]) <= 0x1.fffffep127f;
  }
  if (!finite) return INFINITY;
  largest = std::max(most, -least);
  for (int64_t i = 0; i < count; ++i)
    if (std::fabs(x[i]) == largest) return x[i];
  return 0;
}

void roundBlock(const float *x, int64_t count, float scale, float least, float most, uint8_t offset, uint8_t *codes) {
  constexpr float magic = 0x1.8p23f; // adding it rounds to an integer, ties to even
  for (int64_t i = 0; i < count; ++i) {
    float q = std::min(std::max(x[i] / scale, least), most);
    codes[i] = uint8_t(int32_t((q + magic) - magic) + offset);
  }
}

class Quantise final : public GridTensor {
public:
  Quantise(TensorRef input, GridFormat format) : GridTensor(input->shape, format), input(std::move(input)) {}

  Error readGrid(int64_t row, int64_t rows, GridRows &out) const override {
    out.resize(format, rows, cols());
    auto values = std::make_unique_for_overwrite<float[]>(out.codes.size());
    if (Error error = readFloats(*input, Box::rows(shape, row, rows), values.get())) return error;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t b = 0; b < blocks(); ++b) {
        int64_t at = r * cols() + b * format.block, count = std::min(format.block, cols() - b * format.block);
        float &scale = out.scales[size_t(r * blocks() + b)];
        if (!roundOnto(values.get() + at, count, scale, out.codes.data() + at))
          return createStringError("row %lld holds a value that is not finite or too large for an f16 scale; "
                                   "it cannot be quantised",
                                   (long long)(row + r));
      }
    return Error::success();
  }

  Expected<Scale> scaleType() const override { return format.scale; }

private:
  bool roundOnto(const float *x, int64_t count, float &scale, uint8_t *codes) const {
    float value = extreme(x, count);
    scale = format.bits == 8 ? std::fabs(value) / 127.0f : value / -8.0f;
    if (format.scale == Scale::f16) scale = floatFromHalf(halfFromFloat(scale));
    if (!std::isfinite(scale)) return false;
    uint8_t offset = uint8_t(1u << (format.bits - 1));
    float least = format.bits == 8 ? -127.0f : -8.0f, most = format.bits == 8 ? 127.0f : 7.0f;
    if (scale == 0)
      std::fill(codes, codes + count, offset);
    else
      roundBlock(x, count, scale, least, most, offset, codes);
    return true;
  }

  TensorRef input;
};

} // namespace

TensorRef makeQuantise(TensorRef input, GridFormat format) {
  return std::make_shared<Quantise>(std::move(input), format);
}

} // namespace ingot
