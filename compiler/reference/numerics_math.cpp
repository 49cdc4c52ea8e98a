// Elementary functions of the numerics contract on floats.
#include "compiler/kernels/cpu/MathWide.h"
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
  F floor(F a) { return std::floor(a); }
  I iselect(B c, I a, I b) { return c ? a : b; }
  // MathWide.h
  using D = double;
  D d(double x) { return x; }
  D wide(F x) { return x; }
  F narrow(D x) { return static_cast<F>(x); }
  D add(D a, D b) { return a + b; }
  D sub(D a, D b) { return a - b; }
  D mul(D a, D b) { return a * b; }
  D div(D a, D b) { return a / b; }
  D fma(D a, D b, D c) { return std::fma(a, b, c); }
  D sqrt(D a) { return std::sqrt(a); }
  B less(D a, D b) { return a < b; }
  D select(B c, D a, D b) { return c ? a : b; }
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
float tan(float x) { return math::tan(scalar, x); }
float asin(float x) { return math::asin(scalar, x); }
float acos(float x) { return math::acos(scalar, x); }
float atan(float x) { return math::atan(scalar, x); }
float sinh(float x) { return math::sinh(scalar, x); }
float cosh(float x) { return math::cosh(scalar, x); }
float asinh(float x) { return math::asinh(scalar, x); }
float acosh(float x) { return math::acosh(scalar, x); }
float atanh(float x) { return math::atanh(scalar, x); }
float softplus(float x) { return math::softplus(scalar, x); }
float pow(float x, float y) { return math::pow(scalar, x, y); }
float roundToHalf(float x) { return static_cast<float>(static_cast<_Float16>(x)); }

} // namespace ingot::numerics
