// Packing and unpacking of row blocks. Slow where nobody waits (unpack), straight loops where the compiler streams.
#include "compiler/weights/layout.h"

#include "compiler/weights/float16.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ingot {

using Type = WeightFormat::Type;
using Zero = WeightFormat::Zero;
using Scale = WeightFormat::Scale;

std::string WeightFormat::name() const {
  static constexpr const char *types[] = {"f32", "f16", "bf16", "int8", "int4"};
  static constexpr const char *zeros[] = {"sym", "zp", "affine"};
  std::string text = types[size_t(type)];
  if (!isInteger()) return text;
  text += std::string(".") + zeros[size_t(zero)] + ".g" + std::to_string(group);
  return scale == Scale::f32 ? text + ".f32" : text;
}

std::optional<uint32_t> layoutGroup(uint64_t block, uint64_t cols) {
  if (block == 16 || block == 32 || block == 64 || block == 128) return uint32_t(block);
  if (block != 0 && (block % 32 == 0 || block >= cols)) return 32;
  if (block != 0 && block % 16 == 0) return 16;
  return std::nullopt;
}

bool isValid(const WeightFormat &f) {
  return f.isInteger() ? f.group == 16 || f.group == 32 || f.group == 64 || f.group == 128 : f.group == 1;
}

std::optional<uint64_t> packedBytes(const WeightFormat &f, uint64_t rows, uint64_t cols) {
  uint64_t block, total;
  if (__builtin_mul_overflow(groupCount(f, cols), uint64_t(groupBytes(f)), &block)) return std::nullopt;
  if (__builtin_mul_overflow(blockCount(rows), block, &total)) return std::nullopt;
  return total;
}

