// Floating-point instructions and conversions: rounding, NaN, subnormals, saturation.
#include "gpu.h"
#include <cmath>
#include <immintrin.h>

using namespace ingot::emulator;
using V = std::vector<uint32_t>;
using H = std::vector<uint16_t>;

static uint32_t bits(float v) { return std::bit_cast<uint32_t>(v); }
static V all(const std::vector<float> &v) {
  V r;
  for (float x : v) r.push_back(bits(x));
  return r;
}
static V op(const std::string &name, V a, V b = {}, V c = {}) {
  std::string operands = c.size() ? "%w, %x, %y, %z;" : b.size() ? "%w, %x, %y;" : "%w, %x;";
  return evaluate<uint32_t>(name + " " + operands, a, b, c);
}
static const uint32_t nan_bits = 0x7fffffff, minus_zero = 0x80000000;

TEST(Floating, ArithmeticRoundsToNearestAndMakesOneNaN) {
  EXPECT_EQ(op("add.rn.f32", all({1, INFINITY}), all({0x1p-24f, -INFINITY})), (V{bits(1), nan_bits}));
  EXPECT_EQ(op("mul.f32", all({3, 0}), all({1.0f / 3, INFINITY})), (V{bits(3 * (1.0f / 3)), nan_bits}));
  EXPECT_EQ(op("add.f32", {0x7f800001}, {0}), (V{nan_bits}));
  EXPECT_EQ(op("div.rn.f32", all({1}), all({3})), (V{bits(1.0f / 3)}));
  EXPECT_EQ(op("sqrt.rn.f32", all({2, -1})), (V{bits(std::sqrt(2.0f)), nan_bits}));
}

TEST(Floating, FmaRoundsOnceAndMulAddTwice) {
  float a = 1 + 0x1p-12f, c = -(1 + 0x1p-11f);
  EXPECT_EQ(op("fma.rn.f32", all({a}), all({a}), all({c})), (V{bits(0x1p-24f)}));
  EXPECT_EQ(evaluate<uint32_t>("mul.rn.f32 %w, %x, %y; add.rn.f32 %w, %w, %z;", all({a}), all({a}), all({c})), (V{0}));
}

TEST(Floating, DirectedRounding) {
  EXPECT_EQ(op("add.rz.f32", all({1, -1}), all({0x1p-30f, -0x1p-30f})), all({1, -1}));
  EXPECT_EQ(op("add.rp.f32", all({1}), all({0x1p-30f})), all({1 + 0x1p-23f}));
  EXPECT_EQ(op("add.rm.f32", all({-1}), all({-0x1p-30f})), all({-1 - 0x1p-23f}));
  EXPECT_EQ(op("rcp.rz.f32", all({3})), all({std::nextafter(1.0f / 3, 0.0f)}));
}

TEST(Floating, FlushToZeroKeepsTheSign) {
  EXPECT_EQ(op("add.ftz.f32", {0x00000001, 0x80000001}, {0, minus_zero}), (V{0, minus_zero}));
  EXPECT_EQ(op("mul.rn.ftz.f32", all({0x1p-100f}), all({0x1p-40f})), (V{0}));
  EXPECT_EQ(op("mul.rn.f32", all({0x1p-100f}), all({0x1p-40f})), all({0x1p-140f}));
}

TEST(Floating, TheCallersModeDoesNotMatter) {
  unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040);                            // flush subnormals
  V got = op("mul.rn.f32", {0x0d800000}, {0x2b800000}); // 2^-100 * 2^-40
  EXPECT_NE(_mm_getcsr() & 0x8040, 0u);
  _mm_setcsr(mode);
  EXPECT_EQ(got, (V{0x200}));
}

TEST(Floating, MinimumAndMaximumPreferNumbersAndOrderZeroes) {
  EXPECT_EQ(op("min.f32", {nan_bits, bits(2), 0, minus_zero, nan_bits}, {bits(1), nan_bits, minus_zero, 0, nan_bits}),
            (V{bits(1), bits(2), minus_zero, minus_zero, nan_bits}));
  EXPECT_EQ(op("max.f32", {0, minus_zero, bits(3)}, {minus_zero, 0, bits(4)}), (V{0, 0, bits(4)}));
  EXPECT_EQ(op("max.NaN.f32", {nan_bits, bits(1)}, {bits(1), bits(2)}), (V{nan_bits, bits(2)}));
}

TEST(Floating, SaturationTakesNaNToZero) {
  EXPECT_EQ(op("add.sat.f32", {bits(2), bits(-1), nan_bits, bits(0.25f)}, {0, 0, 0, bits(0.25f)}),
            (V{bits(1), 0, 0, bits(0.5f)}));
}

