// Divergence, what lanes of a warp do together, barriers, and their misuse.
#include "gpu.h"

using namespace ingot::emulator;
using V = std::vector<uint32_t>;

static const std::string store = "ld.param.u64 %d0, [p0]; mad.wide.u32 %d1, %r0, 4, %d0; st.global.u32 [%d1], %r1;\n";

static V lanes(const std::string &body, uint32_t threads = 32, uint64_t seed = 0, const std::string &scope = "") {
  Gpu gpu;
  gpu.options.seed = seed;
  uint64_t o = gpu.room<uint32_t>(threads);
  Fault f = run(gpu, "u64", "mov.u32 %r0, %tid.x;" + body + store, parameters(o), threads, scope);
  EXPECT_FALSE(f) << f.message();
  return f ? V(threads) : gpu.read<uint32_t>(o, threads);
}

static Fault fault(const std::string &body, uint32_t threads = 32, const std::string &scope = "") {
  Gpu gpu;
  uint64_t o = gpu.room<uint32_t>(threads);
  return run(gpu, "u64", "mov.u32 %r0, %tid.x; mov.u32 %r1, 0;" + body + store, parameters(o), threads, scope);
}

TEST(Warp, LoopsOfDifferentLengthConverge) {
  V got =
      lanes("mov.u32 %r1, 0; mov.u32 %r2, %r0;\nL: setp.eq.u32 %p1, %r2, 0; @%p1 bra E; add.u32 %r1, %r1, %r2;"
            "sub.u32 %r2, %r2, 1; bra.uni L;\nE: activemask.b32 %r3; setp.ne.u32 %p2, %r3, -1; @%p2 mov.u32 %r1, 999;");
  for (uint32_t l = 0; l < 32; ++l) EXPECT_EQ(got[l], l * (l + 1) / 2);
}

TEST(Warp, BranchesBothWaysAndBackwards) {
  V got =
      lanes("and.b32 %r2, %r0, 1; setp.eq.u32 %p1, %r2, 0; mov.u32 %r3, 0; bra S;\nB: add.u32 %r1, %r1, 100; bra J;\n"
            "S: mov.u32 %r1, %r0; @%p1 bra B; add.u32 %r1, %r1, 1000;\n"
            "J: add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 3; @%p2 bra T; bra D;\nT: @%p1 bra B; bra J;\nD:");
  for (uint32_t l = 0; l < 32; ++l) EXPECT_EQ(got[l], l % 2 ? l + 1000 : l + 300);
}

TEST(Warp, IndexedBranchesGoEveryWayAtOnce) {
  V got = lanes("and.b32 %r2, %r0, 3;\nT: .branchtargets A, B, C, A;\nbrx.idx %r2, T;\nA: mov.u32 %r1, 10; bra J;\n"
                "B: mov.u32 %r1, 20; bra J;\nC: mov.u32 %r1, 30;\nJ: bar.warp.sync -1;");
  for (uint32_t l = 0; l < 32; ++l) EXPECT_EQ(got[l], l % 4 == 1 ? 20 : l % 4 == 2 ? 30 : 10);
  EXPECT_EQ(fault("T: .branchtargets A;\nbrx.idx %r0, T;\nA:").kind, Fault::illegal);
}

TEST(Warp, ShufflesFollowTheIsa) {
  auto shuffle = [](const std::string &rest) {
    return lanes("mul.lo.u32 %r2, %r0, 10; shfl.sync." + rest + "; @!%p1 add.u32 %r1, %r1, 5;");
  };
  V up = shuffle("up.b32 %r1|%p1, %r2, 1, 0, -1"), down = shuffle("down.b32 %r1|%p1, %r2, 2, 31, -1");
  V bfly = shuffle("bfly.b32 %r1|%p1, %r2, 16, 31, -1"), idx = shuffle("idx.b32 %r1|%p1, %r2, 3, 0x101f, -1");
  V half = shuffle("down.b32 %r1|%p1, %r2, 1, 0x100f, -1");
  for (uint32_t l = 0; l < 32; ++l) {
    EXPECT_EQ(up[l], l ? (l - 1) * 10 : 5);
    EXPECT_EQ(down[l], l < 30 ? (l + 2) * 10 : l * 10 + 5);
    EXPECT_EQ(bfly[l], (l ^ 16) * 10);
    EXPECT_EQ(idx[l], (l & 16) * 10 + 30);
    EXPECT_EQ(half[l], l % 16 < 15 ? (l + 1) * 10 : l * 10 + 5);
  }
}

TEST(Warp, HalfWarpsShuffleEachForItself) {
  // The halves loop differently often, and meet in the same instruction only at times.
  V got = lanes(
      "and.b32 %r5, %r0, 16; shl.b32 %r6, 0xffff, %r5; shr.u32 %r7, %r5, 3; add.u32 %r7, %r7, 1; mov.u32 %r1, %r0;\n"
      "L: shfl.sync.bfly.b32 %r2, %r1, 1, 0x101f, %r6; add.u32 %r1, %r1, %r2; sub.u32 %r7, %r7, 1;"
      "setp.gt.u32 %p1, %r7, 0; @%p1 bra L;");
  for (uint32_t l = 0; l < 32; ++l) EXPECT_EQ(got[l], l < 16 ? l + (l ^ 1) : (l + (l ^ 1)) * 4);
}

