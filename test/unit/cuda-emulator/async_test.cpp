// cp.async, its groups, and shared-memory races.
#include "gpu.h"

using namespace ingot::emulator;
using V = std::vector<uint32_t>;

static const std::string shared = ".shared .align 16 .b8 s[2048];\n";
// %d2: this lane's 16 bytes of the source p0, %r2: of shared memory, %d3: its u32 of the result p1.
static const std::string places =
    "ld.param.u64 %d0, [p0]; ld.param.u64 %d1, [p1]; mov.u32 %r0, %tid.x; mad.wide.u32 %d2, %r0, 16, %d0;"
    "mad.wide.u32 %d3, %r0, 4, %d1; mov.u32 %r2, s; shl.b32 %r3, %r0, 4; add.u32 %r2, %r2, %r3;\n";
static const std::string copy = "cp.async.cg.shared.global [%r2], [%d2], 16;\n";
static const std::string load_back = "ld.shared.u32 %r1, [%r2]; st.global.u32 [%d3], %r1;\n";

struct Outcome {
  Fault fault;
  V values;
};
static Outcome run_copy(const std::string &body, AsyncCopies when, uint32_t threads = 32, uint64_t seed = 1,
                        bool races = false) {
  Gpu gpu;
  gpu.options.seed = seed;
  gpu.options.async_copies = when;
  gpu.options.races = races;
  V in(1024);
  for (uint32_t k = 0; k < 1024; ++k) in[k] = k + 1;
  uint64_t o = gpu.room<uint32_t>(threads);
  Fault f = run(gpu, "u64 u64", places + body, parameters(gpu.array(in), o), threads, shared);
  bool stored = !f && gpu.memory.check(o, threads * 4, false) == Access::ok;
  return {f, stored ? gpu.read<uint32_t>(o, threads) : V()};
}
static const AsyncCopies every[] = {AsyncCopies::eager, AsyncCopies::late, AsyncCopies::random};

TEST(Async, AWaitedCopyIsThere) {
  for (AsyncCopies when : every) {
    Outcome r = run_copy(copy + "cp.async.commit_group; cp.async.wait_group 0;" + load_back, when);
    ASSERT_FALSE(r.fault) << r.fault.message();
    EXPECT_EQ(r.values[5], 21u);
    EXPECT_FALSE(run_copy(copy + "cp.async.wait_all;" + load_back, when).fault);
  }
}

TEST(Async, ReadingBeforeTheWaitIsAFault) {
  for (AsyncCopies when : every) {
    EXPECT_EQ(run_copy(copy + "cp.async.commit_group;" + load_back, when).fault.kind, Fault::pending_copy);
    EXPECT_EQ(run_copy(copy + "cp.async.commit_group; cp.async.wait_group 1;" + load_back, when).fault.kind,
              Fault::pending_copy);
    EXPECT_EQ(run_copy(copy + "cp.async.wait_group 0;" + load_back, when).fault.kind, Fault::pending_copy)
        << "never committed";
    EXPECT_EQ(run_copy(copy + "st.shared.u32 [%r2], %r0;", when).fault.kind, Fault::pending_copy);
  }
}

TEST(Async, TheOldestGroupsLandFirst) {
  const std::string two =
      copy + "cp.async.commit_group; cp.async.cg.shared.global [%r2+512], [%d2+512], 16; cp.async.commit_group;";
  for (AsyncCopies when : every) {
    EXPECT_FALSE(run_copy(two + "cp.async.wait_group 1;" + load_back, when).fault);
    EXPECT_EQ(run_copy(two + "cp.async.wait_group 1; ld.shared.u32 %r1, [%r2+512];", when).fault.kind,
              Fault::pending_copy);
    EXPECT_FALSE(run_copy(two + "cp.async.wait_group 0; ld.shared.u32 %r1, [%r2+512];", when).fault);
  }
}

TEST(Async, ShortSourcesAreFilledWithZeroes) {
  const std::string body =
      "and.b32 %r4, %r0, 1; shl.b32 %r4, %r4, 3; cp.async.cg.shared.global [%r2], [%d2], 16, %r4;"
      "cp.async.wait_all; ld.shared.v4.u32 {%r5,%r6,%r7,%r8}, [%r2]; add.u32 %r1, %r6, %r7; st.global.u32 [%d3], %r1;";
  for (AsyncCopies when : every) {
    Outcome r = run_copy(body, when);
    ASSERT_FALSE(r.fault) << r.fault.message();
    EXPECT_EQ(r.values[4], 0u);
    EXPECT_EQ(r.values[5], 22u);
  }
  Outcome r =
      run_copy("setp.eq.u32 %p1, %r0, 3; cp.async.ca.shared.global.L2::128B [%r2], [%d2], 4, %p1; cp.async.wait_all;" +
                   load_back,
               AsyncCopies::late);
  ASSERT_FALSE(r.fault) << r.fault.message();
  EXPECT_EQ(r.values[2], 9u);
  EXPECT_EQ(r.values[3], 0u);
}

TEST(Async, SourcesAndTargetsAreChecked) {
  EXPECT_EQ(run_copy("cp.async.cg.shared.global [%r2], [%d2+3600], 16;", AsyncCopies::eager).fault.kind,
            Fault::out_of_bounds);
  EXPECT_EQ(run_copy("cp.async.cg.shared.global [%r2+1600], [%d2], 16;", AsyncCopies::eager).fault.kind,
            Fault::out_of_bounds);
  EXPECT_EQ(run_copy("cp.async.cg.shared.global [%r2+4], [%d2], 16;", AsyncCopies::eager).fault.kind,
            Fault::misaligned);
}

