// Holds results against expected ones.
#include "test/cuda/pack.h"
#include <cmath>
#include <cstdio>
#include <cstring>

namespace ingot::conformance {
namespace {

double scaled(uint64_t bits, int exponent_bits, int mantissa_bits) {
  uint64_t mantissa = bits & ((uint64_t(1) << mantissa_bits) - 1);
  int field = int(bits >> mantissa_bits & ((1u << exponent_bits) - 1)), bias = (1 << (exponent_bits - 1)) - 1;
  double sign = bits >> (exponent_bits + mantissa_bits) & 1 ? -1 : 1;
  if (field == (1 << exponent_bits) - 1) return mantissa ? NAN : sign * INFINITY;
  if (!field) return sign * std::ldexp(double(mantissa), 1 - bias - mantissa_bits);
  return sign * std::ldexp(double(mantissa | uint64_t(1) << mantissa_bits), field - bias - mantissa_bits);
}

double number(Comparison::Kind kind, uint64_t bits) {
  switch (kind) {
  case Comparison::f16:
    return scaled(bits, 5, 10);
  case Comparison::bf16:
    return scaled(bits, 8, 7);
  case Comparison::f32:
    return scaled(bits, 8, 23);
  case Comparison::f64:
    return scaled(bits, 11, 52);
  case Comparison::bits:
    break;
  }
  return 0;
}

bool agree(const Comparison &comparison, uint64_t got, uint64_t expected) {
  if (got == expected) return true;
  if (comparison.kind == Comparison::bits) return false;
  double x = number(comparison.kind, got), y = number(comparison.kind, expected);
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
  bool exact = comparison.relative == 0 && comparison.absolute == 0;
  if (exact) return false; // the sign of zero included
  if (std::isinf(x) || std::isinf(y)) return x == y;
  return std::fabs(x - y) <= comparison.absolute + comparison.relative * std::fabs(y);
}

} // namespace

size_t Comparison::width() const { return kind == bits ? 1 : kind == f32 ? 4 : kind == f64 ? 8 : 2; }

std::string difference(const Comparison &comparison, const Bytes &got, const Bytes &expected) {
  if (got.size() != expected.size()) return "another number of bytes";
  size_t width = comparison.width();
  for (size_t i = 0; i < got.size(); i += width) {
    uint64_t x = 0, y = 0;
    memcpy(&x, &got[i], width), memcpy(&y, &expected[i], width);
    if (agree(comparison, x, y)) continue;
    char text[160];
    if (comparison.kind == Comparison::bits) { // shown as the word it lies in
      size_t first = i & ~size_t(3), count = got.size() - first < 4 ? got.size() - first : 4;
      memcpy(&x, &got[first], count), memcpy(&y, &expected[first], count);
      snprintf(text, sizeof text, "word %zu: 0x%08llx, expected 0x%08llx", first / 4, (unsigned long long)x,
               (unsigned long long)y);
    } else {
      snprintf(text, sizeof text, "element %zu: %.9g (0x%llx), expected %.9g (0x%llx)", i / width,
               number(comparison.kind, x), (unsigned long long)x, number(comparison.kind, y), (unsigned long long)y);
    }
    return text;
  }
  return {};
}

} // namespace ingot::conformance
