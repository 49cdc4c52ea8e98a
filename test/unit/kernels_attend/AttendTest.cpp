// Attention kernels against the numerics reference, bit for bit: several sequences a step, pages in disorder, stale
// slots full of NaN, GQA, window, softcap, alibi, sinks, f32 and f16 caches, head sizes that people have, both levels.
#include "test/unit/kernels_attend/AttendStep.h"
#include "test/unit/target/LoadedCode.h"

#include <map>

using namespace ingot;
using namespace ingot::cpu;

namespace {

// The kernels of every case at one level, compiled once for all tests.
struct Kernels {
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  LoadedCode code;

  explicit Kernels(CpuLevel level) : code(*context, level) {
    for (const Case &c : allCases) {
      KernelVariant variant;
      variant.kernel = c.name, variant.grid = GridKind::queryTiles, variant.units = c.kvHeads;
      AttendShape shape = shapeOf(c);
      auto body = [&](Emitter &e) -> mlir::FailureOr<uint64_t> {
        emitAttend(e, shape, {e.slotPointer(0), e.slotPointer(1), e.slot(2), c.sinks ? e.slotPointer(3) : Value()});
        return attendScratchBytes(shape);
      };
      EXPECT_TRUE(succeeded(code.emit(variant, body)));
    }
    EXPECT_TRUE(code.compile()) << code.error;
  }

  static Kernels &of(CpuLevel level) {
    static std::map<CpuLevel, std::unique_ptr<Kernels>> all;
    std::unique_ptr<Kernels> &kernels = all[level];
    if (!kernels) kernels = std::make_unique<Kernels>(level);
    return *kernels;
  }
};

class AttendKernels : public testing::TestWithParam<CpuLevel> {
protected:
  void SetUp() override {
    if (!runs(GetParam())) GTEST_SKIP() << "this CPU lacks level " << name(GetParam());
  }
  void check(std::vector<Sequence> sequences) {
    for (const Case &c : allCases) {
      Step step(c, sequences);
      auto kernel = Kernels::of(GetParam()).code.kernel(c.name);
      std::vector<uint8_t> scratch(attendScratchBytes(shapeOf(c)) + 64, 0xff);
      auto aligned = reinterpret_cast<void *>((uintptr_t(scratch.data()) + 63) & ~uintptr_t(63));
      auto result = step.run(1, nullptr, [&](const ingot_args *args) {
        uint64_t items = step.queryTiles() * c.kvHeads;
        for (uint64_t i = 0; i < items; i += 2) // as workers take them
          EXPECT_EQ(kernel(args, i, std::min(items, i + 2), aligned), 0);
      });
      auto wrong = [](const std::vector<float> &expected, const float *row) {
        return memcmp(expected.data(), row, expected.size() * 4) != 0;
      };
      EXPECT_EQ(step.count(result, wrong), 0u) << c.name << ": of " << step.rows() << " rows";
    }
  }
};

TEST_P(AttendKernels, DecodeAtEveryDepth) {
  for (uint64_t past : {0, 1, 15, 16, 31, 126, 127, 128, 129, 255, 256, 300, 511}) check({{past, 1, {}, {}}});
}

TEST_P(AttendKernels, PromptsFromNothing) {
  for (uint64_t fresh : {2, 5, 17, 130, 270}) check({{0, fresh, {}, {}}});
}

TEST_P(AttendKernels, ChunksAfterAPast) {
  for (uint64_t past : {1, 100, 125, 200, 253}) check({{past, 9, {}, {}}, {past + 3, 150, {}, {}}});
}

TEST_P(AttendKernels, MixedSequences) {
  check({{300, 1, {}, {}}, {0, 20, {}, {}}, {127, 3, {}, {}}, {0, 1, {}, {}}, {64, 40, {}, {}}});
}

INSTANTIATE_TEST_SUITE_P(Levels, AttendKernels, testLevels(),
                         [](const auto &info) { return std::string(levelName(info.param)); });

} // namespace