namespace {

uint8_t zeroCode(const WeightFormat &f, uint8_t zeroPoint) {
  if (f.zero == Zero::symmetric) return uint8_t(1u << (f.bits() - 1));
  return f.zero == Zero::zero_point ? zeroPoint : 0;
}

void putInt4(const uint8_t *codes, uint32_t count, uint32_t lane, uint8_t *group) {
  for (uint32_t chunk = 0; chunk < count / 8; ++chunk, codes += 8)
    for (uint32_t j = 0; j < 4; ++j)
      group[chunk * kChunkBytes + lane * 4 + j] = uint8_t((codes[j] & 15) | codes[j + 4] << 4);
}

void putInt8(const uint8_t *codes, uint32_t count, uint32_t lane, uint8_t *group) {
  for (uint32_t chunk = 0; chunk < count / 4; ++chunk, codes += 4)
    for (uint32_t j = 0; j < 4; ++j) group[chunk * kChunkBytes + lane * 4 + j] = codes[j] ^ 0x80;
}

bool putScale(const WeightFormat &f, float value, uint8_t *out) {
  if (f.scale == Scale::f32) {
    std::memcpy(out, &value, 4);
    return true;
  }
  uint16_t half = halfFromFloat(value);
  std::memcpy(out, &half, 2);
  return floatFromHalf(half) == value;
}

float getScale(const WeightFormat &f, const uint8_t *from) {
  if (f.scale == Scale::f32) {
    float value;
    std::memcpy(&value, from, 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, from, 2);
  return floatFromHalf(half);
}

// One row's part of one group: codes (padded to the group), scale, zero.
bool putGroup(const WeightFormat &f, const uint8_t *codes, uint32_t count, float scale, uint8_t zero, float minimum,
              uint32_t lane, uint8_t *group) {
  uint8_t padded[128];
  if (count < f.group) {
    std::memset(padded, zeroCode(f, zero), f.group);
    if (count) std::memcpy(padded, codes, count);
    codes = padded;
  }
  if (f.type == Type::int4)
    putInt4(codes, f.group, lane, group);
  else
    putInt8(codes, f.group, lane, group);
  bool exact = putScale(f, scale, group + scaleOffset(f) + lane * scaleElementBytes(f));
  if (f.zero == Zero::zero_point) group[zeroOffset(f) + lane] = zero;
  if (f.zero == Zero::minimum) exact &= putScale(f, minimum, group + zeroOffset(f) + lane * scaleElementBytes(f));
  return exact;
}

template <typename Element> void interleaveRows(uint32_t rows, uint64_t cols, const uint8_t *values, uint8_t *out) {
  Element element;
  for (uint32_t lane = 0; lane < kBlockRows; ++lane)
    for (uint64_t k = 0; k < cols; ++k) {
      element = 0;
      if (lane < rows) std::memcpy(&element, values + (lane * cols + k) * sizeof(Element), sizeof(Element));
      std::memcpy(out + (k * kBlockRows + lane) * sizeof(Element), &element, sizeof(Element));
    }
}

} // namespace

bool packIntegerBlock(const WeightFormat &f, uint32_t rows, uint64_t cols, const GridView &grid, uint8_t *out) {
  uint64_t groups = groupCount(f, cols);
  bool exact = true;
  for (uint64_t g = 0; g < groups; ++g, out += groupBytes(f)) {
    uint32_t count = uint32_t(std::min<uint64_t>(f.group, cols - g * f.group));
    for (uint32_t lane = 0; lane < kBlockRows; ++lane) {
      if (lane >= rows) {
        exact &= putGroup(f, nullptr, 0, 0, 0, 0, lane, out);
        continue;
      }
      uint64_t index = lane * groups + g;
      exact &= putGroup(f, grid.codes + lane * cols + g * f.group, count, grid.scales[index],
                        f.zero == Zero::zero_point ? grid.zeros[index] : 0,
                        f.zero == Zero::minimum ? grid.minima[index] : 0, lane, out);
    }
  }
  return exact;
}

void packFloatBlock(const WeightFormat &f, uint32_t rows, uint64_t cols, const uint8_t *values, uint8_t *out) {
  if (f.type == Type::f32)
    interleaveRows<uint32_t>(rows, cols, values, out);
  else
    interleaveRows<uint16_t>(rows, cols, values, out);
}

uint32_t unpackCode(const WeightFormat &f, const uint8_t *block, uint32_t lane, uint64_t k) {
  ElementPosition at = elementPosition(f, lane, uint32_t(k % f.group));
  uint8_t byte = block[k / f.group * groupBytes(f) + at.byte];
  return f.type == Type::int4 ? byte >> at.shift & 15 : byte ^ 0x80;
}

float unpackScale(const WeightFormat &f, const uint8_t *block, uint32_t lane, uint64_t group) {
  return getScale(f, block + group * groupBytes(f) + scaleOffset(f) + lane * scaleElementBytes(f));
}

float unpackZero(const WeightFormat &f, const uint8_t *block, uint32_t lane, uint64_t group) {
  if (f.zero == Zero::symmetric) return float(1u << (f.bits() - 1));
  const uint8_t *zeros = block + group * groupBytes(f) + zeroOffset(f);
  return f.zero == Zero::zero_point ? float(zeros[lane]) : getScale(f, zeros + lane * scaleElementBytes(f));
}

void unpackRow(const WeightFormat &f, const uint8_t *block, uint32_t lane, uint64_t cols, float *out) {
  for (uint64_t k = 0; k < cols; ++k) {
    if (!f.isInteger()) {
      const uint8_t *from = block + k * groupBytes(f) + elementPosition(f, lane, 0).byte;
      uint16_t half;
      std::memcpy(&half, from, 2);
      if (f.type == Type::f32)
        std::memcpy(out + k, from, 4);
      else
        out[k] = f.type == Type::f16 ? floatFromHalf(half) : floatFromBfloat(half);
      continue;
    }
    uint64_t group = k / f.group;
    float code = float(unpackCode(f, block, lane, k)), scale = unpackScale(f, block, lane, group);
    float zero = unpackZero(f, block, lane, group);
    out[k] = f.zero == Zero::minimum ? std::fma(code, scale, zero) : (code - zero) * scale;
  }
}

} // namespace ingot
