// exp for the sampler: reduction x = n ln 2 + r with n rounded to nearest even and ln 2 in two parts (Cody, Waite 1980;
// the high part has enough trailing zeros that n * high is exact), then Taylor's polynomial on |r| <= ln 2 / 2.
#include "runtime/sample/sampler.h"

#include <bit>

namespace ingot {

double sampler_exp(double x) {
  if (!(x >= -708.0)) return 0.0; // also NaN
  const double to_nearest = 0x1.8p52;
  const double n = (x * 0x1.71547652b82fep0 + to_nearest) - to_nearest;
  double r = x - n * 0x1.62e42feep-1;
  r = r - n * 0x1.a39ef35793c76p-33;
  static constexpr double inverse_factorials[] = {
      1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0,
      1.0 / 5040.0,       1.0 / 720.0,       1.0 / 120.0,      1.0 / 24.0,      1.0 / 6.0,      0.5};
  double p = inverse_factorials[0];
  for (int i = 1; i < 12; ++i) p = p * r + inverse_factorials[i];
  const double value = 1.0 + (r + r * r * p);
  return value * std::bit_cast<double>(uint64_t(1023 + int64_t(n)) << 52);
}

} // namespace ingot
