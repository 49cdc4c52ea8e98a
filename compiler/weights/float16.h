// f16 and bf16 as bits, converted by integer operations and one exact multiply: the same bits on every machine, no
// library calls, loops vectorise. Rounding is to nearest even; NaN stays NaN (quiet).
#pragma once
#include <bit>
#include <cstdint>

namespace ingot {

inline float floatFromHalf(uint16_t half) {
  uint32_t magnitude = uint32_t(half & 0x7fff) << 13;
  // Re-bias the exponent by 127 - 15: exact, and right for subnormals because the multiply normalises them.
  float value = std::bit_cast<float>(magnitude) * 0x1p112f;
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (magnitude >= 0x0f800000) bits = magnitude | 0x7f800000; // infinity, NaN
  return std::bit_cast<float>(bits | uint32_t(half & 0x8000) << 16);
}

inline uint16_t halfFromFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return uint16_t(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return uint16_t(sign | 0x7c00); // rounds to infinity: 65520 and above
  if (magnitude < 0x38800000) {                                // subnormal: let the adder round at 2^-24
    float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return uint16_t(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000));
  }
  uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return uint16_t(sign | ((rounded - 0x38000000) >> 13));
}

inline float floatFromBfloat(uint16_t value) { return std::bit_cast<float>(uint32_t(value) << 16); }

inline uint16_t bfloatFromFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// True when `value` survives a round trip through f16.
inline bool isHalf(float value) {
  return std::bit_cast<uint32_t>(floatFromHalf(halfFromFloat(value))) == std::bit_cast<uint32_t>(value);
}

} // namespace ingot
