// Loads, stores and atomics, and every memory check.
#include "gpu.h"

using namespace ingot::emulator;
using V = std::vector<uint32_t>;

// Each lane's address of a u32 array given as p0: %d1.
static const std::string lane_address = "ld.param.u64 %d0, [p0]; mov.u32 %r0, %tid.x; mad.wide.u32 %d1, %r0, 4, %d0;\n";

TEST(Memory, VectorsOfEveryWidth) {
  Gpu gpu;
  V in(128);
  for (uint32_t k = 0; k < 128; ++k) in[k] = k * 0x01010101;
  uint64_t a = gpu.array(in), o = gpu.room<uint32_t>(128);
  const std::string move = "ld.param.u64 %d0, [p0]; ld.param.u64 %d1, [p1]; mov.u32 %r0, %tid.x;"
                           "mad.wide.u32 %d0, %r0, 16, %d0; mad.wide.u32 %d1, %r0, 16, %d1;";
  for (const char *copy :
       {"ld.global.v4.b32 {%r1,%r2,%r3,%r4}, [%d0]; st.global.v4.b32 [%d1], {%r1,%r2,%r3,%r4};",
        "ld.global.nc.L1::no_allocate.L2::256B.v2.u64 {%d2,%d3}, [%d0]; st.global.v2.b64 [%d1], {%d2,%d3};",
        "ld.v4.u16 {%h1,%h2,%h3,%h4}, [%d0]; ld.v4.u16 {%h5,%h6,%h7,%h8}, [%d0+8];"
        "st.v4.u16 [%d1], {%h1,%h2,%h3,%h4}; st.v4.b16 [%d1+8], {%h5,%h6,%h7,%h8};",
        "ld.volatile.global.u64 %d2, [%d0+8]; ld.global.relaxed.gpu.u64 %d3, [%d0];"
        "st.global.b64 [%d1], %d3; st.release.sys.global.b64 [%d1+8], %d2;"}) {
    memset(reinterpret_cast<void *>(o), 0, 512);
    std::string text = copy;
    if (size_t at = text.find("ld.global.relaxed"); at != text.npos) text.replace(at, 21, "ld.relaxed.gpu.global");
    Fault f = run(gpu, "u64 u64", move + text, parameters(a, o));
    ASSERT_FALSE(f) << f.message();
    EXPECT_EQ(gpu.read<uint32_t>(o, 128), in) << copy;
  }
}

TEST(Memory, NarrowLoadsExtendToTheRegister) {
  EXPECT_EQ(evaluate<uint32_t>("ld.global.s8 %w, [%a];", {0}, {0}, {0x80}), (V{0xffffff80}));
  EXPECT_EQ(evaluate<uint32_t>("ld.global.u8 %w, [%a+1];", {0}, {0}, {0x8180}), (V{0x81}));
  EXPECT_EQ(evaluate<uint32_t>("ld.global.s16 %h1, [%a]; cvt.s32.s16 %w, %h1;", {0}, {0}, {0x8000}), (V{0xffff8000}));
  EXPECT_EQ((evaluate<uint32_t, uint64_t>("ld.global.s32 %w, [%a];", {0}, {0}, {0x80000000})),
            (std::vector<uint64_t>{0xffffffff80000000}));
}

TEST(Memory, FaultsNameKernelLineAndThread) {
  Gpu gpu;
  uint64_t a = gpu.array(V(32, 1));
  Fault f = run(gpu, "u64", lane_address + "ld.global.u32 %r1, [%d1+4];", parameters(a));
  EXPECT_EQ(f.kind, Fault::out_of_bounds);
  EXPECT_EQ(f.kernel, "k");
  EXPECT_EQ(f.line, 10);
  EXPECT_EQ(f.thread[0], 31u);
  EXPECT_EQ(f.instruction, "ld.global.u32 %r1, [%d1+4]");
  EXPECT_NE(f.message().find("allocation of 128 bytes"), std::string::npos) << f.message();
}

