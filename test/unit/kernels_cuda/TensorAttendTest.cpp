// Flash-decoding on the emulated card against the scalar reference: close, and the same bits however the step is cut.
#include "compiler/kernels/cuda/Attend.h"
#include "test/unit/kernels_attend/AttendStep.h"
#include "test/unit/kernels_cuda/EmulatedCode.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

const Case tensorCases[] = {
    {"smollm2", 9, 3, 64, 64, 2},
    {"gqa_window", 8, 2, 16, 32, 2, 0, 45},
    {"mqa_softcap", 13, 1, 32, 128, 2, 5.0f},
    {"long_window", 6, 2, 48, 16, 2, 3.0f, 600},
    {"bloom", 6, 6, 80, 80, 2, 0, 0, true, false, 0.1118f},
    {"gpt_oss", 16, 2, 64, 64, 2, 0, 128, false, true},
    {"all_at_once", 6, 2, 32, 48, 2, 7.0f, 70, true, true, -0.3f},
    {"gemma", 4, 1, 256, 256, 2, 50.0f, 140},
    {"wide_cache", 6, 2, 64, 64, 4},
    {"wide_odd", 5, 1, 80, 112, 4, 30.0f, 100, true, true},
    {"brain", 6, 2, 64, 64, 2, 0, 0, false, false, 0.125f, true},
    {"brain_wide", 4, 1, 128, 80, 2, 3.0f, 600, true, true, 0.125f, true},
};

constexpr bool allExact[] = {false, true};

std::string nameOf(const Case &c, bool exact) { return c.name + std::string(exact ? "_exact" : ""); }

struct Kernels {
  std::unique_ptr<mlir::MLIRContext> context = makeContext();
  LoadedCode code{*context, CpuLevel::v4};

  Kernels() {
    for (const Case &c : tensorCases)
      for (bool exact : allExact) {
        AttendShape shape = shapeOf(c);
        if (!cuda::isTensorAttend(shape, exact)) continue;
        KernelVariant main, finish;
        main.kernel = nameOf(c, exact), main.grid = GridKind::queryTiles, main.units = c.kvHeads;
        EXPECT_TRUE(succeeded(
            cuda::emitTensorAttend(*code.module, main, shape, cuda::attendTerms(shape, exact), [](Emitter &e) {
              return cuda::AttendOperands{e.slotPointer(0), e.slotPointer(4), e.slot(2)};
            })));
        code.add(main);
        finish.kernel = main.kernel + "_finish", finish.units = c.heads;
        EXPECT_TRUE(succeeded(code.emit(finish, [&](Emitter &e) -> mlir::FailureOr<uint64_t> {
          cuda::emitAttendFinish(e, shape, e.slotPointer(4), e.slotPointer(1), c.sinks ? e.slotPointer(3) : Value());
          return 0;
        })));
      }
    EXPECT_TRUE(code.compile()) << code.error;
  }

  static Kernels &get() {
    static Kernels kernels;
    return kernels;
  }
};

using Bytes = std::vector<uint8_t>;

Bytes attend(Step &step, const Case &c, bool exact, bool split) {
  uint64_t splits = split ? (step.longest() + INGOT_SPLIT_TOKENS - 1) / INGOT_SPLIT_TOKENS : 1;
  Bytes partials(step.rows() * splits * cuda::attendPartialBytes(shapeOf(c)) + 64, 0xff);
  auto aligned = reinterpret_cast<void *>((uintptr_t(partials.data()) + 63) & ~uintptr_t(63));
  LoadedCode &code = Kernels::get().code;
  return step.run(splits, aligned, [&](const ingot_args *args) {
    EXPECT_EQ(code.kernel(nameOf(c, exact))(args, 0, step.queryTiles() * splits * c.kvHeads, nullptr), 0);
    EXPECT_EQ(code.kernel(nameOf(c, exact) + "_finish")(args, 0, step.rows() * c.heads, nullptr), 0);
  });
}