TEST(Async, LanesMayWaitForDifferentGroups) {
  // Odd lanes commit twice; a wait for all but one leaves their second group and everybody else's first.
  const std::string body = copy + "cp.async.commit_group; and.b32 %r4, %r0, 1; setp.eq.u32 %p1, %r4, 1;"
                                  "@%p1 cp.async.commit_group; cp.async.wait_group 1; @%p1 ld.shared.u32 %r1, [%r2];";
  EXPECT_FALSE(run_copy(body, AsyncCopies::late).fault);
  EXPECT_EQ(run_copy(body + "ld.shared.u32 %r1, [%r2];", AsyncCopies::late).fault.lane, 0u);
}

TEST(Races, AMissingBarrierIsFound) {
  const std::string exchange = "st.shared.u32 [%r2], %r0;",
                    elsewhere = "xor.b32 %r4, %r3, 512; mov.u32 %r5, s; add.u32 %r2, %r4, %r5;" + load_back;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    Fault good = run_copy(exchange + "bar.sync 0;" + elsewhere, AsyncCopies::eager, 64, seed, true).fault;
    EXPECT_FALSE(good) << good.message();
    Fault bad = run_copy(exchange + elsewhere, AsyncCopies::eager, 64, seed, true).fault;
    EXPECT_TRUE(bad.kind == Fault::race || bad.kind == Fault::uninitialised) << bad.message();
  }
  // Reads before the next round's writes need a barrier too.
  Fault again =
      run_copy(exchange + "bar.sync 0;" + elsewhere + "st.shared.u32 [%r3], %r0;", AsyncCopies::eager, 64, 0, true)
          .fault;
  EXPECT_EQ(again.kind, Fault::race) << again.message();
  EXPECT_FALSE(run_copy(exchange + "bar.sync 0;" + elsewhere + "bar.sync 0; st.shared.u32 [%r3], %r0;",
                        AsyncCopies::eager, 64, 0, true)
                   .fault);
}

TEST(Races, GlobalMemoryBetweenThreadsOfABlock) {
  auto exchange = [](const std::string &sync, const std::string &distance, const std::string &then = "") {
    Gpu gpu;
    gpu.options.races = gpu.options.global_races = true;
    uint64_t a = gpu.array(V(64, 99));
    return run(gpu, "u64",
               "mov.u32 %r0, %tid.x; ld.param.u64 %d2, [p0]; mad.wide.u32 %d3, %r0, 4, %d2; st.global.u32 [%d3], %r0;" +
                   sync + "xor.b32 %r2, %r0, " + distance +
                   "; mad.wide.u32 %d3, %r2, 4, %d2; ld.global.u32 %r1, [%d3];" + then,
               parameters(a), 64);
  };
  EXPECT_EQ(exchange("", "1;").kind, Fault::race);
  EXPECT_FALSE(exchange("bar.warp.sync -1;", "1;"));
  EXPECT_EQ(exchange("bar.warp.sync -1;", "32;").kind, Fault::race);
  EXPECT_FALSE(exchange("bar.sync 0;", "32;"));
  EXPECT_FALSE(exchange("", "0;"));
  EXPECT_EQ(
      exchange("bar.sync 0;", "32;", "st.global.u32 [%d3], %r0; st.global.u32 [%d2], %r0; ld.global.u32 %r1, [%d2];")
          .kind,
      Fault::race);
}

TEST(Races, AtomicsDoNotRaceWithEachOther) {
  const std::string zero = "setp.eq.u32 %p1, %r0, 0; mov.u32 %r1, 0; @%p1 st.shared.u32 [s], %r1; bar.sync 0;";
  EXPECT_FALSE(
      run_copy(zero + "atom.shared.add.u32 %r1, [s], 1; red.shared.add.u32 [s], 1;", AsyncCopies::eager, 64, 1, true)
          .fault);
  EXPECT_EQ(
      run_copy(zero + "red.shared.add.u32 [s], 1; ld.shared.u32 %r1, [s];", AsyncCopies::eager, 64, 1, true).fault.kind,
      Fault::race);
}

TEST(Races, LanesOfAWarpNeedASyncToo) {
  const std::string exchange = "st.shared.u32 [%r2], %r0;",
                    elsewhere = "xor.b32 %r4, %r3, 16; mov.u32 %r5, s; add.u32 %r2, %r4, %r5;" + load_back;
  EXPECT_EQ(run_copy(exchange + elsewhere, AsyncCopies::eager, 32, 0, true).fault.kind, Fault::race);
  EXPECT_FALSE(run_copy(exchange + "bar.warp.sync -1;" + elsewhere, AsyncCopies::eager, 32, 0, true).fault);
}

TEST(Races, ACopyIsSeenByOthersOnlyBehindABarrier) {
  const std::string elsewhere = "xor.b32 %r4, %r3, 512; mov.u32 %r5, s; add.u32 %r2, %r4, %r5;" + load_back;
  EXPECT_FALSE(run_copy(copy + "cp.async.wait_all; bar.sync 0;" + elsewhere, AsyncCopies::late, 64, 2, true).fault);
  EXPECT_TRUE(run_copy(copy + "bar.sync 0; cp.async.wait_all;" + elsewhere, AsyncCopies::late, 64, 2, true).fault);
}
