// float16 and bfloat16 arithmetic, alone and in pairs. Sums, differences and products are computed in float and rounded
// once more, which is exact rounding for formats of 11 and 8 significant bits; fma goes through double with the sum
// rounded to odd.
#include "assembler.h"
#include "rounding.h"

namespace ingot::emulator {

namespace {

template <class H> inline float widen(H h) {
  if constexpr (std::is_same_v<H, Half>)
    return half_to_float(h.bits);
  else
    return bfloat_to_float(h.bits);
}
template <class H> inline H narrow(float v) {
  if constexpr (std::is_same_v<H, Half>)
    return {float_to_half(v)};
  else
    return {float_to_bfloat(v)};
}
template <class H> inline H narrow(double v) {
  return {uint16_t(round_to(v, std::is_same_v<H, Half> ? half_format : bfloat_format, Round::nearest))};
}
template <class H> inline H flush_half(H h) {
  uint16_t exponent = std::is_same_v<H, Half> ? 0x7c00 : 0x7f80;
  return {uint16_t(h.bits & exponent ? h.bits : h.bits & 0x8000)};
}
template <class H> inline H saturate_half(H h) { return narrow<H>(saturate(widen(h))); }
// Negative results and NaN become zero or the canonical NaN.
template <class H> inline H relu_half(H h) {
  float v = widen(h);
  return std::isnan(v) ? h : v > 0 ? h : H{0};
}

template <class H> H plus(H a, H b) { return narrow<H>(widen(a) + widen(b)); }
template <class H> H minus(H a, H b) { return narrow<H>(widen(a) - widen(b)); }
template <class H> H times(H a, H b) { return narrow<H>(widen(a) * widen(b)); }
template <class H> H multiply_add(H a, H b, H c) {
  return narrow<H>(add_to_odd(double(widen(a)) * double(widen(b)), double(widen(c))));
}
template <class H> H minimum(H a, H b) {
  float x = widen(a), y = widen(b);
  if (std::isnan(x)) return std::isnan(y) ? H{0x7fff} : b;
  return std::isnan(y) || x < y || (x == y && std::signbit(x)) ? a : b;
}
template <class H> H maximum(H a, H b) {
  float x = widen(a), y = widen(b);
  if (std::isnan(x)) return std::isnan(y) ? H{0x7fff} : b;
  return std::isnan(y) || x > y || (x == y && !std::signbit(x)) ? a : b;
}
template <class H> H minimum_nan(H a, H b) {
  return std::isnan(widen(a)) || std::isnan(widen(b)) ? H{0x7fff} : minimum(a, b);
}
template <class H> H maximum_nan(H a, H b) {
  return std::isnan(widen(a)) || std::isnan(widen(b)) ? H{0x7fff} : maximum(a, b);
}
template <class H> H negate(H a) { return {uint16_t(a.bits ^ 0x8000)}; }
template <class H> H absolute(H a) { return {uint16_t(a.bits & 0x7fff)}; }
template <class H> H exp2_approx(H a) { return narrow<H>(std::exp2(widen(a))); }
template <class H> H tanh_approx(H a) { return narrow<H>(std::tanh(widen(a))); }

enum Modifier { plain, ftz, sat, ftz_sat, relu, ftz_relu };
template <class H, auto F, Modifier M, class... A> H modified(A... a) {
  H r = [&] {
    if constexpr (M == ftz || M == ftz_sat || M == ftz_relu)
      return flush_half(F(flush_half(a)...));
    else
      return F(a...);
  }();
  if constexpr (M == sat || M == ftz_sat) r = saturate_half(r);
  if constexpr (M == relu || M == ftz_relu) r = relu_half(r);
  return r;
}
template <class H, auto F, Modifier M> H one(H a) { return modified<H, F, M>(a); }
template <class H, auto F, Modifier M> H two(H a, H b) { return modified<H, F, M>(a, b); }
template <class H, auto F, Modifier M> H three(H a, H b, H c) { return modified<H, F, M>(a, b, c); }

// F on both halves of 32-bit operands.
template <class H> inline H low(uint32_t v) { return {uint16_t(v)}; }
template <class H> inline H high(uint32_t v) { return {uint16_t(v >> 16)}; }
template <class H> inline uint32_t join(H l, H h) { return uint32_t(h.bits) << 16 | l.bits; }
template <class H, auto F> uint32_t one2(uint32_t a) { return join(F(low<H>(a)), F(high<H>(a))); }
template <class H, auto F> uint32_t two2(uint32_t a, uint32_t b) {
  return join(F(low<H>(a), low<H>(b)), F(high<H>(a), high<H>(b)));
}
template <class H, auto F> uint32_t three2(uint32_t a, uint32_t b, uint32_t c) {
  return join(F(low<H>(a), low<H>(b), low<H>(c)), F(high<H>(a), high<H>(b), high<H>(c)));
}

constexpr auto fp = OpClass::floating;

template <class H> std::string type_name() { return std::is_same_v<H, Half> ? "f16" : "bf16"; }

template <class H, auto F, Modifier M> void add_one(Table &t, const std::string &name) {
  add<one<H, F, M>>(t, fp, name + "." + type_name<H>());
  add<one2<H, one<H, F, M>>>(t, fp, name + "." + type_name<H>() + "x2");
}
template <class H, auto F, Modifier M> void add_two(Table &t, const std::string &name) {
  add<two<H, F, M>>(t, fp, name + "." + type_name<H>());
  add<two2<H, two<H, F, M>>>(t, fp, name + "." + type_name<H>() + "x2");
}
template <class H, auto F, Modifier M> void add_three(Table &t, const std::string &name) {
  add<three<H, F, M>>(t, fp, name + "." + type_name<H>());
  add<three2<H, three<H, F, M>>>(t, fp, name + "." + type_name<H>() + "x2");
}

template <class H> void add_type(Table &t) {
  for (const char *rounding : {"", ".rn"}) {
    auto arithmetic = [&]<auto F>(const char *name) {
      add_two<H, F, plain>(t, std::string(name) + rounding);
      if constexpr (std::is_same_v<H, Half>) {
        add_two<H, F, ftz>(t, std::string(name) + rounding + ".ftz");
        add_two<H, F, sat>(t, std::string(name) + rounding + ".sat");
        add_two<H, F, ftz_sat>(t, std::string(name) + rounding + ".ftz.sat");
      }
    };
    arithmetic.template operator()<plus<H>>("add");
    arithmetic.template operator()<minus<H>>("sub");
    arithmetic.template operator()<times<H>>("mul");
  }
  add_three<H, multiply_add<H>, plain>(t, "fma.rn");
  add_three<H, multiply_add<H>, relu>(t, "fma.rn.relu");
  add_two<H, minimum<H>, plain>(t, "min");
  add_two<H, maximum<H>, plain>(t, "max");
  add_two<H, minimum_nan<H>, plain>(t, "min.NaN");
  add_two<H, maximum_nan<H>, plain>(t, "max.NaN");
  add_one<H, negate<H>, plain>(t, "neg");
  add_one<H, absolute<H>, plain>(t, "abs");
  add_one<H, tanh_approx<H>, plain>(t, "tanh.approx");
}

} // namespace

void add_half(Table &t) {
  add_type<Half>(t);
  add_type<BFloat>(t);
  add_three<Half, multiply_add<Half>, ftz>(t, "fma.rn.ftz");
  add_three<Half, multiply_add<Half>, sat>(t, "fma.rn.sat");
  add_three<Half, multiply_add<Half>, ftz_sat>(t, "fma.rn.ftz.sat");
  add_three<Half, multiply_add<Half>, ftz_relu>(t, "fma.rn.ftz.relu");
  add_two<Half, minimum<Half>, ftz>(t, "min.ftz");
  add_two<Half, maximum<Half>, ftz>(t, "max.ftz");
  add_one<Half, negate<Half>, ftz>(t, "neg.ftz");
  add_one<Half, absolute<Half>, ftz>(t, "abs.ftz");
  add_one<Half, exp2_approx<Half>, plain>(t, "ex2.approx");
  add_one<BFloat, exp2_approx<BFloat>, ftz>(t, "ex2.approx.ftz");
}

} // namespace ingot::emulator
