// exp, log, tanh, sin, cos, erf and the activations made of them, each written once over an abstract arithmetic `A`:
// the scalar reference instantiates them with float, the code generator with vectors of MLIR values, so the order of
// operations, and with it every bit, is the same.
//
// Invariants
//  1. Only IEEE add, sub, mul, div, fma and integer operations; every one rounds to nearest even (MXCSR 0x1F80).
//  2. Rounding to an integer is an addition of 1.5 * 2^23, never a conversion: NaN stays defined behaviour.
//  3. Bounds, held by test/unit/numerics: exp, log 1 ulp; tanh 2; sin, cos 2 ulp of 1 for |x| <= 2^21 (NaN beyond);
//  erf 2.
//
// `A` has types F (f32), I (i32), B (truth), and: f(float), i(int32_t), add, sub, mul, div, fma(a, b, c) = a * b + c,
// abs, bits(F) -> I, asFloat(I) -> F, iadd, isub, iand, ior, ixor, ishl(I, int), isra(I, int) (arithmetic shift),
// less(F, F) -> B (false with NaN), isZero(I) -> B, select(B, F, F), iselect(B, I, I).
//
// Reductions follow Cody & Waite, "Software Manual for the Elementary Functions" (1980); the splitting of erf at
// |x| = 0.96 with log(erfc) beyond is N. Juffa's. Coefficients are our own minimax fits (Lawson's iteration), rounded
// to f32 from the lowest power up; the error named is the relative error of the result before rounding of operations.
#pragma once
#include <cstdint>