TEST(Memory, NonCoherentLoadsReadOnlyWhatTheHostWrote) {
  Gpu gpu;
  V in(64, 7);
  uint64_t a = gpu.array(in);
  const std::string load = "ld.global.nc.u32 %r1, [%d1+128];";
  ASSERT_FALSE(run(gpu, "u64", lane_address + load, parameters(a)));
  ASSERT_FALSE(run(gpu, "u64", lane_address + "st.global.u32 [%d1], %r0;" + load, parameters(a))); // beside it
  ASSERT_FALSE(
      run(gpu, "u64", lane_address + "setp.lt.u32 %p1, %r0, 3; @%p1 st.global.u32 [%d1+128], %r0;", parameters(a)));
  Fault f = run(gpu, "u64", lane_address + load, parameters(a));
  EXPECT_EQ(f.kind, Fault::illegal);
  EXPECT_NE(f.message().find("a kernel has stored"), std::string::npos) << f.message();
  EXPECT_FALSE(run(gpu, "u64", lane_address + "ld.global.u32 %r1, [%d1+128];", parameters(a)));
  gpu.memory.mark_written(a, 256); // a copy from the host
  EXPECT_FALSE(run(gpu, "u64", lane_address + load, parameters(a)));
  EXPECT_NE(refusal(kernel("u64", "ld.shared.nc.u32 %r1, [p0];")), "");
}

TEST(Memory, OutOfBoundsWritesAndStrayPointers) {
  Gpu gpu;
  uint64_t a = gpu.array(V(32, 1));
  EXPECT_EQ(run(gpu, "u64", lane_address + "st.global.u32 [%d1-4], %r0;", parameters(a)).kind, Fault::out_of_bounds);
  EXPECT_EQ(run(gpu, "u64", lane_address + "ld.global.u32 %r1, [%d1];", parameters(uint64_t(16))).kind,
            Fault::out_of_bounds);
  EXPECT_EQ(run(gpu, "u64", lane_address + "ld.u32 %r1, [%d1];", parameters(~uint64_t(127))).kind,
            Fault::out_of_bounds);
  EXPECT_FALSE(
      run(gpu, "u64", lane_address + "setp.lt.u32 %p1, %r0, 31; @%p1 ld.global.u32 %r1, [%d1+4];", parameters(a)));
}

TEST(Memory, Misalignment) {
  Gpu gpu;
  uint64_t a = gpu.array(V(256, 1));
  EXPECT_EQ(run(gpu, "u64", lane_address + "ld.global.v4.u32 {%r1,%r2,%r3,%r4}, [%d1];", parameters(a)).kind,
            Fault::misaligned);
  EXPECT_EQ(run(gpu, "u64", lane_address + "ld.global.u16 %h1, [%d1+1];", parameters(a)).kind, Fault::misaligned);
  Fault f = run(gpu, "u64", "mov.u32 %r0, %tid.x; st.shared.u32 [s+2], %r0;", parameters(a), 32,
                ".shared .align 16 .b8 s[64];\n");
  EXPECT_EQ(f.kind, Fault::misaligned);
}

TEST(Memory, UninitialisedReads) {
  Gpu gpu;
  uint64_t a = gpu.room<uint32_t>(32);
  const std::string load = lane_address + "ld.global.u32 %r1, [%d1];";
  EXPECT_EQ(run(gpu, "u64", load, parameters(a)).kind, Fault::uninitialised);
  gpu.memory.mark_written(a, 124);
  Fault f = run(gpu, "u64", load, parameters(a));
  EXPECT_EQ(f.kind, Fault::uninitialised);
  EXPECT_EQ(f.lane, 31u);
  EXPECT_FALSE(
      run(gpu, "u64", lane_address + "setp.eq.u32 %p1, %r0, 31; @%p1 st.global.u32 [%d1], %r0;", parameters(a)));
  EXPECT_FALSE(run(gpu, "u64", load, parameters(a)));
  gpu.memory.forget(a + 64, 4);
  EXPECT_EQ(run(gpu, "u64", load, parameters(a)).lane, 16u);
  gpu.options.checks = false;
  EXPECT_FALSE(run(gpu, "u64", load, parameters(a)));
}

TEST(Memory, UseAfterFree) {
  Gpu gpu;
  uint64_t a = gpu.array(V(32, 1));
  EXPECT_TRUE(gpu.memory.release(a));
  EXPECT_FALSE(gpu.memory.release(a));
  Fault f = run(gpu, "u64", lane_address + "ld.global.u32 %r1, [%d1];", parameters(a));
  EXPECT_EQ(f.kind, Fault::out_of_bounds);
  EXPECT_NE(f.what.find("freed"), std::string::npos) << f.what;
  EXPECT_EQ(gpu.memory.live_bytes(), 0u);
}