TEST(Floating, ApproximationsAreClose) {
  auto near = [](const char *name, float x, double want) {
    float got = std::bit_cast<float>(op(name, all({x}))[0]);
    EXPECT_NEAR(got / want, 1, 3e-7) << name;
  };
  near("ex2.approx.ftz.f32", -3.7f, std::exp2(-3.7));
  near("lg2.approx.f32", 5.5f, std::log2(5.5));
  near("rcp.approx.ftz.f32", 7, 1 / 7.0);
  near("rsqrt.approx.f32", 7, 1 / std::sqrt(7.0));
  near("sqrt.approx.f32", 7, std::sqrt(7.0));
  near("sin.approx.f32", 1, std::sin(1.0));
  near("cos.approx.f32", 1, std::cos(1.0));
  near("tanh.approx.f32", 0.5f, std::tanh(0.5));
  EXPECT_EQ(op("ex2.approx.ftz.f32", all({-INFINITY, INFINITY, 0})), all({0, INFINITY, 1}));
}

TEST(Floating, UnorderedComparisonsAndTests) {
  auto compare = [](const char *name, V a, V b) {
    return evaluate<uint32_t>(std::string("setp.") + name + ".f32 %q, %x, %y; selp.b32 %w, 1, 0, %q;", a, b);
  };
  V a{nan_bits, bits(1), bits(1)}, b{bits(1), bits(1), bits(2)};
  EXPECT_EQ(compare("lt", a, b), (V{0, 0, 1}));
  EXPECT_EQ(compare("ltu", a, b), (V{1, 0, 1}));
  EXPECT_EQ(compare("ne", a, b), (V{0, 0, 1}));
  EXPECT_EQ(compare("neu", a, b), (V{1, 0, 1}));
  EXPECT_EQ(compare("equ", a, b), (V{1, 1, 0}));
  EXPECT_EQ(compare("nan", a, b), (V{1, 0, 0}));
  EXPECT_EQ(evaluate<uint32_t>("testp.subnormal.f32 %q, %x; selp.b32 %w, 1, 0, %q;", {1, bits(1)}), (V{1, 0}));
}

TEST(Floating, CopySignTakesTheFirstOperandsSign) {
  EXPECT_EQ(op("copysign.f32", all({-1, 1}), all({5, -6})), all({-5, 6}));
  EXPECT_EQ(op("neg.f32", all({1, -0.0f})), all({-1, 0}));
}

TEST(Floating, Doubles) {
  auto d = [](double v) { return std::bit_cast<uint64_t>(v); };
  using W = std::vector<uint64_t>;
  EXPECT_EQ(evaluate<uint64_t>("fma.rn.f64 %w, %x, %y, %z;", {d(3)}, {d(5)}, {d(0.5)}), (W{d(15.5)}));
  EXPECT_EQ(evaluate<uint64_t>("div.rn.f64 %w, %x, %y;", {d(1)}, {d(3)}), (W{d(1.0 / 3)}));
}

TEST(Half, ArithmeticRoundsToTheFormat) {
  // 2048 + 1 is halfway between float16 neighbours 2048 and 2050: the even one.
  EXPECT_EQ(evaluate<uint16_t>("add.f16 %w, %x, %y;", {0x6800, 0x6801}, {0x3c00, 0x3c00}), (H{0x6800, 0x6802}));
  EXPECT_EQ(evaluate<uint16_t>("fma.rn.f16 %w, %x, %y, %z;", {0x3c01}, {0x3c01}, {0xbc02}), (H{0x0010}))
      << "the square of 1 + 2^-10 minus 1 + 2^-9 is 2^-20";
  EXPECT_EQ(evaluate<uint16_t>("fma.rn.bf16 %w, %x, %y, %z;", {0x3f81}, {0x3f81}, {0xbf82}), (H{0x3880}));
  EXPECT_EQ(evaluate<uint32_t>("mul.rn.bf16x2 %w, %x, %y;", {0x40003f80}, {0x40404040}), (V{0x40c04040}));
  EXPECT_EQ(evaluate<uint32_t>("max.f16x2 %w, %x, %y;", {0x3c007e00}, {0x40003c00}), (V{0x40003c00}));
  EXPECT_EQ(evaluate<uint16_t>("neg.bf16 %w, %x;", {0x3f80}), (H{0xbf80}));
}

TEST(Convert, FloatToIntegerRoundsAndClamps) {
  auto to = [](const char *name, std::vector<float> a) {
    return evaluate<uint32_t>(std::string(name) + " %w, %x;", all(a));
  };
  EXPECT_EQ(to("cvt.rni.s32.f32", {0.5f, 1.5f, 2.5f, -0.5f}), (V{0, 2, 2, 0}));
  EXPECT_EQ(to("cvt.rzi.s32.f32", {-1.7f, 3e9f, -3e9f, NAN}), (V{uint32_t(-1), 0x7fffffff, 0x80000000, 0}));
  EXPECT_EQ(to("cvt.rzi.u32.f32", {-1.7f, 3e9f, 5e9f}), (V{0, 3000000000u, 0xffffffff}));
  EXPECT_EQ(to("cvt.rmi.s32.f32", {-1.2f, 1.8f}), (V{uint32_t(-2), 1}));
  EXPECT_EQ(to("cvt.rpi.s32.f32", {-1.2f, 1.2f}), (V{uint32_t(-1), 2}));
  EXPECT_EQ(to("cvt.rni.f32.f32", {2.5f, -0.4f}), all({2, -0.0f}));
  EXPECT_EQ(to("cvt.rni.sat.s8.f32", {300, -300, 7}), (V{127, 0xffffff80, 7}));
}

