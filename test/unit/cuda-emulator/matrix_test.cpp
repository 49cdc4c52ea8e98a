// ldmatrix and mma.sync against plain loops over matrices, with fragments indexed as the ISA's formulas say.
#include "gpu.h"
#include "tools/cuda-emulator/rounding.h"
#include <cmath>
#include <functional>
#include <random>

using namespace ingot::emulator;
using V = std::vector<uint32_t>;

// Runs one mma: registers of lane l at [register][l].
static V multiply(const std::string &name, size_t a, size_t b, size_t c, const V &as, const V &bs, const V &cs,
                  Gpu *given = nullptr) {
  Gpu own, &gpu = given ? *given : own;
  auto list = [](const char *prefix, size_t n) {
    std::string s = "{";
    for (size_t k = 0; k < n; ++k) s += std::string(k ? ", " : "") + prefix + std::to_string(k);
    return s + "}";
  };
  std::string body = ".reg .b32 %a<8>, %b<8>, %c<8>, %w<8>;\nmov.u32 %r0, %tid.x;";
  const char *prefixes[] = {"%a", "%b", "%c"};
  size_t counts[] = {a, b, c};
  for (size_t m = 0; m < 3; ++m) {
    body += "ld.param.u64 %d0, [p" + std::to_string(m) + "]; mad.wide.u32 %d1, %r0, 4, %d0;";
    for (size_t k = 0; k < counts[m]; ++k)
      body +=
          "ld.global.b32 " + std::string(prefixes[m]) + std::to_string(k) + ", [%d1+" + std::to_string(128 * k) + "];";
  }
  body += name + " " + list("%w", c) + ", " + list("%a", a) + ", " + list("%b", b) + ", " + list("%c", c) + ";\n";
  body += "ld.param.u64 %d0, [p3]; mad.wide.u32 %d1, %r0, 4, %d0;";
  for (size_t k = 0; k < c; ++k)
    body += "st.global.b32 [%d1+" + std::to_string(128 * k) + "], %w" + std::to_string(k) + ";";
  uint64_t o = gpu.room<uint32_t>(c * 32);
  Fault f = run(gpu, "u64 u64 u64 u64", body, parameters(gpu.array(as), gpu.array(bs), gpu.array(cs), o));
  EXPECT_FALSE(f) << f.message();
  EXPECT_EQ(gpu.counters.mmas, 1u);
  return gpu.read<uint32_t>(o, c * 32);
}

// Row and column of C's register i in lane l (ISA: groupID, threadID_in_group).
static int c_row(int i, int l) { return l / 4 + (i < 2 ? 0 : 8); }
static int c_column(int i, int l) { return l % 4 * 2 + i % 2; }

static void check_halves(bool bfloat, int k_size) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  auto narrow = [&](float v) { return bfloat ? float_to_bfloat(v) : float_to_half(v); };
  auto widen = [&](uint16_t v) { return bfloat ? bfloat_to_float(v) : half_to_float(v); };
  std::vector<std::vector<uint16_t>> a(16, std::vector<uint16_t>(size_t(k_size))),
      b(size_t(k_size), std::vector<uint16_t>(8));
  float c[16][8];
  for (auto &row : a)
    for (auto &v : row) v = narrow(normal(random));
  for (auto &row : b)
    for (auto &v : row) v = narrow(normal(random));
  for (auto &row : c)
    for (auto &v : row) v = normal(random);
  size_t na = size_t(k_size) / 4, nb = size_t(k_size) / 8;
  V as(na * 32), bs(nb * 32), cs(128);
  for (int l = 0; l < 32; ++l) {
    int g = l / 4, t = l % 4;
    for (size_t i = 0; i < na * 2; ++i) { // element a_i: row g or g+8, column 2t + (i & 1) + 8 for i >= 4
      size_t row = size_t(g) + (i / 2 % 2 ? 8 : 0), column = size_t(t) * 2 + i % 2 + (i >= 4 ? 8 : 0);
      as[i / 2 * 32 + size_t(l)] |= uint32_t(a[row][column]) << i % 2 * 16;
    }
    for (size_t i = 0; i < nb * 2; ++i)
      bs[i / 2 * 32 + size_t(l)] |= uint32_t(b[size_t(t) * 2 + i % 2 + (i >= 2 ? 8 : 0)][size_t(g)]) << i % 2 * 16;
    for (int i = 0; i < 4; ++i) cs[size_t(i * 32 + l)] = std::bit_cast<uint32_t>(c[c_row(i, l)][c_column(i, l)]);
  }
  std::string type = bfloat ? "bf16" : "f16", shape = "mma.sync.aligned.m16n8k" + std::to_string(k_size) + ".row.col.";
  V d = multiply(shape + "f32." + type + "." + type + ".f32", na, nb, 4, as, bs, cs);
  V half_c(64);
  for (int l = 0; l < 32; ++l)
    for (int i = 0; i < 4; ++i)
      half_c[size_t(i / 2 * 32 + l)] |= uint32_t(float_to_half(c[c_row(i, l)][c_column(i, l)])) << i % 2 * 16;
  V d_half = bfloat ? V(64) : multiply(shape + "f16.f16.f16.f16", na, nb, 2, as, bs, half_c);
  for (int l = 0; l < 32; ++l)
    for (int i = 0; i < 4; ++i) {
      double want = c[c_row(i, l)][c_column(i, l)];
      for (size_t k = 0; k < size_t(k_size); ++k)
        want += double(widen(a[size_t(c_row(i, l))][k])) * widen(b[k][size_t(c_column(i, l))]);
      ASSERT_NEAR(std::bit_cast<float>(d[size_t(i * 32 + l)]), want, 1e-5) << i << " " << l;
      if (!bfloat) ASSERT_NEAR(half_to_float(uint16_t(d_half[size_t(i / 2 * 32 + l)] >> i % 2 * 16)), want, 2e-2);
    }
}