// Bounds on |error| / (1 + |value|): f16 rounds q and p to 2^-11, bf16 to 2^-8, f32 all four to 2^-16; exact ones are
// rounded to 2^-22 or better.
void check(std::vector<Sequence> sequences) {
  for (const Case &c : tensorCases)
    for (bool exact : allExact) {
      if (!cuda::isTensorAttend(shapeOf(c), exact)) continue; // an f32 cache is exact on lanes
      Step step(c, sequences);
      float bound = exact ? 3e-5f : c.bf16 ? 8e-2f : c.elementBytes == 4 ? 1e-3f : 1e-2f, worst = 0;
      Bytes whole = attend(step, c, exact, false);
      auto wrong = [&](const std::vector<float> &expected, const float *row) {
        float error = 0;
        for (size_t i = 0; i < expected.size(); ++i) {
          float difference = std::abs(row[i] - expected[i]) / (1 + std::abs(expected[i]));
          error = std::max(error, difference < 1e30f ? difference : 1e30f);
        }
        worst = std::max(worst, error);
        return error > bound;
      };
      EXPECT_EQ(step.count(whole, wrong), 0u) << nameOf(c, exact) << ": worst " << worst;
      EXPECT_EQ(whole, attend(step, c, exact, true)) << nameOf(c, exact) << ": splits change bits";
    }
}

TEST(TensorAttend, DecodeAtEveryDepth) {
  for (uint64_t past : {0, 1, 15, 31, 63, 64, 127, 300, 511, 512, 1000}) check({{past, 1, {}, {}}});
}

TEST(TensorAttend, PromptsFromNothing) {
  for (uint64_t fresh : {2, 17, 130}) check({{0, fresh, {}, {}}});
}

TEST(TensorAttend, MixedSequences) { check({{600, 1, {}, {}}, {0, 20, {}, {}}, {127, 3, {}, {}}, {0, 1, {}, {}}}); }

// The same queries over the same cache, alone or as part of a longer tile: rows 0 .. 19 of a step of 20, and the last.
TEST(TensorAttend, ARowsBitsAreItsOwn) {
  for (const Case &c : tensorCases) {
    Step many(c, {{50, 20, {}, {}}});
    Bytes together = attend(many, c, false, false);
    for (uint64_t rows : {1, 3, 16}) {
      Step few = many.firstRows(rows);
      Bytes alone = attend(few, c, false, true);
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin())) << c.name << ", " << rows << " rows";
    }
  }
}

// Lanes drift apart and races are faults: every wait and barrier that the kernels have is enough. Two seeds of copies.
TEST(TensorAttend, NoRaces) {
  LoadedCode &code = Kernels::get().code;
  code.schedule.races = code.schedule.drift = true;
  check({{520, 3, {}, {}}, {0, 18, {}, {}}});
  check({{700, 1, {}, {}}});
  code.schedule = {};
}

// A value that f16 cannot hold is infinite; 0 times it is NaN. Rows before it must not know of it, nor other columns.
TEST(TensorAttend, AnInfiniteValueReachesOnlyThoseWhoSeeIt) {
  constexpr uint64_t past = 40, rows = 20, spoilt = 50, column = 3;
  for (const Case &c : tensorCases)
    for (bool split : {false, true}) {
      Step step(c, {{past, rows, {}, {}}});
      Bytes clean = attend(step, c, false, split);
      step.spoilValue(spoilt, column);
      Bytes result = attend(step, c, false, split);
      for (uint64_t row = 0; row < rows; ++row)
        for (uint64_t i = 0; i < c.heads * c.valueDim; ++i) {
          uint64_t at = row * shapeOf(c).resultStride + i * 4, position = past + row;
          bool sees = position >= spoilt && (!c.window || position - spoilt < c.window);
          float value;
          memcpy(&value, &result[at], 4);
          if (sees && i % c.valueDim == column)
            EXPECT_FALSE(std::isfinite(value)) << c.name << ", row " << row;
          else
            EXPECT_EQ(memcmp(&value, &clean[at], 4), 0) << c.name << ", row " << row << ", column " << i;
        }
    }
}

} // namespace
