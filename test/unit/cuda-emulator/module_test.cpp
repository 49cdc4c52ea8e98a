// What the parser accepts, how it lays things out, and how it refuses.
#include "gpu.h"

using namespace ingot::emulator;

static const std::string head = ".version 8.0\n.target sm_80\n.address_size 64\n";

static std::string refused(const std::string &body) { return refusal(kernel("u64", body)); }

TEST(Module, UnknownInstructionsAreNamedWithTheirLine) {
  EXPECT_EQ(refused("frobnicate.u32 %r1, %r2;"),
            "PTX line 9: the emulator does not know 'frobnicate.u32', in 'frobnicate.u32 %r1, %r2'");
  for (const char *text :
       {"add.u33 %r1, %r2, %r3;", "ld.global.v3.u32 {%r1,%r2,%r3}, [%d1];", "ld.global.fancy.u32 %r1, [%d1];",
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.bf16.f32 {%r1,%r2,%r3,%r4}, {%r1,%r2,%r3,%r4}, {%r1,%r2}, "
        "{%r1,%r2,%r3,%r4};",
        "cvt.f32.s32 %r1, %r2;", "cvt.rn.s32.f32 %r1, %r2;", "setp.lo.s32 %p1, %r1, %r2;", "bar.sync.fast 0;",
        "cp.async.cg.global.shared [%d1], [%r1], 16;", "atom.global.add.f16 %h1, [%d1], %h2;",
        "wgmma.fence.sync.aligned;", "mov.b128 %d1, %d2;", "shfl.bfly.b32 %r1, %r2, 1, 31;"})
    EXPECT_NE(refused(text).find("the emulator does not know"), std::string::npos) << text << ": " << refused(text);
}

TEST(Module, WrongOperandsAreRefused) {
  for (const char *text : {"add.u32 %r1, %r2;",
                           "add.u32 %r1, %r2, %d1;",
                           "add.u32 %r1, %r2, %p1;",
                           "add.u32 %r1, %r2, nowhere;",
                           "add.u64 %d1, %d2, %r1;",
                           "ld.global.u32 %h1, [%d1];",
                           "ld.global.u32 %r1, [%r2];",
                           "ld.param.u64 %d1, [p0+4];",
                           "ld.param.u32 %r1, [p1];",
                           "mov.u32 %r99, 1;",
                           "mov.u16 %h1, 70000;",
                           "@%r1 mov.u32 %r1, 1;",
                           "bra NOWHERE;",
                           "L: L: mov.u32 %r1, 1;",
                           "add.f32 %r1, %r2, 0f3F8;",
                           "st.global.u32 [%d1], %h2;",
                           "selp.b32 %r1, %r2, %r3, %r4;",
                           "mov.b64 %d1, {%r1, %h1};",
                           "cp.async.cg.shared.global [%r1], [%d1], 8;",
                           "add.u32 %r1, %r2, %r3",
                           "mov.u32 5, %r1;",
                           "lop3.b32 %r1, %r2, %r3, %r4, 256;",
                           "call (%r1), f, (%r2);",
                           ".reg .b99 %x;",
                           "{ mov.u32 %r1, 1;"}) {
    std::string message = refused(text);
    EXPECT_EQ(message.substr(0, 9), "PTX line ") << text << ": " << message;
  }
}

TEST(Module, TextsThatAreNoPtx) {
  for (const std::string &text :
       {std::string(),
        std::string("\x7f"
                    "ELF\x02\x01"),
        head + ".visible .entry k(", head + "/* no end", head + ".visible .entry k() { ret; } }",
        head + ".func f() { ret; }", std::string(100000, '{'),
        head + ".visible .entry k() {" + std::string(100000, '{'), head + ".global .u32 a[99999999999999999999];",
        head + ".global .u32 a[4000000000][4000000000];", head + ".global .u8 a[2] = {1,2,3};"})
    EXPECT_FALSE(refusal(text).empty()) << text.substr(0, 100);
}

TEST(Module, ParametersAreAlignedAndTuningIsRead) {
  Module m;
  ingot::Status s = parse(
      head + ".visible .entry k(.param .u8 a, .param .u64 .ptr .global .align 16 b, .param .align 8 .b8 c[20], .param "
             ".u16 d)\n"
             ".reqntid 128, 2, 1\n.minnctapersm 3\n{\n.reg .b32 %r<5>;\n.loc 1 2 3\n.pragma \"nounroll\";\nret;\n}\n"
             ".visible .entry j() .maxntid 96 { exit; }\n",
      &m);
  ASSERT_TRUE(s.ok()) << s.message();
  const Entry *k = m.entry("k");
  ASSERT_NE(k, nullptr);
  EXPECT_EQ(k->parameters[1].offset, 8u);
  EXPECT_EQ(k->parameters[2].offset, 16u);
  EXPECT_EQ(k->parameters[3].offset, 36u);
  EXPECT_EQ(k->parameter_bytes, 38u);
  EXPECT_EQ(k->required_block[0], 128u);
  EXPECT_EQ(k->max_threads, 256u);
  EXPECT_EQ(k->minimum_ctas, 3u);
  EXPECT_EQ(m.entry("j")->max_threads, 96u);
  EXPECT_EQ(m.entry("x"), nullptr);
  EXPECT_EQ(m.target, "sm_80");
}

TEST(Module, ScopesOfInlineAssemblyHideNames) {
  EXPECT_EQ(
      (evaluate<uint32_t>(
          "mov.u32 %r1, 5;\n{ .reg .b32 %r1; .reg .pred p; mov.u32 %r1, 7; setp.eq.u32 p, %x, 1;"
          "@p bra L; add.u32 %r1, %r1, 1;\nL: mov.u32 %r2, %r1; }\n{ .reg .pred p; setp.eq.u32 p, %x, 0; @p bra L;"
          "add.u32 %r2, %r2, 10;\nL: }\nadd.u32 %w, %r1, %r2;",
          {0, 1})),
      (std::vector<uint32_t>{13, 22}));
}

TEST(Module, OnlyNamedSharedVariablesTakeSpace) {
  Module m;
  ingot::Status s =
      parse(head + ".shared .align 4 .b8 a[100];\n.shared .align 16 .b8 b[64];\n"
                   ".visible .entry k() { .reg .b64 %d<2>; mov.u64 %d1, b; ret; }\n.visible .entry j() { ret; }\n",
            &m);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(m.entry("k")->static_shared, 64u);
  EXPECT_EQ(m.entry("j")->static_shared, 0u);
}