TEST(Matrix, HalvesMultiplyIntoFloats) {
  for (bool bfloat : {false, true})
    for (int k : {8, 16}) check_halves(bfloat, k);
}

TEST(Matrix, Tf32ReadsTheUpperBits) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (int k_size : {4, 8}) {
    float a[16][8], b[8][8];
    for (auto &row : a)
      for (auto &v : row) v = normal(random);
    for (auto &row : b)
      for (auto &v : row) v = normal(random);
    size_t na = size_t(k_size) / 2, nb = size_t(k_size) / 4;
    V as(na * 32), bs(nb * 32), cs(128);
    for (int l = 0; l < 32; ++l) {
      for (size_t i = 0; i < na; ++i)
        as[i * 32 + size_t(l)] = std::bit_cast<uint32_t>(a[l / 4 + (i % 2 ? 8 : 0)][l % 4 + (i >= 2 ? 4 : 0)]);
      for (size_t i = 0; i < nb; ++i) bs[i * 32 + size_t(l)] = std::bit_cast<uint32_t>(b[l % 4 + (i ? 4 : 0)][l / 4]);
    }
    V d = multiply("mma.sync.aligned.m16n8k" + std::to_string(k_size) + ".row.col.f32.tf32.tf32.f32", na, nb, 4, as, bs,
                   cs);
    auto cut = [](float v) { return std::bit_cast<float>(std::bit_cast<uint32_t>(v) & 0xffffe000); };
    for (int l = 0; l < 32; ++l)
      for (int i = 0; i < 4; ++i) {
        double want = 0;
        for (int k = 0; k < k_size; ++k) want += double(cut(a[c_row(i, l)][k])) * cut(b[k][c_column(i, l)]);
        ASSERT_NEAR(std::bit_cast<float>(d[size_t(i * 32 + l)]), want, 1e-5);
      }
  }
}

TEST(Matrix, BytesMultiplyExactlyWithEitherSign) {
  std::mt19937 random(7);
  for (int k_size : {16, 32})
    for (const char *ta : {"s8", "u8"})
      for (const char *tb : {"s8", "u8"}) {
        uint8_t a[16][32], b[32][8];
        for (auto &row : a)
          for (auto &v : row) v = uint8_t(random());
        for (auto &row : b)
          for (auto &v : row) v = uint8_t(random());
        auto value = [](const char *type, uint8_t v) { return *type == 's' ? int(int8_t(v)) : int(v); };
        size_t na = size_t(k_size) / 8, nb = size_t(k_size) / 16;
        V as(na * 32), bs(nb * 32), cs(128);
        for (auto &v : cs) v = uint32_t(random());
        for (int l = 0; l < 32; ++l) {
          for (size_t i = 0; i < na * 4; ++i)
            as[i / 4 * 32 + size_t(l)] |=
                uint32_t(a[l / 4 + (i / 4 % 2 ? 8 : 0)][l % 4 * 4 + int(i % 4) + (i >= 8 ? 16 : 0)]) << i % 4 * 8;
          for (size_t i = 0; i < nb * 4; ++i)
            bs[i / 4 * 32 + size_t(l)] |= uint32_t(b[l % 4 * 4 + int(i % 4) + (i >= 4 ? 16 : 0)][l / 4]) << i % 4 * 8;
        }
        std::string shape = "mma.sync.aligned.m16n8k" + std::to_string(k_size) + ".row.col.";
        std::string types = std::string("s32.") + ta + "." + tb + ".s32";
        V d = multiply(shape + types, na, nb, 4, as, bs, cs),
          sat = multiply(shape + "satfinite." + types, na, nb, 4, as, bs, cs);
        for (int l = 0; l < 32; ++l)
          for (int i = 0; i < 4; ++i) {
            size_t at = size_t(i * 32 + l);
            int64_t want = int32_t(cs[at]);
            for (int k = 0; k < k_size; ++k) want += value(ta, a[c_row(i, l)][k]) * value(tb, b[k][c_column(i, l)]);
            ASSERT_EQ(d[at], uint32_t(want));
            ASSERT_EQ(int32_t(sat[at]), int32_t(std::min<int64_t>(std::max<int64_t>(want, INT32_MIN), INT32_MAX)));
          }
      }
}