TEST(Memory, HostMemoryMayBeAdopted) {
  Gpu gpu;
  std::vector<uint32_t> host(32, 7);
  ASSERT_TRUE(gpu.memory.adopt(host.data(), 128));
  EXPECT_FALSE(gpu.memory.adopt(host.data() + 1, 4)) << "twice the same";
  uint64_t a = reinterpret_cast<uint64_t>(host.data());
  EXPECT_FALSE(run(gpu, "u64",
                   lane_address + "ld.global.u32 %r1, [%d1]; add.u32 %r1, %r1, %r0; st.global.u32 [%d1], %r1;",
                   parameters(a)));
  EXPECT_EQ(host[31], 38u);
  ASSERT_TRUE(gpu.memory.release(a));
  EXPECT_EQ(run(gpu, "u64", lane_address + "ld.global.u32 %r1, [%d1];", parameters(a)).kind, Fault::out_of_bounds);
}

TEST(Memory, SharedIsCheckedAndWindowed) {
  const std::string scope = ".shared .align 16 .b8 s[128];\n";
  Gpu gpu;
  uint64_t o = gpu.room<uint32_t>(32);
  auto body = [](const std::string &s) {
    return lane_address + "mov.u64 %d2, s; mul.wide.u32 %d3, %r0, 4; add.u64 %d2, %d2, %d3;" + s;
  };
  EXPECT_EQ(run(gpu, "u64", body("ld.shared.u32 %r1, [%d2];"), parameters(o), 32, scope).kind, Fault::uninitialised);
  EXPECT_EQ(run(gpu, "u64", body("st.shared.u32 [%d2+4], %r0;"), parameters(o), 32, scope).kind, Fault::out_of_bounds);
  Fault f = run(gpu, "u64",
                body("st.shared.u32 [%d2], %r0; bar.warp.sync -1; cvta.shared.u64 %d4, %d2; ld.u32 %r1, [%d4];"
                     "isspacep.shared %p1, %d4; isspacep.global %p2, %d1; and.pred %p1, %p1, %p2;"
                     "@%p1 add.u32 %r1, %r1, 1; st.u32 [%d1], %r1;"),
                parameters(o), 32, scope);
  ASSERT_FALSE(f) << f.message();
  EXPECT_EQ(gpu.read<uint32_t>(o, 32)[31], 32u);
}

TEST(Memory, ParametersMayBeIndexed) {
  Gpu gpu;
  uint64_t o = gpu.room<uint32_t>(2);
  const Entry *e = gpu.entry(
      ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .align 4 .b8 p0[8], .param .u64 p1) {"
      ".reg .b64 %d<9>; .reg .b32 %r<9>; mov.b64 %d1, p0; mov.u32 %r1, %tid.x; mad.wide.u32 %d2, %r1, 4, %d1;"
      "ld.param.u32 %r2, [%d2]; ld.param.u64 %d3, [p1]; mad.wide.u32 %d3, %r1, 4, %d3; st.global.u32 [%d3], %r2; ret; "
      "}");
  ASSERT_NE(e, nullptr);
  Launch l{e, {1, 1, 1}, {2, 1, 1}, 0, parameters(7u, 8u, o)};
  Fault f = Machine(gpu.memory, {}).run({&l, 1});
  ASSERT_FALSE(f) << f.message();
  EXPECT_EQ(gpu.read<uint32_t>(o, 2), (V{7, 8}));
  l.block[0] = 9;
  EXPECT_EQ(Machine(gpu.memory, {}).run({&l, 1}).kind, Fault::out_of_bounds);
}

TEST(Memory, DynamicSharedFollowsTheStatic) {
  Gpu gpu;
  const Entry *e =
      gpu.entry(kernel("u64",
                       "mov.u64 %d1, dyn; cvt.u32.u64 %r1, %d1; mov.u32 %r2, dyn; setp.ne.u32 %p1, %r1, %r2; @%p1 trap;"
                       "mov.u32 %r2, %dynamic_smem_size;"
                       "ld.param.u64 %d0, [p0]; st.global.v2.u32 [%d0], {%r1, %r2}; st.shared.u32 [s], %r1;",
                       ".shared .b8 s[20];\n.extern .shared .align 16 .b8 dyn[];\n"));
  ASSERT_NE(e, nullptr);
  EXPECT_EQ(e->static_shared, 20u);
  uint64_t o = gpu.room<uint32_t>(2);
  Launch l{e, {1, 1, 1}, {1, 1, 1}, 100, parameters(o)};
  Fault f = Machine(gpu.memory, {}).run({&l, 1});
  ASSERT_FALSE(f) << f.message();
  EXPECT_EQ(gpu.read<uint32_t>(o, 2), (V{32, 100}));
}

