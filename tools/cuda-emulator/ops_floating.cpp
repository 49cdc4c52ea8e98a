// float32 and float64 arithmetic (PTX ISA, "Floating-Point Instructions"). Approximate instructions give the correctly
// rounded result or one within their stated error; kernels must not depend on which.
#include "assembler.h"
#include "rounding.h"
#include <string>

namespace ingot::emulator {

namespace {

template <class T> T plus(T a, T b) { return a + b; }
template <class T> T minus(T a, T b) { return a - b; }
template <class T> T times(T a, T b) { return a * b; }
template <class T> T divide(T a, T b) { return a / b; }
template <class T> T reciprocal(T a) { return T(1) / a; }
inline float root(float a) { return __builtin_sqrtf(a); }
inline double root(double a) { return __builtin_sqrt(a); }
inline float multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double multiply_add(double a, double b, double c) { return __builtin_fma(a, b, c); }

// -0 is less than +0; a NaN loses against a number unless `.NaN` asks for it.
template <class T> T minimum(T a, T b) {
  T r = a < b || (a == b && std::signbit(a)) ? a : b;
  r = std::isnan(b) ? a : r;
  return canonical(std::isnan(a) ? b : r);
}
template <class T> T maximum(T a, T b) {
  T r = a > b || (a == b && !std::signbit(a)) ? a : b;
  r = std::isnan(b) ? a : r;
  return canonical(std::isnan(a) ? b : r);
}
template <class T> T minimum_nan(T a, T b) {
  T r = a < b || (a == b && std::signbit(a)) ? a : b;
  return canonical(std::isnan(a) || std::isnan(b) ? a + b : r);
}
template <class T> T maximum_nan(T a, T b) {
  T r = a > b || (a == b && !std::signbit(a)) ? a : b;
  return canonical(std::isnan(a) || std::isnan(b) ? a + b : r);
}

// F with the modifiers .ftz (operands and result) and .sat.
template <auto F, class T, bool Ftz, bool Sat> struct Modified {
  static T in(T v) { return Ftz ? flush(v) : v; }
  static T out(T v) {
    v = canonical(v);
    if (Ftz) v = flush(v);
    return Sat ? saturate(v) : v;
  }
  static T one(T a) { return out(F(in(a))); }
  static T two(T a, T b) { return out(F(in(a), in(b))); }
  static T three(T a, T b, T c) { return out(F(in(a), in(b), in(c))); }
};

// F under a rounding mode of the host.
template <auto F, class T, Round Mode> struct Rounded {
  static T one(T a) {
    return in_mode(Mode, [&] { return opaque(F(opaque(a))); });
  }
  static T two(T a, T b) {
    return in_mode(Mode, [&] { return opaque(F(opaque(a), opaque(b))); });
  }
  static T three(T a, T b, T c) {
    return in_mode(Mode, [&] { return opaque(F(opaque(a), opaque(b), opaque(c))); });
  }
};

constexpr auto fp = OpClass::floating;

// name, name.ftz, name.sat, name.ftz.sat for float32; the plain one for float64.
template <auto F> void add_two32(Table &t, const std::string &name, bool sat = true) {
  add<Modified<F, float, false, false>::two>(t, fp, name + ".f32");
  add<Modified<F, float, true, false>::two>(t, fp, name + ".ftz.f32");
  if (!sat) return;
  add<Modified<F, float, false, true>::two>(t, fp, name + ".sat.f32");
  add<Modified<F, float, true, true>::two>(t, fp, name + ".ftz.sat.f32");
}
template <auto F> void add_three32(Table &t, const std::string &name) {
  add<Modified<F, float, false, false>::three>(t, fp, name + ".f32");
  add<Modified<F, float, true, false>::three>(t, fp, name + ".ftz.f32");
  add<Modified<F, float, false, true>::three>(t, fp, name + ".sat.f32");
  add<Modified<F, float, true, true>::three>(t, fp, name + ".ftz.sat.f32");
}
template <auto F> void add_one32(Table &t, const std::string &name) {
  add<Modified<F, float, false, false>::one>(t, fp, name + ".f32");
  add<Modified<F, float, true, false>::one>(t, fp, name + ".ftz.f32");
}

template <auto F, auto D> void add_two(Table &t, const std::string &name) {
  add_two32<F>(t, name + ".rn");
  add_two32<Rounded<F, float, Round::zero>::two>(t, name + ".rz");
  add_two32<Rounded<F, float, Round::down>::two>(t, name + ".rm");
  add_two32<Rounded<F, float, Round::up>::two>(t, name + ".rp");
  add<D>(t, fp, name + ".rn.f64");
  add<Rounded<D, double, Round::zero>::two>(t, fp, name + ".rz.f64");
  add<Rounded<D, double, Round::down>::two>(t, fp, name + ".rm.f64");
  add<Rounded<D, double, Round::up>::two>(t, fp, name + ".rp.f64");
}
template <auto F, auto D> void add_three(Table &t, const std::string &name) {
  add_three32<F>(t, name + ".rn");
  add_three32<Rounded<F, float, Round::zero>::three>(t, name + ".rz");
  add_three32<Rounded<F, float, Round::down>::three>(t, name + ".rm");
  add_three32<Rounded<F, float, Round::up>::three>(t, name + ".rp");
  add<D>(t, fp, name + ".rn.f64");
  add<Rounded<D, double, Round::zero>::three>(t, fp, name + ".rz.f64");
  add<Rounded<D, double, Round::down>::three>(t, fp, name + ".rm.f64");
  add<Rounded<D, double, Round::up>::three>(t, fp, name + ".rp.f64");
}
template <auto F, auto D> void add_one(Table &t, const std::string &name) {
  add_one32<F>(t, name + ".rn");
  add_one32<Rounded<F, float, Round::zero>::one>(t, name + ".rz");
  add_one32<Rounded<F, float, Round::down>::one>(t, name + ".rm");
  add_one32<Rounded<F, float, Round::up>::one>(t, name + ".rp");
  add<D>(t, fp, name + ".rn.f64");
  add<Rounded<D, double, Round::zero>::one>(t, fp, name + ".rz.f64");
  add<Rounded<D, double, Round::down>::one>(t, fp, name + ".rm.f64");
  add<Rounded<D, double, Round::up>::one>(t, fp, name + ".rp.f64");
}

// div.approx: a denominator of 2^126 or more gives 0 (NaN with an infinite numerator), as the ISA says.
float divide_approx(float a, float b) {
  float m = std::fabs(b);
  if (m > 0x1p126f && m <= std::numeric_limits<float>::max()) return std::isinf(a) ? NAN : 0.0f * (a / b);
  return a / b;
}
float divide_full(float a, float b) { return a / b; }
float inverse_root(float a) { return float(1.0 / __builtin_sqrt(double(a))); }
double inverse_root64(double a) { return 1.0 / __builtin_sqrt(a); }
// ex2.approx without .ftz supports subnormals; correctly rounded within an ulp either way.
float exp2_approx(float a) { return std::exp2(a); }
float log2_approx(float a) { return std::log2(a); }
float sin_approx(float a) { return std::sin(a); }
float cos_approx(float a) { return std::cos(a); }
float tanh_approx(float a) { return std::tanh(a); }

float negate32(float a) { return std::bit_cast<float>(std::bit_cast<uint32_t>(a) ^ 0x80000000); }
float absolute32(float a) { return std::bit_cast<float>(std::bit_cast<uint32_t>(a) & 0x7fffffff); }
double negate64(double a) { return -a; }
double absolute64(double a) { return std::fabs(a); }
float negate32_ftz(float a) { return negate32(flush(a)); }
float absolute32_ftz(float a) { return absolute32(flush(a)); }
// The sign of a with the magnitude of b.
float copy_sign32(float a, float b) { return std::copysign(b, a); }
double copy_sign64(double a, double b) { return std::copysign(b, a); }

enum class Kind : uint8_t { finite, infinite, number, not_a_number, normal, subnormal };
template <class T> Next test_property(const Instr &i, Warp &w, uint32_t mask) {
  uint32_t bits = 0;
  each_lane(mask, [&](uint32_t l) {
    T v = unpack<T>(w.at<Stored<T>>(i.a)[l]);
    int c = std::fpclassify(v);
    bool is = false;
    switch (Kind(i.x)) {
    case Kind::finite:
      is = c != FP_NAN && c != FP_INFINITE;
      break;
    case Kind::infinite:
      is = c == FP_INFINITE;
      break;
    case Kind::number:
      is = c != FP_NAN;
      break;
    case Kind::not_a_number:
      is = c == FP_NAN;
      break;
    case Kind::normal:
      is = c == FP_NORMAL;
      break;
    case Kind::subnormal:
      is = c == FP_SUBNORMAL;
      break;
    }
    bits |= uint32_t(is) << l;
  });
  set_bits(w.pred[i.d], mask, bits);
  return Next::step;
}

Status decode_testp(Assembler &a, const Statement &s, Instr &i) {
  static const char *names[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
  auto m = s.modifiers();
  if (m.size() != 3 || (m[2] != "f32" && m[2] != "f64")) return a.unknown(s);
  bool wide = m[2] == "f64", found = false;
  for (uint32_t k = 0; k < 6; ++k)
    if (m[1] == names[k]) i.x = k, found = true;
  if (!found) return a.unknown(s);
  i.run = wide ? test_property<double> : test_property<float>;
  i.op_class = OpClass::compare;
  INGOT_TRY(a.count(s, 2, 2));
  INGOT_TRY(a.predicate_destination(s, s.operands[0], &i.d));
  return a.source(s, s.operands[1], wide ? 64 : 32, &i.a);
}

} // namespace

void add_floating(Table &t) {
  add_two<plus<float>, plus<double>>(t, "add");
  add_two<minus<float>, minus<double>>(t, "sub");
  add_two<times<float>, times<double>>(t, "mul");
  add_two<divide<float>, divide<double>>(t, "div");
  using Three = float (*)(float, float, float);
  using Three64 = double (*)(double, double, double);
  using One = float (*)(float);
  using One64 = double (*)(double);
  add_three<Three(multiply_add), Three64(multiply_add)>(t, "fma");
  add_three<Three(multiply_add), Three64(multiply_add)>(t, "mad");
  add_one<reciprocal<float>, reciprocal<double>>(t, "rcp");
  add_one<One(root), One64(root)>(t, "sqrt");
  // Without a rounding modifier add, sub and mul round to nearest.
  add_two32<plus<float>>(t, "add");
  add_two32<minus<float>>(t, "sub");
  add_two32<times<float>>(t, "mul");
  add<plus<double>>(t, fp, "add.f64");
  add<minus<double>>(t, fp, "sub.f64");
  add<times<double>>(t, fp, "mul.f64");
  add_two32<minimum<float>>(t, "min", false);
  add_two32<maximum<float>>(t, "max", false);
  add_two32<minimum_nan<float>>(t, "min.NaN", false);
  add_two32<maximum_nan<float>>(t, "max.NaN", false);
  add<Modified<minimum_nan<float>, float, true, false>::two>(t, fp, "min.ftz.NaN.f32");
  add<Modified<maximum_nan<float>, float, true, false>::two>(t, fp, "max.ftz.NaN.f32");
  add<minimum<double>>(t, fp, "min.f64");
  add<maximum<double>>(t, fp, "max.f64");
  add_two32<divide_approx>(t, "div.approx", false);
  add_two32<divide_full>(t, "div.full", false);
  add_one32<reciprocal<float>>(t, "rcp.approx");
  add_one32<One(root)>(t, "sqrt.approx");
  add_one32<inverse_root>(t, "rsqrt.approx");
  add<inverse_root64>(t, fp, "rsqrt.approx.f64");
  add<reciprocal<double>>(t, fp, "rcp.approx.ftz.f64");
  add_one32<exp2_approx>(t, "ex2.approx");
  add_one32<log2_approx>(t, "lg2.approx");
  add_one32<sin_approx>(t, "sin.approx");
  add_one32<cos_approx>(t, "cos.approx");
  add<Modified<tanh_approx, float, false, false>::one>(t, fp, "tanh.approx.f32");
  add<negate32>(t, fp, "neg.f32");
  add<negate32_ftz>(t, fp, "neg.ftz.f32");
  add<absolute32>(t, fp, "abs.f32");
  add<absolute32_ftz>(t, fp, "abs.ftz.f32");
  add<negate64>(t, fp, "neg.f64");
  add<absolute64>(t, fp, "abs.f64");
  add<copy_sign32>(t, fp, "copysign.f32");
  add<copy_sign64>(t, fp, "copysign.f64");
  t.decoders["testp"] = decode_testp;
}

} // namespace ingot::emulator
