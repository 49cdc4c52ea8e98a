// Floating-point in the formats and rounding modes of PTX, on a host that has float and double.
#pragma once
#include "lanes.h"
#include <cmath>
#include <immintrin.h>

namespace ingot::emulator {

enum class Round : uint8_t { nearest, zero, down, up, nearest_away };

// Every NaN that a float32 instruction produces is this one (PTX ISA, "Floating-Point Instructions").
inline float canonical(float v) { return std::isnan(v) ? std::bit_cast<float>(0x7fffffffu) : v; }
inline double canonical(double v) { return v; }

inline float flush(float v) {
  uint32_t u = std::bit_cast<uint32_t>(v);
  return std::bit_cast<float>(u & 0x7f800000 ? u : u & 0x80000000);
}
inline double flush(double v) { return v; }

// NaN becomes 0.
inline float saturate(float v) { return v > 0 ? (v < 1 ? v : 1.0f) : 0.0f; }
inline double saturate(double v) { return v > 0 ? (v < 1 ? v : 1.0) : 0.0; }

inline float half_to_float(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, magnitude = uint32_t(h & 0x7fff);
  uint32_t bits = (magnitude << 13) + (uint32_t(127 - 15) << 23);
  if (magnitude >= 0x7c00) bits = magnitude << 13 | 0x7f800000; // infinity and NaN
  // Subnormals: the value is magnitude * 2^-24, exact in float.
  float small = float(int32_t(magnitude)) * 0x1p-24f;
  bits = magnitude < 0x400 ? std::bit_cast<uint32_t>(small) : bits;
  return std::bit_cast<float>(bits | sign);
}
inline float bfloat_to_float(uint16_t b) { return std::bit_cast<float>(uint32_t(b) << 16); }

// A binary format: bits of the stored fraction, exponent bias.
struct Format {
  int fraction, bias;
};
constexpr Format half_format{10, 15}, bfloat_format{7, 127}, float_format{23, 127}, double_format{52, 1023};

// `v` rounded once to the format, as the format's bits. Overflow gives infinity or the largest number, by the mode.
template <class Real> inline uint64_t round_to(Real v, Format f, Round mode) {
  const int exponent_bits = f.bias == 15 ? 5 : f.bias == 127 ? 8 : 11;
  const uint64_t sign = uint64_t(std::signbit(v)) << (f.fraction + exponent_bits);
  const uint64_t infinity = ((uint64_t(1) << exponent_bits) - 1) << f.fraction;
  if (std::isnan(v)) return f.fraction == 52 ? 0x7ff8000000000000 : (infinity | ((uint64_t(1) << f.fraction) - 1));
  if (std::isinf(v)) return sign | infinity;
  Real m = std::fabs(v);
  if (m == 0) return sign;
  int exponent;
  std::frexp(m, &exponent);                                    // m = [0.5, 1) * 2^exponent
  int least = std::max(exponent - 1, 1 - f.bias) - f.fraction; // weight of the last fraction bit
  Real scaled = std::ldexp(m, -least), whole = std::floor(scaled), rest = scaled - whole;
  uint64_t n = uint64_t(whole);
  bool negative = sign != 0, up = false;
  switch (mode) {
  case Round::nearest:
    up = rest > Real(0.5) || (rest == Real(0.5) && (n & 1));
    break;
  case Round::nearest_away:
    up = rest >= Real(0.5);
    break;
  case Round::zero:
    break;
  case Round::down:
    up = negative && rest > 0;
    break;
  case Round::up:
    up = !negative && rest > 0;
    break;
  }
  n += up;
  // n < 2^(fraction+1) carries into the exponent by itself.
  int biased = least + f.fraction + f.bias; // of a normal number
  uint64_t bits = n >> f.fraction ? n + (uint64_t(biased - 1) << f.fraction) : n;
  if (bits >= infinity) {
    bool to_largest = mode == Round::zero || (mode == Round::down && !negative) || (mode == Round::up && negative);
    bits = infinity - to_largest;
  }
  return sign | bits;
}

// Nearest even by integer arithmetic, as the loops over lanes want it.
inline uint16_t float_to_bfloat(float v) {
  uint32_t u = std::bit_cast<uint32_t>(v);
  uint32_t r = (u + 0x7fff + (u >> 16 & 1)) >> 16;
  return uint16_t((u & 0x7fffffff) > 0x7f800000 ? 0x7fff : r);
}
inline uint16_t float_to_half(float v) {
  if (std::isnan(v)) return 0x7fff;
  return uint16_t(_cvtss_sh(v, _MM_FROUND_TO_NEAREST_INT));
}

// The sum a + b of doubles rounded to odd: a later rounding to a narrower format is then as if done once.
inline double add_to_odd(double a, double b) {
  double s = a + b, back = s - a, error = (a - (s - back)) + (b - back);
  uint64_t u = std::bit_cast<uint64_t>(s);
  if (std::isfinite(s) && error != 0 && !(u & 1)) u += (error > 0) == (s > 0) ? 1 : uint64_t(-1);
  return std::bit_cast<double>(u);
}

// Runs `f` under another rounding mode of the host. The barriers keep its arithmetic inside.
template <class F> inline auto in_mode(Round mode, F f) {
  unsigned old = _mm_getcsr();
  unsigned bits = mode == Round::zero   ? _MM_ROUND_TOWARD_ZERO
                  : mode == Round::down ? _MM_ROUND_DOWN
                  : mode == Round::up   ? _MM_ROUND_UP
                                        : _MM_ROUND_NEAREST;
  _mm_setcsr((old & ~_MM_ROUND_MASK) | bits);
  auto result = f();
  _mm_setcsr(old);
  return result;
}
template <class T> inline T opaque(T v) {
  asm volatile("" : "+x"(v));
  return v;
}

} // namespace ingot::emulator
