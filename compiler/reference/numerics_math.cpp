// Elementary functions of the numerics contract on floats.
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/reference/numerics.h"

#include <bit>
#include <cmath>

namespace ingot::numerics {
namespace {

// MathFunctions.h's abstract arithmetic, on one float.
struct Scalar {
  using F = float;
  using I = uint32_t; // wraps
  using B = bool;
  F f(float x) { return x; }
  I i(int32_t x) { return static_cast<I>(x); }
  F add(F a, F b) { return a + b; }
  F sub(F a, F b) { return a - b; }
  F mul(F a, F b) { return a * b; }
  F div(F a, F b) { return a / b; }
  F fma(F a, F b, F c) { return std::fma(a, b, c); }
  F abs(F a) { return asFloat(bits(a) & 0x7fffffff); }
  I bits(F a) { return std::bit_cast<I>(a); }
  F asFloat(I a) { return std::bit_cast<F>(a); }
  I iadd(I a, I b) { return a + b; }
  I isub(I a, I b) { return a - b; }
  I iand(I a, I b) { return a & b; }
  I ior(I a, I b) { return a | b; }
  I ixor(I a, I b) { return a ^ b; }
  I ishl(I a, int n) { return a << n; }
  I isra(I a, int n) { return static_cast<I>(static_cast<int32_t>(a) >> n); }
  B less(F a, F b) { return a < b; }
  B isZero(I a) { return a == 0; }
  F select(B c, F a, F b) { return c ? a : b; }
  I iselect(B c, I a, I b) { return c ? a : b; }
};

} // namespace

static Scalar scalar;

float exp(float x) { return math::exp(scalar, x); }
float log(float x) { return math::log(scalar, x); }
float tanh(float x) { return math::tanh(scalar, x); }
float sin(float x) { return math::sincos(scalar, x).sin; }
float cos(float x) { return math::sincos(scalar, x).cos; }
float erf(float x) { return math::erf(scalar, x); }
float sigmoid(float x) { return math::sigmoid(scalar, x); }
float silu(float x) { return math::silu(scalar, x); }
float gelu(float x) { return math::gelu(scalar, x); }
float geluTanh(float x) { return math::geluTanh(scalar, x); }
float quickGelu(float x) { return math::quickGelu(scalar, x); }
float relu(float x) { return math::relu(scalar, x); }
float reluSquared(float x) { return math::reluSquared(scalar, x); }
float softcap(float x, float cap) { return math::softcap(scalar, x, cap); }
float roundToHalf(float x) { return static_cast<float>(static_cast<_Float16>(x)); }

} // namespace ingot::numerics
