// exp for the sampler: the numerics contract's polynomial, operation for operation the one that generated kernels
// evaluate (compiler/kernels/cpu/MathFunctions.h, math::exp). test/unit/numerics holds the two together bit for bit.
#include "runtime/sample/sampler.h"

#include <algorithm>
#include <bit>

namespace ingot {
namespace {

// Adding it rounds to an integer, ties to even, and leaves that integer in the low bits.
constexpr float round_magic = 0x1.8p23f;
constexpr uint32_t round_magic_bits = 0x4b400000;

float power_of_two(int32_t k) { return std::bit_cast<float>(uint32_t(k + 127) << 23); }

} // namespace

// FMA is in every CPU that Ingot runs on (runtime/base/cpu.h, v3).
__attribute__((target("fma"))) float sampler_exp(float x) {
  constexpr float p[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558b6p-5f, 0x1.1239a2p-7f, 0x1.6a4744p-10f};
  x = std::clamp(x, -105.0f, 90.0f);
  const float shifted = __builtin_fmaf(x, 0x1.715476p+0f, round_magic), n = shifted - round_magic;
  float r = __builtin_fmaf(n, -0x1.62e43p-1f, x);
  r = __builtin_fmaf(n, 0x1.05c61p-29f, r);
  float sum = p[4];
  for (int i = 3; i >= 0; --i) sum = __builtin_fmaf(sum, r, p[i]);
  const float e = __builtin_fmaf(r * r, sum, r) + 1.0f;
  const int32_t power = int32_t(std::bit_cast<uint32_t>(shifted) - round_magic_bits), half = power >> 1;
  return e * power_of_two(half) * power_of_two(power - half);
}

} // namespace ingot