TEST(Memory, ModuleVariablesHoldTheirInitialValues) {
  Gpu gpu;
  uint64_t o = gpu.room<uint32_t>(4);
  const std::string scope = ".global .align 4 .u32 table[3] = {5, 6, 7};\n.const .align 4 .f32 pi = 0f40490FDB;\n"
                            ".global .align 8 .u64 where = table+4;\n.global .align 4 .b8 zero[4];\n";
  Fault f = run(gpu, "u64",
                "ld.param.u64 %d0, [p0]; ld.global.u32 %r1, [table+8]; ld.const.b32 %r2, [pi];"
                "ld.global.u64 %d1, [where]; ld.global.u32 %r3, [%d1]; ld.global.u32 %r4, [zero];"
                "st.global.v4.u32 [%d0], {%r1,%r2,%r3,%r4};",
                parameters(o), 1, scope);
  ASSERT_FALSE(f) << f.message();
  EXPECT_EQ(gpu.read<uint32_t>(o, 4), (V{7, 0x40490fdb, 6, 0}));
  EXPECT_EQ(run(gpu, "u64", "mov.u64 %d1, pi; mov.u32 %r1, 0; st.global.u32 [%d1], %r1;", parameters(o), 1, scope).kind,
            Fault::out_of_bounds);
}

TEST(Memory, LocalMemoryIsEachThreadsOwn) {
  Gpu gpu;
  uint64_t o = gpu.room<uint32_t>(64);
  const std::string body =
      ".local .align 8 .b8 depot[16]; .reg .b64 %SP, %SPL;\n" + lane_address +
      "mov.u64 %SPL, depot; cvta.local.u64 %SP, %SPL; st.local.u32 [%SPL+4], %r0; ld.u32 %r1, [%SP+4];"
      "st.global.u32 [%d1], %r1;";
  Fault f = run(gpu, "u64", body, parameters(o), 64);
  ASSERT_FALSE(f) << f.message();
  EXPECT_EQ(gpu.read<uint32_t>(o, 64)[63], 63u);
}

TEST(Memory, AtomicsAddOverLanesAndBlocks) {
  Gpu gpu;
  const Entry *e = gpu.entry(
      kernel("u64", lane_address + "atom.global.add.u32 %r1, [%d0], 1; red.relaxed.gpu.global.max.s32 [%d0+4], %r0;"
                                   "red.global.add.f32 [%d0+8], 0f3F000000; atom.global.cas.b32 %r2, [%d0+12], 9, 10;"
                                   "red.add.noftz.bf16x2 [%d0+16], 0x3f800000;"));
  for (unsigned threads : {1, 2}) {
    uint64_t a = gpu.array(V{0, 0, 0, 9, 0});
    Launch l{e, {4, 1, 1}, {32, 1, 1}, 0, parameters(a)};
    Options o;
    o.threads = threads;
    Fault f = Machine(gpu.memory, o).run({&l, 1});
    ASSERT_FALSE(f) << f.message();
    EXPECT_EQ(gpu.read<uint32_t>(a, 5), (V{128, 31, 0x42800000, 10, 0x43000000})); // 128 in the upper bfloat
  }
}

TEST(Memory, AtomicsOnSharedReturnTheOldValue) {
  Gpu gpu;
  uint64_t o = gpu.room<uint32_t>(32);
  Fault f = run(gpu, "u64",
                lane_address + "mov.u32 %r9, 100; st.shared.u32 [s], %r9; bar.warp.sync 0xffffffff;"
                               "atom.shared.add.u32 %r1, [s], 2; st.global.u32 [%d1], %r1;",
                parameters(o), 32, ".shared .b32 s;\n");
  ASSERT_FALSE(f) << f.message();
  V got = gpu.read<uint32_t>(o, 32);
  EXPECT_EQ(got[0], 100u);
  EXPECT_EQ(got[31], 162u);
}

TEST(Memory, CopiesCarryWhatIsUninitialised) {
  Gpu gpu;
  uint64_t a = gpu.room<uint32_t>(8), b = gpu.array(V(8, 1));
  gpu.memory.mark_written(a + 4, 4);
  gpu.memory.copy_written(b, a, 32);
  EXPECT_EQ(gpu.memory.check(b + 4, 4, false), Access::ok);
  EXPECT_EQ(gpu.memory.check(b, 4, false), Access::uninitialised);
  EXPECT_EQ(gpu.memory.check(b, 4, true), Access::ok);
  EXPECT_EQ(gpu.memory.check(b + 28, 8, true), Access::out_of_bounds);
}