namespace ingot::math {

inline constexpr float roundMagic =
    0x1.8p23f; // x + roundMagic holds the integer nearest to x in its low bits, |x| < 2^22
inline constexpr int32_t roundMagicBits = 0x4b400000;

// c[0] + c[1] x + ... by Horner's rule, one fma a coefficient.
template <class A, int N> typename A::F polynomial(A &a, typename A::F x, const float (&c)[N]) {
  auto sum = a.f(c[N - 1]);
  for (int i = N - 2; i >= 0; --i) sum = a.fma(sum, x, a.f(c[i]));
  return sum;
}

// e^x = 2^n e^r, n = rne(x / ln 2), |r| <= ln 2 / 2; e^r = 1 + (r + r^2 P(r)) within 2^-28. n * ln2High is exact inside
// the fma, so two parts of ln 2 serve. 2^n is applied in two exact factors: subnormals round once, overflow gives
// infinity.
template <class A> typename A::F exp(A &a, typename A::F x) {
  constexpr float p[] = {0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558b6p-5f, 0x1.1239a2p-7f, 0x1.6a4744p-10f};
  x = a.select(a.less(x, a.f(-105.0f)), a.f(-105.0f), x);
  x = a.select(a.less(a.f(90.0f), x), a.f(90.0f), x);
  auto shifted = a.fma(x, a.f(0x1.715476p+0f), a.f(roundMagic));
  auto n = a.sub(shifted, a.f(roundMagic));
  auto r = a.fma(n, a.f(-0x1.62e43p-1f), x);
  r = a.fma(n, a.f(0x1.05c61p-29f), r);
  auto e = a.add(a.fma(a.mul(r, r), polynomial(a, r, p), r), a.f(1.0f));
  auto power = a.isub(a.bits(shifted), a.i(roundMagicBits));
  auto half = a.isra(power, 1);
  auto factor = [&](auto k) { return a.asFloat(a.ishl(a.iadd(k, a.i(127)), 23)); };
  return a.mul(a.mul(e, factor(half)), factor(a.isub(power, half)));
}

// x = 2^e m, m in [sqrt(1/2), sqrt(2)); log m = f - f^2/2 + f^3 P(f) with f = m - 1, within 2^-30. log(0) = -inf,
// negative: NaN.
template <class A> typename A::F log(A &a, typename A::F x) {
  constexpr float p[] = {0x1.555548p-2f,  -0x1.000006p-2f, 0x1.99a47ep-3f, -0x1.555c52p-3f, 0x1.233aaap-3f,
                         -0x1.fc249ap-4f, 0x1.e6cdb6p-4f,  -0x1.de26cp-4f, 0x1.147f94p-4f};
  auto small = a.less(x, a.f(0x1p-126f));
  auto scaled = a.select(small, a.mul(x, a.f(0x1p23f)), x);
  auto offset = a.isub(a.bits(scaled), a.i(0x3f3504f3)); // sqrt(1/2)
  auto e = a.isra(offset, 23);
  auto m = a.asFloat(a.iadd(a.iand(offset, a.i(0x7fffff)), a.i(0x3f3504f3)));
  auto exponent = a.sub(a.asFloat(a.iadd(e, a.i(roundMagicBits))), a.f(roundMagic));
  exponent = a.select(small, a.sub(exponent, a.f(23.0f)), exponent);
  auto f = a.sub(m, a.f(1.0f)), square = a.mul(f, f);
  auto tail = a.fma(a.mul(f, square), polynomial(a, f, p), a.mul(exponent, a.f(-0x1.05c61p-29f)));
  tail = a.fma(square, a.f(-0.5f), tail);
  auto result = a.fma(exponent, a.f(0x1.62e43p-1f), a.add(f, tail));
  result = a.select(a.less(x, a.f(__builtin_inff())), result, x); // +inf, NaN
  result = a.select(a.less(x, a.f(0.0f)), a.f(__builtin_nanf("")), result);
  return a.select(a.isZero(a.ishl(a.bits(x), 1)), a.f(-__builtin_inff()), result);
}

// x's sign bit put on a value that has none.
template <class A> typename A::F withSign(A &a, typename A::F magnitude, typename A::F x) {
  return a.asFloat(a.ior(a.bits(magnitude), a.iand(a.bits(x), a.i(INT32_MIN))));
}

// |x| < 0.625: x + x^3 P(x^2) within 2^-28; else 1 - 2 / (e^(2|x|) + 1) with x's sign.
template <class A> typename A::F tanh(A &a, typename A::F x) {
  constexpr float p[] = {-0x1.555532p-2f, 0x1.1106fep-3f, -0x1.b8376cp-5f, 0x1.520832p-6f, -0x1.755f9cp-8f};
  auto magnitude = a.abs(x), square = a.mul(x, x);
  auto small = a.fma(a.mul(x, square), polynomial(a, square, p), x);
  auto large = a.div(a.f(2.0f), a.add(exp(a, a.add(magnitude, magnitude)), a.f(1.0f)));
  large = withSign(a, a.sub(a.f(1.0f), large), x);
  return a.select(a.less(magnitude, a.f(0.625f)), small, large);
}

template <class F> struct SinCos {
  F sin, cos;
};

// x = n pi/2 + r, pi/2 in three parts (Cody & Waite), |r| <= pi/4; sin r = r + r^3 P, cos r = 1 - r^2/2 + r^4 Q within
// 2^-28.
template <class A> SinCos<typename A::F> sincos(A &a, typename A::F x) {
  constexpr float p[] = {-0x1.555546p-3f, 0x1.110776p-7f, -0x1.9953p-13f};
  constexpr float q[] = {0x1.55554ap-5f, -0x1.6c0c2ap-10f, 0x1.99e904p-16f};
  x = a.select(a.less(a.f(0x1p21f), a.abs(x)), a.f(__builtin_nanf("")), x);
  auto shifted = a.fma(x, a.f(0x1.45f306p-1f), a.f(roundMagic));
  auto n = a.sub(shifted, a.f(roundMagic));
  auto r = a.fma(n, a.f(-0x1.921fb6p+0f), x);
  r = a.fma(n, a.f(0x1.777a5cp-25f), r);
  r = a.fma(n, a.f(0x1.ee59dap-50f), r);
  auto square = a.mul(r, r);
  auto sine = a.fma(a.mul(r, square), polynomial(a, square, p), r);
  auto cosine = a.fma(a.mul(square, square), polynomial(a, square, q), a.fma(square, a.f(-0.5f), a.f(1.0f)));
  auto quadrant = a.bits(shifted); // n modulo 4 in the low two bits
  auto even = a.isZero(a.iand(quadrant, a.i(1)));
  auto flip = [&](auto value, auto turns) { // negated when bit 1 of turns is set
    return a.asFloat(a.ixor(a.bits(value), a.ishl(a.iand(turns, a.i(2)), 30)));
  };
  return {flip(a.select(even, sine, cosine), quadrant), flip(a.select(even, cosine, sine), a.iadd(quadrant, a.i(1)))};
}

// |x| < 0.96: x + x P(x^2); else sign(x) (1 - e^(|x| (Q(|x|) - |x|))) where the exponent is log(erfc|x|), up to 4 (erf
// = 1).
template <class A> typename A::F erf(A &a, typename A::F x) {
  constexpr float p[] = {0x1.06eba8p-3f, -0x1.81274p-2f,  0x1.ce2d64p-4f, -0x1.b80124p-6f,
                         0x1.544b0ap-8f, -0x1.a6184p-11f, 0x1.4faa3ep-14f};
  constexpr float q[] = {-0x1.20f09cp+0f, 0x1.75b303p-2f,  -0x1.b3c33ap-4f, 0x1.876b6cp-6f,
                         -0x1.e54cccp-9f, 0x1.61d83ep-12f, -0x1.a992eap-17f};
  auto magnitude = a.abs(x), square = a.mul(x, x);
  auto small = a.fma(x, polynomial(a, square, p), x);
  auto t = a.select(a.less(a.f(4.0f), magnitude), a.f(4.0f), magnitude);
  auto large = exp(a, a.mul(t, a.sub(polynomial(a, t, q), t)));
  large = withSign(a, a.sub(a.f(1.0f), large), x);
  return a.select(a.less(magnitude, a.f(0.96f)), small, large);
}

// 1 / (1 + e^-x), and x / (1 + e^-x) with a single division.
template <class A> typename A::F sigmoid(A &a, typename A::F x) {
  return a.div(a.f(1.0f), a.add(a.f(1.0f), exp(a, a.sub(a.f(0.0f), x))));
}
template <class A> typename A::F silu(A &a, typename A::F x) {
  return a.div(x, a.add(a.f(1.0f), exp(a, a.sub(a.f(0.0f), x))));
}
template <class A> typename A::F quickGelu(A &a, typename A::F x) {
  return a.div(x, a.add(a.f(1.0f), exp(a, a.mul(x, a.f(-1.702f)))));
}
// x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks & Gimpel, 2016)
template <class A> typename A::F geluTanh(A &a, typename A::F x) {
  auto inner = a.mul(x, a.fma(a.mul(x, x), a.f(0x1.2444f2p-5f), a.f(0x1.988454p-1f)));
  return a.mul(a.mul(x, a.f(0.5f)), a.add(a.f(1.0f), tanh(a, inner)));
}
// x/2 (1 + erf(x / sqrt 2))
template <class A> typename A::F gelu(A &a, typename A::F x) {
  return a.mul(a.mul(x, a.f(0.5f)), a.add(a.f(1.0f), erf(a, a.mul(x, a.f(0x1.6a09e6p-1f)))));
}
template <class A> typename A::F relu(A &a, typename A::F x) { return a.select(a.less(x, a.f(0.0f)), a.f(0.0f), x); }
template <class A> typename A::F reluSquared(A &a, typename A::F x) {
  auto r = relu(a, x);
  return a.mul(r, r);
}
// cap * tanh(x / cap)
template <class A> typename A::F softcap(A &a, typename A::F x, typename A::F cap) {
  return a.mul(cap, tanh(a, a.div(x, cap)));
}

} // namespace ingot::math
