// Linear kernels against the numerics reference, bit for bit: every format, both activations, both levels, every
// variant at every number of rows. Operands end where an unmapped page begins, so that a read past them is a crash.
#include "compiler/kernels/cpu/Linear.h"
#include "compiler/kernels/cpu/PreparedRow.h"
#include "test/unit/kernels_linear/PackedWeight.h"
#include "test/unit/kernels_rows/GuardedBytes.h"
#include "test/unit/target/LoadedCode.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

struct Case {
  WeightFormat format;
  uint64_t rows, cols;
  bool int8Activations;
  unsigned unitBlocks = 1;
};

std::string nameOf(const Case &c) {
  return c.format.name() + (c.int8Activations ? ".a8" : ".f32") + "." + std::to_string(c.rows) + "x" +
         std::to_string(c.cols) + ".u" + std::to_string(c.unitBlocks);
}

std::vector<Case> allCases() {
  using Type = WeightFormat::Type;
  using Zero = WeightFormat::Zero;
  using Scale = WeightFormat::Scale;
  std::vector<Case> cases;
  for (Type type : {Type::f32, Type::f16, Type::bf16})
    for (auto [rows, cols, unit] : {std::tuple(172, 172, 1), {64, 64, 2}, {17, 5, 1}})
      cases.push_back({{.type = type}, uint64_t(rows), uint64_t(cols), false, unsigned(unit)});
  for (bool a8 : {false, true})
    for (Zero zero : {Zero::symmetric, Zero::zero_point, Zero::minimum}) {
      for (Type type : {Type::int4, Type::int8})
        cases.push_back({{.type = type, .zero = zero, .group = 32}, 172, 172, a8});
      cases.push_back({{.type = Type::int4, .zero = zero, .scale = Scale::f32, .group = 64}, 96, 200, a8, 2});
      cases.push_back({{.type = Type::int8, .zero = zero, .group = 128}, 192, 260, a8, 4});
      cases.push_back({{.type = Type::int4, .zero = zero, .group = 16}, 33, 16, a8});
    }
  for (unsigned unit : {3, 5, 6, 8}) // heads of 48, 80, 96 and 128
    cases.push_back({{.type = Type::int4, .group = 32}, 16 * 2 * unit, 96, true, unit});
  cases.push_back({{.type = Type::f16}, 160, 40, false, 5});
  cases.push_back({{.type = Type::int4, .group = 32}, 1600, 64, true, 1});
  return cases;
}

struct Linear {
  explicit Linear(const Case &c) : c(c) {}

  Case c;
  LinearShape shape{c.format, c.rows, c.cols, c.int8Activations, c.unitBlocks};
  PackedWeight weight{c.format, c.rows, c.cols, 1};
  PreparedRow prepared{c.cols, c.format.group};
  uint64_t xStride = c.int8Activations ? prepared.bytes() : (c.cols * 4 + 63) / 64 * 64;
  uint64_t yStride = shape.blocks() * 64;

  std::string kernelName(size_t variant) const {
    std::string name = nameOf(c) + ".v" + std::to_string(variant);
    std::replace(name.begin(), name.end(), '.', '_'); // PTX names its entries so
    return name;
  }

  void emit(LoadedCode &code) const {
    for (auto [i, linear] : llvm::enumerate(linearVariants(shape, code.machine))) {
      KernelVariant variant;
      variant.kernel = kernelName(i), variant.maxRows = linear.maxRows;
      variant.units = linear.units(shape), variant.per = linear.per;
      auto body = [&, linear = linear](Emitter &e) -> mlir::FailureOr<uint64_t> {
        Value y = e.slotPointer(2);
        emitLinear(e, shape, linear, {e.slotPointer(0), e.slotPointer(1), xStride},
                   [&](Value token, Value unit, llvm::ArrayRef<Value> blocks) {
                     Value row = e.at(e.at(y, e.imul(token, yStride)), e.imul(unit, 64 * int64_t(c.unitBlocks)));
                     for (auto [b, block] : llvm::enumerate(blocks)) e.store(block, e.at(row, 64 * int64_t(b)));
                   });
        return linear.scratchBytes();
      };
      EXPECT_TRUE(succeeded(code.emit(variant, body)));
    }
  }