TEST(Warp, DriftShowsAMissingWarpSync) {
  // Each lane writes its place in global memory and reads its neighbour's.
  auto exchange = [](const std::string &sync, uint64_t seed) {
    Gpu gpu;
    gpu.options.seed = seed;
    gpu.options.drift = true;
    uint64_t a = gpu.array(V(32, 99)), o = gpu.room<uint32_t>(32);
    Fault f = run(
        gpu, "u64 u64",
        "mov.u32 %r0, %tid.x; ld.param.u64 %d2, [p1]; mad.wide.u32 %d3, %r0, 4, %d2; st.global.u32 [%d3], %r0;" + sync +
            "xor.b32 %r2, %r0, 1; mad.wide.u32 %d3, %r2, 4, %d2; ld.global.u32 %r1, [%d3]; bar.warp.sync -1;" + store,
        parameters(o, a));
    EXPECT_FALSE(f) << f.message();
    V got = gpu.read<uint32_t>(o, 32);
    for (uint32_t l = 0; l < 32; ++l)
      if (got[l] != (l ^ 1)) return false;
    return true;
  };
  int wrong = 0;
  for (uint64_t seed = 1; seed < 60; ++seed) {
    EXPECT_TRUE(exchange("bar.warp.sync -1;", seed));
    wrong += !exchange("", seed);
  }
  EXPECT_GT(wrong, 0);
}

TEST(Warp, VotesMatchesAndReductions) {
  EXPECT_EQ(lanes("setp.lt.u32 %p1, %r0, 5; vote.sync.ballot.b32 %r1, %p1, -1;")[0], 31u);
  EXPECT_EQ(lanes("setp.lt.u32 %p1, %r0, 32; vote.sync.all.pred %p2, %p1, -1; selp.u32 %r1, 1, 0, %p2;")[9], 1u);
  EXPECT_EQ(lanes("setp.eq.u32 %p1, %r0, 7; vote.sync.any.pred %p2, %p1, -1; selp.u32 %r1, 1, 0, %p2;")[9], 1u);
  EXPECT_EQ(lanes("and.b32 %r2, %r0, 3; match.any.sync.b32 %r1, %r2, -1;")[1], 0x22222222u);
  EXPECT_EQ(lanes("redux.sync.add.s32 %r1, %r0, -1;")[3], 496u);
  EXPECT_EQ(lanes("sub.u32 %r2, 0, %r0; redux.sync.min.s32 %r1, %r2, -1;")[3], uint32_t(-31));
  EXPECT_EQ(lanes("elect.sync %r1|%p1, -1; @%p1 mov.u32 %r1, 77;")[0], 77u);
}

TEST(Warp, MissingLanesAreAFault) {
  EXPECT_EQ(fault("setp.lt.u32 %p1, %r0, 16; @%p1 shfl.sync.bfly.b32 %r1, %r0, 1, 31, -1; bar.warp.sync -1;").kind,
            Fault::divergent);
  EXPECT_EQ(
      fault("setp.lt.u32 %p1, %r0, 16; @%p1 bra A; bra B;\nA: shfl.sync.idx.b32 %r1, %r0, 20, 31, 0xffff;\nB:").kind,
      Fault::inactive_lane);
  EXPECT_EQ(fault("shfl.sync.idx.b32 %r1, %r0, 0, 31, 0xffff;").kind, Fault::divergent);
  EXPECT_EQ(fault("setp.lt.u32 %p1, %r0, 16; @%p1 bar.warp.sync -1; bar.sync 0;").kind, Fault::divergent);
  EXPECT_FALSE(
      fault("setp.lt.u32 %p1, %r0, 16; @%p1 bra A; bra B;\nA: shfl.sync.idx.b32 %r1, %r0, 3, 31, 0xffff;\nB:"));
}

TEST(Warp, BarriersJoinAllWarps) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    V got =
        lanes("mul.wide.u32 %d5, %r0, 4; mov.u64 %d6, s; add.u64 %d6, %d6, %d5; st.shared.u32 [%d6], %r0; bar.sync 0;"
              "xor.b32 %r2, %r0, 127; mul.wide.u32 %d5, %r2, 4; mov.u64 %d6, s; add.u64 %d6, %d6, %d5; ld.shared.u32 "
              "%r1, [%d6];",
              128, seed, ".shared .align 4 .b8 s[512];\n");
    for (uint32_t t = 0; t < 128; ++t) EXPECT_EQ(got[t], t ^ 127);
  }
}

