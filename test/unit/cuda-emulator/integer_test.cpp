// Integer instructions against values worked out from the ISA's text.
#include "gpu.h"

using namespace ingot::emulator;
using V = std::vector<uint32_t>;
using W = std::vector<uint64_t>;

static V op(const std::string &name, V a, V b = {}, V c = {}) {
  std::string operands = c.size() ? "%w, %x, %y, %z;" : b.size() ? "%w, %x, %y;" : "%w, %x;";
  return evaluate<uint32_t>(name + " " + operands, a, b, c);
}

TEST(Integer, AddSubtractMultiplyWrap) {
  EXPECT_EQ(op("add.s32", {1, 0xffffffff, 0x7fffffff}, {2, 1, 1}), (V{3, 0, 0x80000000}));
  EXPECT_EQ(op("sub.u32", {1, 5}, {2, 3}), (V{0xffffffff, 2}));
  EXPECT_EQ(op("mul.lo.s32", {7, 0x10000}, {0xffffffff, 0x10000}), (V{0xfffffff9, 0}));
  EXPECT_EQ(op("mul.hi.u32", {0xffffffff}, {0xffffffff}), (V{0xfffffffe}));
  EXPECT_EQ(op("mul.hi.s32", {0xffffffff}, {0xffffffff}), (V{0}));
  EXPECT_EQ(op("mad.lo.u32", {3}, {5}, {7}), (V{22}));
  EXPECT_EQ(op("add.sat.s32", {0x7fffffff, 0x80000000}, {1, 0xffffffff}), (V{0x7fffffff, 0x80000000}));
}

TEST(Integer, WideProductsKeepEveryBit) {
  auto wide = [](const char *name, V a, V b) {
    return evaluate<uint32_t, uint64_t>(std::string(name) + " %w, %x, %y;", a, b);
  };
  EXPECT_EQ(wide("mul.wide.u32", {0xffffffff}, {0xffffffff}), (W{0xfffffffe00000001}));
  EXPECT_EQ(wide("mul.wide.s32", {0xffffffff}, {2}), (W{0xfffffffffffffffe}));
}

TEST(Integer, DivisionAndRemainderTruncate) {
  EXPECT_EQ(op("div.s32", {uint32_t(-7), 7, 0x80000000}, {2, uint32_t(-2), 0xffffffff}),
            (V{uint32_t(-3), uint32_t(-3), 0x80000000}));
  EXPECT_EQ(op("rem.s32", {uint32_t(-7), 7, 0x80000000}, {2, uint32_t(-2), 0xffffffff}), (V{uint32_t(-1), 1, 0}));
  EXPECT_EQ(op("div.u32", {0xfffffff9}, {2}), (V{0x7ffffffc}));
}

TEST(Integer, ShiftsClampTheirAmount) {
  EXPECT_EQ(op("shl.b32", {1, 1, 1}, {31, 32, 100}), (V{0x80000000, 0, 0}));
  EXPECT_EQ(op("shr.u32", {0x80000000, 0x80000000}, {31, 32}), (V{1, 0}));
  EXPECT_EQ(op("shr.s32", {0x80000000, 0x80000000}, {31, 40}), (V{0xffffffff, 0xffffffff}));
  EXPECT_EQ(op("shf.l.wrap.b32", {0x12345678}, {0x9abcdef0}, {8}), (V{0xbcdef012}));
  EXPECT_EQ(op("shf.r.wrap.b32", {0x12345678, 0x12345678}, {0x9abcdef0, 0x9abcdef0}, {8, 40}),
            (V{0xf0123456, 0xf0123456}));
  EXPECT_EQ(op("shf.r.clamp.b32", {0x12345678}, {0x9abcdef0}, {40}), (V{0x9abcdef0}));
}

TEST(Integer, BitFields) {
  EXPECT_EQ(op("bfe.u32", {0xabcd1234, 0xabcd1234, 0xff}, {8, 24, 4}, {8, 16, 0}), (V{0x12, 0xab, 0}));
  EXPECT_EQ(op("bfe.s32", {0xabcd1234, 0xabcd1234, 0x80000000}, {24, 8, 28}, {8, 5, 8}),
            (V{0xffffffab, 0xfffffff2, 0xfffffff8}));
  EXPECT_EQ(evaluate<uint32_t>("bfi.b32 %w, %x, %y, 8, 8;", {0xff12}, {0xaaaaaaaa}), (V{0xaaaa12aa}));
  EXPECT_EQ(op("popc.b32", {0xf0f0, 0}), (V{8, 0}));
  EXPECT_EQ(op("clz.b32", {1, 0}), (V{31, 32}));
  EXPECT_EQ(op("brev.b32", {1, 0xc0000000}), (V{0x80000000, 3}));
  EXPECT_EQ(op("bfind.u32", {0, 1, 0x80000000}), (V{0xffffffff, 0, 31}));
  EXPECT_EQ(op("bfind.s32", {0xffffffff, 0xfffffffe}), (V{0xffffffff, 0}));
}