TEST(Convert, IntegersExtendTruncateAndSaturate) {
  EXPECT_EQ(op("cvt.s32.s8", {0x180, 0x7f}), (V{0xffffff80, 0x7f}));
  EXPECT_EQ(op("cvt.u32.u8", {0x180}), (V{0x80}));
  EXPECT_EQ(op("cvt.u32.s16", {0xffff8000}), (V{0xffff8000}));
  EXPECT_EQ(op("cvt.sat.s8.s32", {300, uint32_t(-300)}), (V{127, 0xffffff80}));
  EXPECT_EQ(op("cvt.sat.u8.s32", {300, uint32_t(-300)}), (V{255, 0}));
  EXPECT_EQ((evaluate<uint32_t, uint64_t>("cvt.s64.s32 %w, %x;", {0x80000000})),
            (std::vector<uint64_t>{0xffffffff80000000}));
  EXPECT_EQ((evaluate<uint32_t, uint64_t>("cvt.u64.u32 %w, %x;", {0x80000000})), (std::vector<uint64_t>{0x80000000}));
  EXPECT_EQ((evaluate<uint64_t, uint32_t>("cvt.u32.u64 %w, %x;", {0x123456789abcdef0})), (V{0x9abcdef0}));
  EXPECT_EQ((evaluate<uint16_t, uint32_t>("cvt.s32.s8 %w, %x;", {0x00ff})), (V{0xffffffff}));
}

TEST(Convert, IntegersToFloat) {
  EXPECT_EQ(op("cvt.rn.f32.s32", {uint32_t(-5), 16777217}), all({-5, 16777216}));
  EXPECT_EQ(op("cvt.rn.f32.u32", {0xffffffff}), all({4294967296.0f}));
  EXPECT_EQ(op("cvt.rp.f32.s32", {16777217}), all({16777218}));
  EXPECT_EQ(op("cvt.rn.f32.s8", {0xff}), all({-1}));
  EXPECT_EQ((evaluate<uint64_t, uint32_t>("cvt.rn.f32.s64 %w, %x;", {uint64_t(-3)})), all({-3}));
}

TEST(Convert, SixteenBitFloats) {
  auto narrow = [](const char *name, V a) { return evaluate<uint32_t, uint16_t>(std::string(name) + " %w, %x;", a); };
  EXPECT_EQ(narrow("cvt.rn.bf16.f32", {0x3f808000, 0x3f818000, 0x7f7fffff, 0x7f800001}),
            (H{0x3f80, 0x3f82, 0x7f80, 0x7fff}));
  EXPECT_EQ(narrow("cvt.rz.bf16.f32", {0x3f80ffff, 0x7f7fffff}), (H{0x3f80, 0x7f7f}));
  EXPECT_EQ(narrow("cvt.rn.f16.f32", all({1, 65504, 65520, 0x1p-25f, 0x1.8p-24f, NAN})),
            (H{0x3c00, 0x7bff, 0x7c00, 0, 2, 0x7fff}));
  EXPECT_EQ(narrow("cvt.rz.f16.f32", all({65520})), (H{0x7bff}));
  EXPECT_EQ((evaluate<uint16_t, uint32_t>("cvt.f32.f16 %w, %x;", {0x3c00, 0x0001, 0xfc00, 0x7c01})),
            (V{bits(1), bits(0x1p-24f), bits(-INFINITY), nan_bits}));
  EXPECT_EQ((evaluate<uint16_t, uint32_t>("cvt.f32.bf16 %w, %x;", {0x3f81, 0x8001})), (V{0x3f810000, 0x80010000}));
  EXPECT_EQ(op("cvt.rn.bf16x2.f32", all({1}), all({2})), (V{0x3f804000})) << "the first operand is the upper half";
  EXPECT_EQ(op("cvt.rn.f16x2.f32", all({1}), all({2})), (V{0x3c004000}));
  EXPECT_EQ(op("cvt.rn.relu.bf16x2.f32", all({-1}), all({2})), (V{0x4000}));
  EXPECT_EQ(op("cvt.rna.tf32.f32", {0x3f801000, 0x3f800fff}), (V{0x3f802000, 0x3f800000}));
}

TEST(Convert, EveryHalfSurvivesTheWayToFloatAndBack) {
  for (const char *type : {"f16", "bf16"})
    for (uint32_t base = 0; base < 65536; base += 1024) {
      H a(1024);
      for (uint32_t k = 0; k < 1024; ++k) a[k] = uint16_t(base + k);
      std::string t(type);
      H back = evaluate<uint16_t>("cvt.f32." + t + " %r1, %x; cvt.rn." + t + ".f32 %w, %r1;", a);
      uint16_t infinity = t == "f16" ? 0x7c00 : 0x7f80;
      for (uint32_t k = 0; k < 1024; ++k)
        ASSERT_EQ(back[k], (a[k] & 0x7fff) > infinity ? 0x7fff : a[k]) << t << " " << a[k];
    }
}