TEST(Warp, BarrierReductions) {
  EXPECT_EQ(lanes("setp.lt.u32 %p1, %r0, 40; bar.red.popc.u32 %r1, 0, %p1;", 64)[50], 40u);
  EXPECT_EQ(lanes("setp.lt.u32 %p1, %r0, 40; barrier.cta.red.or.aligned.pred %p2, 1, 64, %p1; selp.u32 %r1, 1, 0, %p2;",
                  64)[50],
            1u);
  EXPECT_EQ(lanes("setp.lt.u32 %p1, %r0, 40; bar.red.and.pred %p2, 0, !%p1; selp.u32 %r1, 1, 0, %p2;", 64)[50], 0u);
}

TEST(Warp, NamedBarriersOfSomeWarps) {
  // Warps 0 and 1 meet at barrier 1; warp 2 arrives at barrier 2, where warp 3 waits.
  V got = lanes(
      "mov.u32 %r1, 1; shr.u32 %r2, %r0, 5; setp.lt.u32 %p1, %r2, 2; setp.eq.u32 %p2, %r2, 2; setp.eq.u32 %p3, %r2, 3;"
      "@%p1 barrier.sync 1, 64; @%p2 barrier.arrive 2, 64; @%p3 bar.sync 2, 64;",
      128);
  EXPECT_EQ(got[127], 1u);
}

TEST(Warp, DivergentAndIncompleteBarriersAreFaults) {
  EXPECT_EQ(fault("setp.lt.u32 %p1, %r0, 16; @%p1 bar.sync 0; bar.sync 0;", 64).kind, Fault::divergent);
  EXPECT_EQ(fault("bar.sync 0, 96;", 64).kind, Fault::illegal);
  Fault f = fault("setp.lt.u32 %p1, %r0, 32; @%p1 bar.sync 1, 64; bar.sync 0;", 64);
  EXPECT_EQ(f.kind, Fault::deadlock) << f.message();
  EXPECT_EQ(fault("bar.sync 16;").kind, Fault::illegal);
  EXPECT_FALSE(fault("setp.ge.u32 %p1, %r0, 32; @%p1 ret; bar.sync 0;", 64)) << "exited warps do not count";
}

TEST(Warp, TrapsTimeoutsAndTheEndOfTheCode) {
  Fault f = fault("setp.eq.u32 %p1, %r0, 7; @%p1 trap;");
  EXPECT_EQ(f.kind, Fault::trap);
  EXPECT_EQ(f.thread[0], 7u);
  Gpu gpu;
  gpu.options.instruction_limit = 100000;
  EXPECT_EQ(run(gpu, "u64", "L: bra L;", parameters(uint64_t(0))).kind, Fault::timeout);
  std::atomic<bool> cancel{true};
  gpu.options.cancel = &cancel;
  EXPECT_EQ(run(gpu, "u64", "L: bra L;", parameters(uint64_t(0))).kind, Fault::cancelled);
}

TEST(Warp, SpecialRegistersOfAThreeDimensionalLaunch) {
  Gpu gpu;
  const Entry *e = gpu.entry(kernel(
      "u64", "mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ntid.y;"
             "mad.lo.u32 %r5, %r3, %r4, %r2; mov.u32 %r6, %ntid.x; mad.lo.u32 %r5, %r5, %r6, %r1;"
             "mov.u32 %r7, %ctaid.z; mov.u32 %r8, %nctaid.y; mov.u32 %r9, %ctaid.y; mad.lo.u32 %r7, %r7, %r8, %r9;"
             "mad.lo.u32 %r7, %r7, 30, %r5; ld.param.u64 %d0, [p0]; mad.wide.u32 %d1, %r7, 4, %d0; st.global.u32 "
             "[%d1], %r7;"));
  uint64_t o = gpu.room<uint32_t>(180);
  Launch l{e, {1, 2, 3}, {5, 3, 2}, 0, parameters(o)};
  Fault f = Machine(gpu.memory, {}).run({&l, 1});
  ASSERT_FALSE(f) << f.message();
  V got = gpu.read<uint32_t>(o, 180);
  for (uint32_t k = 0; k < 180; ++k) EXPECT_EQ(got[k], k);
}

TEST(Warp, LaunchesThatCannotBe) {
  Gpu gpu;
  const Entry *e = gpu.entry(
      ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u32 n) .maxntid 64, 1, 1 { ret; }");
  Options o;
  auto kind = [&](Launch l) { return check(l, o).kind; };
  EXPECT_EQ(kind({e, {1, 1, 1}, {65, 1, 1}, 0, parameters(1u)}), Fault::launch);
  EXPECT_EQ(kind({e, {0, 1, 1}, {32, 1, 1}, 0, parameters(1u)}), Fault::launch);
  EXPECT_EQ(kind({e, {1, 1, 1}, {32, 1, 1}, 300000, parameters(1u)}), Fault::launch);
  EXPECT_EQ(kind({e, {0x7fffffff, 65535, 65535}, {32, 1, 1}, 0, parameters(1u)}), Fault::launch);
  EXPECT_EQ(kind({e, {1, 1, 1}, {32, 1, 1}, 0, {}}), Fault::launch);
  EXPECT_EQ(kind({e, {1, 1, 1}, {64, 1, 1}, 0, parameters(1u)}), Fault::none);
}
