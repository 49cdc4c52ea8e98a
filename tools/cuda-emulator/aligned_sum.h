// Sums of products as tensor cores make them. Not in the ISA, which leaves them open, but measured: some products and
// the sum so far are aligned to the largest exponent among them, cut off a few bits below an f32's last, added exactly,
// and the result is cut to f32. Exponents are those of the factors as they stand: a subnormal one is not normalised
// first. (M. Fasi et al., "Numerical behavior of NVIDIA tensor cores", 2021; F. Khattak, M. Mikaitis, "Accurate models
// of NVIDIA tensor cores", 2025: A100 8 products and 1 more bit, H100 16 and 2.)
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace ingot::emulator {

struct AlignedSum {
  int products;       // added at once
  int least_exponent; // of the factors' format

  int more_bits() const { return products >= 16 ? 2 : 1; }
  int exponent(float v) const { return std::max(std::ilogb(v), least_exponent); }

  // c + a[0] * b[0] + ...; `b` is `stride` floats apart. All numbers are finite.
  float add(float c, const float *a, const float *b, int stride) const {
    int largest = c != 0 ? std::max(std::ilogb(c), -126) : INT32_MIN;
    for (int k = 0; k < products; ++k)
      if (a[k] != 0 && b[k * stride] != 0) largest = std::max(largest, exponent(a[k]) + exponent(b[k * stride]));
    if (largest == INT32_MIN) return c;
    double unit = std::ldexp(1.0, largest - 23 - more_bits());
    int64_t sum = int64_t(double(c) / unit); // cut towards zero
    for (int k = 0; k < products; ++k) sum += int64_t(double(a[k]) * double(b[k * stride]) / unit);
    double exact = double(sum) * unit;
    float cut = float(exact);
    return std::fabs(double(cut)) > std::fabs(exact) ? std::nextafter(cut, 0.0f) : cut;
  }
};

} // namespace ingot::emulator