TEST(Matrix, LdmatrixHandsOutRowsOrColumns) {
  for (bool trans : {false, true}) {
    Gpu gpu;
    uint64_t o = gpu.room<uint32_t>(128);
    std::string body = "mov.u32 %r0, %tid.x; mov.u32 %r1, s;";
    for (int k = 0; k < 8; ++k) // each lane writes its row of 8 halves: row * 8 + column
      body += "mad.lo.u32 %r2, %r0, 8, " + std::to_string(k) +
              "; cvt.u16.u32 %h1, %r2; mad.lo.u32 %r3, %r0, 16, %r1; st.shared.u16 [%r3+" + std::to_string(2 * k) +
              "], %h1;";
    body += "bar.sync 0; ldmatrix.sync.aligned.m8n8.x4" + std::string(trans ? ".trans" : "") +
            ".shared.b16 {%r4,%r5,%r6,%r7}, [%r3];"
            "ld.param.u64 %d0, [p0]; mad.wide.u32 %d0, %r0, 16, %d0; st.global.v4.b32 [%d0], {%r4,%r5,%r6,%r7};";
    Fault f = run(gpu, "u64", body, parameters(o), 32, ".shared .align 16 .b8 s[512];\n");
    ASSERT_FALSE(f) << f.message();
    V got = gpu.read<uint32_t>(o, 128);
    for (uint32_t l = 0; l < 32; ++l)
      for (uint32_t m = 0; m < 4; ++m) {
        uint32_t row = l / 4, column = l % 4 * 2;
        uint32_t low = trans ? (m * 8 + column) * 8 + row : (m * 8 + row) * 8 + column;
        uint32_t high = trans ? low + 8 : low + 1;
        ASSERT_EQ(got[l * 4 + m], low | high << 16) << l << " " << m << " " << trans;
      }
  }
}

TEST(Matrix, NeedTheWholeWarp) {
  Gpu gpu;
  Fault f = run(gpu, "u64",
                "mov.u32 %r0, %tid.x; setp.lt.u32 %p1, %r0, 8; @%p1 ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, "
                "[s]; bar.sync 0;",
                parameters(uint64_t(0)), 32, ".shared .align 16 .b8 s[512];\n");
  EXPECT_EQ(f.kind, Fault::divergent) << f.message();
}

// One product and 15 small ones: each alone is lost in float32; aligned sums keep a bit or two more, and cut the rest.
TEST(Matrix, SumsAsTensorCoresMakeThem) {
  using Product = std::pair<float, float>;
  auto sum = [](uint32_t products, Product large, Product small) {
    Gpu gpu;
    gpu.options.mma_products = products;
    V as(128), bs(64), cs(128);
    for (int k = 0; k < 16; ++k) { // row 0 of A, column 0 of B
      auto [a, b] = k ? small : large;
      size_t lane = size_t(k % 8 / 2), half = size_t(k / 8);
      as[half * 64 + lane] |= uint32_t(float_to_half(a)) << k % 2 * 16;
      bs[half * 32 + lane] |= uint32_t(float_to_half(b)) << k % 2 * 16;
    }
    V w = multiply("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", 4, 2, 4, as, bs, cs, &gpu);
    return std::bit_cast<float>(w[0]);
  };
  Product one = {1, 1};
  EXPECT_EQ(sum(0, one, {0x1p-12f, 0x1p-13f}), 1); // 2^-25
  EXPECT_EQ(sum(8, one, {0x1p-12f, 0x1p-13f}), 1);
  EXPECT_EQ(sum(16, one, {0x1p-12f, 0x1p-13f}), 1 + 3 * 0x1p-23f); // 15 * 2^-25, cut
  EXPECT_EQ(sum(16, one, {0x1p-13f, 0x1p-13f}), 1);
  EXPECT_EQ(sum(8, one, {0x1p-12f, 0x1p-12f}), 1 + 7 * 0x1p-23f); // 7 * 2^-24, cut to 3 * 2^-23, then 8 * 2^-24
  EXPECT_EQ(sum(16, {-1, 1}, {-0x1p-12f, 0x1p-13f}), -1 - 3 * 0x1p-23f);
  // A subnormal factor is aligned as if it were 2^-14: 15 * 2^-24 * 2^10 hides what is 2^-20 of it.
  EXPECT_EQ(sum(0, {15 * 0x1p-24f, 0x1p10f}, {0x1p-24f, 0x1p-10f}), 15 * 0x1p-14f + 15 * 0x1p-34f);
  EXPECT_EQ(sum(16, {15 * 0x1p-24f, 0x1p10f}, {0x1p-24f, 0x1p-10f}), 15 * 0x1p-14f);
}
