// pow, softplus and the rarer functions, in double precision inside and rounded once: what MathFunctions.h is for the
// frequent ones, over the same abstract arithmetic.
//
// Besides, `A` has a type D (f64) with d(double), wide(F) -> D, narrow(D) -> F (nearest even), the same add, sub, mul,
// div, fma, less, select, sqrt on D, and floor(F).
//
// Invariant: only IEEE operations and integer operations on f32 bits, so that lanes and scalars give the same bits.
// log: m in [sqrt(1/2), sqrt(2)), s = (m - 1) / (m + 1), log m = 2 s (1 + s^2/3 + s^4/5 + ...) within 2^-40. exp: |r|
// <= ln 2 / 2, Taylor to r^10 within 2^-40. atan: two reductions to |t| <= tan(pi/8), Taylor to t^21 within 2^-29.
#pragma once
#include "compiler/kernels/cpu/MathFunctions.h"

namespace ingot::math {

inline constexpr double ln2 = 0x1.62e42fefa39efp-1, halfPi = 0x1.921fb54442d18p+0, quarterPi = 0x1.921fb54442d18p-1;

template <class A, int N> typename A::D widePolynomial(A &a, typename A::D x, const double (&c)[N]) {
  auto sum = a.d(c[N - 1]);
  for (int i = N - 2; i >= 0; --i) sum = a.fma(sum, x, a.d(c[i]));
  return sum;
}

// log of a positive finite value of f32's range.
template <class A> typename A::D wideLog(A &a, typename A::D x) {
  constexpr double p[] = {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15};
  auto tiny = a.less(a.narrow(x), a.f(0x1p-126f));
  x = a.select(tiny, a.mul(x, a.d(0x1p64)), x);
  auto e = a.isra(a.isub(a.bits(a.narrow(x)), a.i(0x3f3504f3)), 23), half = a.isra(e, 1); // sqrt(1/2)
  auto inverse = [&](auto k) { return a.wide(a.asFloat(a.ishl(a.isub(a.i(127), k), 23))); };
  auto f = a.sub(a.mul(a.mul(x, inverse(half)), inverse(a.isub(e, half))), a.d(1));
  auto s = a.div(f, a.add(f, a.d(2)));
  auto exponent = a.wide(a.sub(a.asFloat(a.iadd(e, a.i(roundMagicBits))), a.f(roundMagic)));
  exponent = a.select(tiny, a.sub(exponent, a.d(64)), exponent);
  auto mantissa = a.mul(a.add(s, s), widePolynomial(a, a.mul(s, s), p));
  return a.fma(exponent, a.d(ln2), mantissa);
}

// e^t; beyond what f32 holds it is as good as 0 or infinity after narrow().
template <class A> typename A::D wideExp(A &a, typename A::D t) {
  constexpr double p[] = {1.0,       1.0,        1.0 / 2,     1.0 / 6,      1.0 / 24,     1.0 / 120,
                          1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800};
  t = a.select(a.less(t, a.d(-110)), a.d(-110), t);
  t = a.select(a.less(a.d(95), t), a.d(95), t);
  auto shifted = a.add(a.narrow(a.mul(t, a.d(0x1.71547652b82fep+0))), a.f(roundMagic));
  auto r = a.fma(a.wide(a.sub(shifted, a.f(roundMagic))), a.d(-ln2), t);
  auto n = a.isub(a.bits(shifted), a.i(roundMagicBits)), half = a.isra(n, 1);
  auto factor = [&](auto k) { return a.wide(a.asFloat(a.ishl(a.iadd(k, a.i(127)), 23))); };
  return a.mul(a.mul(widePolynomial(a, r, p), factor(half)), factor(a.isub(n, half)));
}

// C's powf: 1 for y = 0 and x = 1; a negative base wants an integer exponent, else NaN.
template <class A> typename A::F pow(A &a, typename A::F x, typename A::F y) {
  auto zero = a.f(0), one = a.f(1), infinity = a.f(__builtin_inff());
  auto equal = [&](auto p, auto q, auto yes, auto no) { // p == q ? yes : no, of ordered p, q
    return a.select(a.less(p, q), no, a.select(a.less(q, p), no, yes));
  };
  auto magnitude = a.abs(x),
       clamped = a.select(a.less(magnitude, a.f(0x1.fffffep127f)), magnitude, a.f(0x1.fffffep127f));
  auto t = a.mul(a.wide(y), wideLog(a, a.wide(clamped)));
  auto result = a.narrow(wideExp(a, t));
  auto ofInfinity = a.select(a.less(y, zero), zero, infinity), ofZero = a.select(a.less(y, zero), infinity, zero);
  result = equal(magnitude, infinity, ofInfinity, result);
  result = equal(magnitude, zero, ofZero, result);
  auto half = a.mul(y, a.f(0.5f)), nan = a.f(__builtin_nanf(""));
  auto negated = a.sub(zero, result);
  auto signedResult = equal(a.floor(half), half, result, negated); // even or odd
  auto isInfinite = [&](auto yes, auto no) { return equal(a.abs(y), infinity, yes, no); };
  signedResult = isInfinite(result, equal(a.floor(y), y, signedResult, equal(magnitude, zero, result, nan)));
  result = a.select(a.less(x, zero), signedResult, result);
  result = isInfinite(equal(magnitude, one, one, result), result);
  result = a.select(a.less(x, infinity), result, a.select(a.less(a.f(0x1.fffffep127f), x), result, nan)); // NaN base
  result = a.select(a.less(a.abs(y), infinity), result, a.select(a.less(a.f(0x1.fffffep127f), a.abs(y)), result, nan));
  // 1 even with NaN on the other side: `ordered and equal` wants both orders to fail and the value to be ordered.
  auto exactly = [&](auto p, float value, auto yes, auto no) {
    auto inside = a.select(a.less(p, a.f(value + 1)), yes, no); // false with NaN
    return equal(p, a.f(value), inside, no);
  };
  return exactly(y, 0.0f, one, exactly(x, 1.0f, one, result));
}

// log(1 + e^x) = max(x, 0) + log(1 + u), u = e^-|x| <= 1: the series of wideLog with s = u / (2 + u) <= 1/3, within
// 2^-29.
template <class A> typename A::F softplus(A &a, typename A::F x) {
  constexpr double p[] = {1.0, 1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9, 1.0 / 11, 1.0 / 13, 1.0 / 15};
  auto u = wideExp(a, a.wide(a.sub(a.f(0), a.abs(x)))), s = a.div(u, a.add(u, a.d(2)));
  auto tail = a.mul(a.add(s, s), widePolynomial(a, a.mul(s, s), p));
  return a.narrow(a.add(a.wide(a.select(a.less(x, a.f(0)), a.f(0), x)), tail));
}

template <class A> typename A::F tan(A &a, typename A::F x) {
  auto both = sincos(a, x);
  return a.div(both.sin, both.cos);
}

// atan of a value >= 0 (or NaN).
template <class A> typename A::D wideAtan(A &a, typename A::D x) {
  constexpr double p[] = {1.0,      -1.0 / 3,  1.0 / 5,  -1.0 / 7,  1.0 / 9, -1.0 / 11,
                          1.0 / 13, -1.0 / 15, 1.0 / 17, -1.0 / 19, 1.0 / 21};
  auto above = a.less(a.d(1), x);
  auto t = a.select(above, a.div(a.d(1), x), x);
  auto upper = a.less(a.d(0x1.a827999fcef32p-2), t); // tan(pi/8)
  auto u = a.select(upper, a.div(a.sub(t, a.d(1)), a.add(t, a.d(1))), t);
  auto angle = a.mul(u, widePolynomial(a, a.mul(u, u), p));
  angle = a.select(upper, a.add(angle, a.d(quarterPi)), angle);
  return a.select(above, a.sub(a.d(halfPi), angle), angle);
}
template <class A> typename A::F atan(A &a, typename A::F x) {
  return withSign(a, a.narrow(wideAtan(a, a.wide(a.abs(x)))), x);
}
// asin |x| = atan(|x| / sqrt(1 - x^2)); NaN beyond 1
template <class A> typename A::D wideAsin(A &a, typename A::F x) {
  auto m = a.wide(a.abs(x));
  return wideAtan(a, a.div(m, a.sqrt(a.mul(a.sub(a.d(1), m), a.add(a.d(1), m)))));
}
template <class A> typename A::F asin(A &a, typename A::F x) { return withSign(a, a.narrow(wideAsin(a, x)), x); }
template <class A> typename A::F acos(A &a, typename A::F x) {
  auto angle = wideAsin(a, x);
  return a.narrow(a.select(a.less(x, a.f(0)), a.add(a.d(halfPi), angle), a.sub(a.d(halfPi), angle)));
}

// x + x^3 (c0 + c1 x^2 + ...) below `border`, where the closed form cancels.
template <class A, int N>
typename A::F oddSeries(A &a, typename A::F x, float border, const double (&c)[N], typename A::D beyond) {
  auto m = a.wide(a.abs(x)), square = a.mul(m, m);
  auto series = a.fma(a.mul(m, square), widePolynomial(a, square, c), m);
  return withSign(a, a.narrow(a.select(a.less(a.abs(x), a.f(border)), series, beyond)), x);
}
template <class A> typename A::F sinh(A &a, typename A::F x) {
  constexpr double c[] = {1.0 / 6, 1.0 / 120, 1.0 / 5040, 1.0 / 362880};
  auto up = wideExp(a, a.wide(a.abs(x)));
  return oddSeries(a, x, 0.5f, c, a.mul(a.d(0.5), a.sub(up, a.div(a.d(1), up))));
}
template <class A> typename A::F cosh(A &a, typename A::F x) {
  auto up = wideExp(a, a.wide(a.abs(x)));
  return a.narrow(a.mul(a.d(0.5), a.add(up, a.div(a.d(1), up))));
}
template <class A> typename A::F asinh(A &a, typename A::F x) {
  constexpr double c[] = {-1.0 / 6, 3.0 / 40, -15.0 / 336, 105.0 / 3456};
  auto m = a.wide(a.abs(x)), root = a.sqrt(a.fma(m, m, a.d(1)));
  auto beyond = a.add(wideLog(a, a.mul(a.d(0.5), a.add(m, root))), a.d(ln2));
  return a.select(a.less(a.abs(x), a.f(__builtin_inff())), oddSeries(a, x, 0.125f, c, beyond), x);
}
template <class A> typename A::F acosh(A &a, typename A::F x) {
  auto m = a.wide(x), root = a.sqrt(a.mul(a.sub(m, a.d(1)), a.add(m, a.d(1))));
  auto y = a.narrow(a.add(wideLog(a, a.mul(a.d(0.5), a.add(m, root))), a.d(ln2)));
  y = a.select(a.less(x, a.f(__builtin_inff())), y, x);
  return a.select(a.less(x, a.f(1)), a.f(__builtin_nanf("")), y);
}
template <class A> typename A::F atanh(A &a, typename A::F x) {
  constexpr double c[] = {1.0 / 3, 1.0 / 5, 1.0 / 7, 1.0 / 9};
  auto m = a.wide(a.abs(x));
  auto ratio = a.div(a.add(a.d(1), m), a.sub(a.d(1), m));
  auto y = oddSeries(a, x, 0.125f, c, a.mul(a.d(0.5), wideLog(a, ratio)));
  auto infinite = withSign(a, a.f(__builtin_inff()), x), nan = a.f(__builtin_nanf(""));
  return a.select(a.less(a.abs(x), a.f(1)), y, a.select(a.less(a.f(1), a.abs(x)), nan, infinite));
}

} // namespace ingot::math
