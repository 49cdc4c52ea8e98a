// Chains of launches and programmatic dependent launch: what a missing griddepcontrol.wait does.
#include "gpu.h"

using namespace ingot::emulator;
using V = std::vector<uint32_t>;

// `first` writes thread + 1 to p0; `second` adds the p0 of the thread to its p1, after `wait`.
static std::string two(const std::string &wait) {
  const std::string at =
      "ld.param.u64 %d0, [p0]; mov.u32 %r0, %tid.x; mov.u32 %r1, %ctaid.x; mad.lo.u32 %r0, %r1, 32, %r0;"
      "mad.wide.u32 %d0, %r0, 4, %d0;";
  const std::string registers = ".reg .b32 %r<8>; .reg .b64 %d<8>;";
  return ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry first(.param .u64 p0) {" + registers + at +
         "griddepcontrol.launch_dependents; griddepcontrol.wait; add.u32 %r2, %r0, 1; st.global.u32 [%d0], %r2; ret; "
         "}\n"
         ".visible .entry second(.param .u64 p0, .param .u64 p1) {" +
         registers + at + "griddepcontrol.launch_dependents;" + wait +
         "ld.global.u32 %r2, [%d0]; ld.param.u64 %d1, [p1]; mad.wide.u32 %d1, %r0, 4, %d1; st.global.u32 [%d1], %r2; "
         "ret; }\n";
}

struct Outcome {
  Fault fault;
  V values;
};
static Outcome run_two(const std::string &wait, bool programmatic, Dependents order, uint64_t seed, unsigned threads,
                       uint32_t ctas = 40) {
  Gpu gpu;
  EXPECT_NE(gpu.entry(two(wait), "first"), nullptr);
  EXPECT_TRUE(gpu.module->entry("first")->waits);
  uint64_t a = gpu.array(V(ctas * 32, 0)), b = gpu.room<uint32_t>(ctas * 32);
  Launch chain[2] = {{gpu.module->entry("first"), {ctas, 1, 1}, {32, 1, 1}, 0, parameters(a)},
                     {gpu.module->entry("second"), {ctas, 1, 1}, {32, 1, 1}, 0, parameters(a, b)}};
  chain[1].programmatic = programmatic;
  Options o;
  o.seed = seed;
  o.threads = threads;
  o.dependents = order;
  Fault f = Machine(gpu.memory, o).run(chain);
  return {f, f ? V() : gpu.read<uint32_t>(b, ctas * 32)};
}

static V counted(uint32_t n) {
  V v(n);
  for (uint32_t k = 0; k < n; ++k) v[k] = k + 1;
  return v;
}

TEST(Chain, AWaitOrdersTheDependentBehind) {
  for (unsigned threads : {1, 2})
    for (uint64_t seed = 0; seed < 8; ++seed) {
      Outcome r = run_two("griddepcontrol.wait;", true, Dependents::by_seed, seed, threads, seed % 2 ? 40 : 400);
      ASSERT_FALSE(r.fault) << r.fault.message();
      EXPECT_EQ(r.values, counted(seed % 2 ? 1280 : 12800)) << seed;
    }
}

TEST(Chain, WithoutAWaitTheDependentSeesOldMemory) {
  Outcome r = run_two("", true, Dependents::early, 1, 1);
  ASSERT_FALSE(r.fault) << r.fault.message();
  EXPECT_EQ(r.values, V(1280, 0));
  int caught = 0;
  for (uint64_t seed = 1; seed < 9; ++seed)
    caught += run_two("", true, Dependents::by_seed, seed, 1).values != counted(1280);
  EXPECT_GE(caught, 4) << "of 8 seeds";
}

TEST(Chain, PlainLaunchesAreOrderedAnyway) {
  for (uint64_t seed = 0; seed < 4; ++seed)
    EXPECT_EQ(run_two("", false, Dependents::by_seed, seed, 2).values, counted(1280));
  EXPECT_EQ(run_two("", true, Dependents::in_order, 1, 1).values, counted(1280));
}

TEST(Chain, ALaunchMayStartTwoAheadOfItsData) {
  // The third waits, but on the second only by its own wait; all of them wait, so the data of the first is there.
  Gpu gpu;
  ASSERT_NE(gpu.entry(two("griddepcontrol.wait;"), "first"), nullptr);
  for (uint64_t seed = 1; seed < 12; ++seed) {
    uint64_t a = gpu.array(V(64, 0)), b = gpu.array(V(64, 0)), c = gpu.room<uint32_t>(64);
    const Entry *second = gpu.module->entry("second");
    std::vector<Launch> chain{{gpu.module->entry("first"), {2, 1, 1}, {32, 1, 1}, 0, parameters(a)},
                              {second, {2, 1, 1}, {32, 1, 1}, 0, parameters(a, b)},
                              {second, {2, 1, 1}, {32, 1, 1}, 0, parameters(b, c)}};
    for (Launch &l : chain) l.programmatic = true;
    Options o;
    o.seed = seed;
    Fault f = Machine(gpu.memory, o).run(chain, &gpu.counters);
    ASSERT_FALSE(f) << f.message();
    EXPECT_EQ(gpu.read<uint32_t>(c, 64), counted(64));
  }
}

TEST(Chain, AGridWithoutAWaitDoesNotPassTheOrderOn) {
  // Hardware would let the third read while the first still writes, though the third waits: the second did not.
  for (bool programmatic : {true, false}) {
    Gpu gpu;
    ASSERT_NE(gpu.entry(two("") + ".visible .entry third() { griddepcontrol.wait; ret; }\n", "third"), nullptr);
    uint64_t a = gpu.array(V(64, 0)), b = gpu.array(V(64, 0));
    std::vector<Launch> chain{{gpu.module->entry("first"), {2, 1, 1}, {32, 1, 1}, 0, parameters(a)},
                              {gpu.module->entry("second"), {2, 1, 1}, {32, 1, 1}, 0, parameters(a, b)},
                              {gpu.module->entry("third"), {2, 1, 1}, {32, 1, 1}, 0, {}}};
    chain[1].programmatic = true;
    chain[2].programmatic = programmatic;
    Fault f = Machine(gpu.memory, {}).run(chain, &gpu.counters);
    EXPECT_EQ(f.kind, programmatic ? Fault::launch : Fault::none);
    if (programmatic) EXPECT_NE(f.message().find("kernel third"), std::string::npos) << f.message();
  }
}

TEST(Chain, TheFirstFaultEndsIt) {
  Outcome r = run_two("griddepcontrol.wait; trap;", true, Dependents::by_seed, 3, 2);
  EXPECT_EQ(r.fault.kind, Fault::trap);
  EXPECT_EQ(r.fault.kernel, "second");
}