TEST(Integer, PermuteAndLogicTable) {
  EXPECT_EQ(op("prmt.b32", {0x33221100, 0x80223344}, {0x77665544, 0}, {0x7531, 0xfb00}), (V{0x77553311, 0x00ff4444}))
      << "a selector with its top bit copies the sign";
  EXPECT_EQ(evaluate<uint32_t>("lop3.b32 %w, %x, %y, %z, 0xea;", {0x0f}, {0x3c}, {0x100}), (V{0x10c}));
  EXPECT_EQ(evaluate<uint32_t>("lop3.b32 %w, %x, %y, %z, 0x96;", {0x0f}, {0x3c}, {0x100}), (V{0x133}));
  EXPECT_EQ(op("and.b32", {0xff00}, {0x0ff0}), (V{0x0f00}));
  EXPECT_EQ(op("not.b32", {0}), (V{0xffffffff}));
}

TEST(Integer, CarriesRunThroughTwoWords) {
  const char *add = "mov.b64 {%r1, %r2}, %x; mov.b64 {%r3, %r4}, %y; add.cc.u32 %r5, %r1, %r3; addc.u32 %r6, %r2, %r4;"
                    "mov.b64 %w, {%r5, %r6};";
  const char *subtract =
      "mov.b64 {%r1, %r2}, %x; mov.b64 {%r3, %r4}, %y; sub.cc.u32 %r5, %r1, %r3; subc.u32 %r6, %r2, %r4;"
      "mov.b64 %w, {%r5, %r6};";
  W a{0x00000001ffffffff, 5, 0}, b{1, 0xffffffffffffffff, 1};
  EXPECT_EQ(evaluate<uint64_t>(add, a, b), (W{a[0] + b[0], a[1] + b[1], a[2] + b[2]}));
  EXPECT_EQ(evaluate<uint64_t>(subtract, a, b), (W{a[0] - b[0], a[1] - b[1], a[2] - b[2]}));
}

TEST(Integer, SixteenBitsStaySixteen) {
  using H = std::vector<uint16_t>;
  EXPECT_EQ(evaluate<uint16_t>("mul.lo.s16 %w, %x, %y;", {300, 0xffff}, {300, 0xffff}), (H{uint16_t(90000), 1}));
  EXPECT_EQ(evaluate<uint16_t>("shr.s16 %w, %x, 4;", {0x8000}), (H{0xf800}));
  EXPECT_EQ((evaluate<uint16_t, uint32_t>("mul.wide.s16 %w, %x, %y;", {0xffff}, {5})), (V{0xfffffffb}));
}

TEST(Integer, DotProductsOfBytes) {
  EXPECT_EQ(op("dp4a.s32.s32", {0xff02037f}, {0x01020380}, {10}), (V{uint32_t(10 - 1 + 4 + 9 - 127 * 128)}));
  EXPECT_EQ(op("dp4a.u32.s32", {0xff020301}, {0xff020301}, {0}), (V{uint32_t(-255 + 4 + 9 + 1)}));
}

TEST(Integer, ComparisonsAndSelection) {
  auto compare = [](const char *name, V a, V b) {
    return evaluate<uint32_t>(std::string("setp.") + name + " %q, %x, %y; selp.b32 %w, 1, 0, %q;", a, b);
  };
  EXPECT_EQ(compare("lt.s32", {0xffffffff, 1}, {0, 0}), (V{1, 0}));
  EXPECT_EQ(compare("lt.u32", {0xffffffff, 0}, {0, 1}), (V{0, 1}));
  EXPECT_EQ(compare("hs.u32", {1, 0}, {1, 1}), (V{1, 0}));
  EXPECT_EQ(evaluate<uint32_t>("setp.eq.u32 %q2, %y, 0; setp.lt.and.s32 %p1|%p2, %x, 5, !%q2;"
                               "selp.b32 %r1, 1, 0, %p1; selp.b32 %r2, 2, 0, %p2; or.b32 %w, %r1, %r2;",
                               {1, 9, 1, 9}, {0, 0, 1, 1}),
            (V{0, 0, 1, 2}));
  EXPECT_EQ(evaluate<uint32_t>("set.gt.u32.s32 %w, %x, %y;", {3, 1}, {2, 2}), (V{0xffffffff, 0}));
  EXPECT_EQ(op("slct.b32.s32", {1, 1}, {2, 2}, {0, 0x80000000}), (V{1, 2}));
}