  // Rows as the kernel reads them, and what the reference makes of them.
  std::vector<uint8_t> x;
  std::vector<float> expected;

  void makeRows(size_t tokens, CpuLevel level) {
    std::mt19937 random(tokens);
    std::normal_distribution<float> normal;
    std::vector<float> values(tokens * c.cols);
    for (float &v : values) v = normal(random);
    x.assign(tokens * xStride, 0);
    expected.resize(tokens * c.rows);
    if (c.int8Activations) return makePrepared(values, tokens, level);
    for (size_t t = 0; t < tokens; ++t) memcpy(&x[t * xStride], &values[t * c.cols], c.cols * 4);
    if (c.format.isInteger())
      numerics::linear(values.data(), tokens, weight.grid, expected.data());
    else
      numerics::linear(values.data(), tokens, weight.values.data(), c.rows, c.cols, expected.data());
  }

  void makePrepared(const std::vector<float> &values, size_t tokens, CpuLevel level) {
    std::vector<int8_t> a(tokens * c.cols);
    std::vector<float> d(tokens * prepared.groups());
    for (size_t t = 0; t < tokens; ++t) {
      int8_t *rowA = &a[t * c.cols];
      float *rowD = &d[t * prepared.groups()];
      numerics::quantise(&values[t * c.cols], c.cols, c.format.group, rowA, rowD);
      uint8_t *row = &x[t * xStride];
      memcpy(row, rowA, c.cols);
      memcpy(row + prepared.scaleOffset(), rowD, prepared.groups() * 4);
      std::vector<int32_t> start(prepared.groups(), 0);
      for (size_t k = 0; k < c.cols; ++k) start[k / c.format.group] += sumFactor(c.format, level) * rowA[k];
      memcpy(row + prepared.startOffset(), start.data(), start.size() * 4);
    }
    numerics::linear(a.data(), d.data(), tokens, weight.grid, expected.data());
  }

  // Runs items in two unequal calls, as two workers would.
  void check(LoadedCode &code, size_t index, size_t tokens) {
    LinearVariant variant = linearVariants(shape, code.machine)[index];
    GuardedBytes w(weight.bytes), rows(x), y(tokens * yStride);
    memset(y.data(), 0xff, tokens * yStride);
    void *scratch = aligned_alloc(64, variant.scratchBytes());
    uint64_t args[5] = {0, tokens, uint64_t(w.data()), uint64_t(rows.data()), uint64_t(y.data())};
    uint64_t items = variant.units(shape) * ((tokens + variant.per - 1) / variant.per);
    auto kernel = code.kernel(kernelName(index));
    auto *block = reinterpret_cast<ingot_args *>(args);
    EXPECT_EQ(kernel(block, items / 3, items, scratch), 0);
    EXPECT_EQ(kernel(block, 0, items / 3, scratch), 0);
    free(scratch);
    size_t wrong = 0;
    for (size_t t = 0; t < tokens; ++t) wrong += memcmp(y.data() + t * yStride, &expected[t * c.rows], c.rows * 4) != 0;
    EXPECT_EQ(wrong, 0u) << kernelName(index) << ": " << wrong << " of " << tokens << " rows differ at "
                         << levelName(code.level);
  }
};

class LinearKernels : public testing::TestWithParam<CpuLevel> {};

TEST_P(LinearKernels, EqualTheReferenceBitForBit) {
  if (!runs(GetParam())) GTEST_SKIP() << "this CPU lacks level " << name(GetParam());
  auto context = makeContext();
  LoadedCode code(*context, GetParam());
  std::vector<Linear> linears;
  for (const Case &c : allCases()) linears.emplace_back(c).emit(code);
  ASSERT_TRUE(code.compile()) << code.error;
  for (Linear &linear : linears)
    for (size_t tokens : {1, 2, 4, 5, 8, 19, 40, 70}) {
      linear.makeRows(tokens, GetParam());
      for (size_t i = 0; i < linearVariants(linear.shape, code.machine).size(); ++i) linear.check(code, i, tokens);
    }
}

INSTANTIATE_TEST_SUITE_P(Levels, LinearKernels, testLevels(),
                         [](const auto &info) { return std::string(levelName(info.param)); });

} // namespace
