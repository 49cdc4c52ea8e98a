// f32 linears of their own on the emulated card: nearer to the exact sums than the CPU's, the same bits whatever the
// number of rows, the kernel and the schedule, with every kind of epilogue.
#include "test/unit/kernels_rows/LinearLaunchFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

class FloatLinearTest : public LinearLaunchTest {
protected:
  static constexpr size_t kMostRows = 70;

  struct Launch {
    size_t k, n, columns; // of x, of W, of the result
    std::string before = {}, after = {}, yields = "%l";
    bool residual = false;
    std::string symbols = {};
  };

  // "%x, W [, z] -> result", with `before` in front of the linear and `after` behind it.
  bool make(const Launch &c, bool native = true) {
    std::string tk = tensor(c.k), tn = tensor(c.n), ty = tensor(c.columns),
                more = c.residual ? ", %c = %z : " + ty : "";
    auto launch =
        parse(packedRecipe("w", c.n, c.k, kF32) + c.symbols, "%x : " + tk + (c.residual ? ", %z : " + ty : ""),
              "%r = decoder.launch @x (%a = %x : " + tk + more + ") -> (" + ty + ") {\n" + c.before +
                  "%l = decoder.linear " + (c.before.empty() ? "%a" : "%n") + ", @w : (" + tk + ") -> " + tn + "\n" +
                  c.after + "decoder.yield " + c.yields + " : " + ty + "\n}");
    if (!launch) return false;
    code = std::make_unique<LoadedCode>(*context, GetParam());
    code->options = {.tensorCores = native};
    auto made = code->generator()->generate(launch);
    if (failed(made)) return ADD_FAILURE() << "refused", false;
    kernels = *made;
    EXPECT_EQ(native, !kernels.main.empty() && kernels.main[0].sharedBytes > 0) << "a kernel of its own";
    bool compiled = code->compile();
    EXPECT_TRUE(compiled) << code->error;
    return compiled;
  }

  // Rows [first, first + rows) by `variant`. Slots: x [, z], vectors, W, y, prepared.
  Rows result(const Launch &c, Weight &w, Rows &x, Rows *z, std::vector<float> *gain, size_t first, size_t rows,
              const KernelVariant &variant) {
    Rows y(rows, c.columns);
    if (z && gain)
      bind(rows, x[first], (*z)[first], gain->data(), w.data(), y[0]);
    else if (z)
      bind(rows, x[first], (*z)[first], w.data(), y[0]);
    else if (gain)
      bind(rows, x[first], gain->data(), w.data(), y[0]);
    else
      bind(rows, x[first], w.data(), y[0]);
    run(rows, variant, 3 + (z ? 1 : 0) + (gain ? 1 : 0));
    return y;
  }
};

// Sizes that no tile divides, from less than a stage on. The CPU's chain over all of K errs more than 32 short ones.
TEST_P(FloatLinearTest, NearerToTheExactSumsThanTheCpu) {
  for (auto [k, n] : {std::pair<size_t, size_t>{1, 1}, {5, 21}, {40, 16}, {64, 40}, {172, 72}, {576, 24}, {1001, 40}}) {
    Launch c{k, n, n};
    SCOPED_TRACE(std::to_string(k) + " -> " + std::to_string(n));
    if (!make(c)) continue;
    Weight w(kF32, n, k, 11);
    Rows x = Rows::random(kMostRows, k, 4), all = result(c, w, x, nullptr, nullptr, 0, kMostRows, kernels.main.back());
    double own = 0, cpu = 0;
    for (size_t r = 0; r < kMostRows; ++r) {
      Matrix chain = w.apply(Matrix(x[r], x[r] + k), false);
      for (size_t i = 0; i < n; ++i) {
        double exact = 0, size = 0;
        for (size_t j = 0; j < k; ++j) {
          double product = double(w.values[i * k + j]) * x[r][j];
          exact += product, size += std::abs(product);
        }
        ASSERT_NEAR(all[r][i], exact, size * 0x1p-21) << "row " << r << " column " << i;
        own += std::pow(all[r][i] - exact, 2), cpu += std::pow(chain[i] - exact, 2);
      }
    }
    if (k > 100) EXPECT_LE(own, cpu);
    for (const KernelVariant &v : kernels.main)
      for (size_t rows : {1, 3, 8, 9, 33, 64, 70})
        if (rows <= v.maxRows && (rows != 3 || v.maxRows < 64))
          for (size_t first : {size_t(0), kMostRows - rows}) {
            Rows y = result(c, w, x, nullptr, nullptr, first, rows, v);
            for (size_t r = 0; r < rows; ++r)
              ASSERT_TRUE(sameBits(all[first + r], y[r], n)) << v.kernel << " row " << first + r << " of " << rows;
          }
  }
}

// An infinity stays what it is: what lies past K is not multiplied with it.
TEST_P(FloatLinearTest, InfinitiesReachTheirRowsOnly) {
  Launch c{37, 16, 16};
  if (!make(c)) return;
  Weight w(kF32, c.n, c.k, 11);
  Rows x = Rows::random(9, c.k, 4);
  x[2][36] = INFINITY;
  for (const KernelVariant &v : kernels.main) {
    size_t rows = std::min<size_t>(v.maxRows, 9);
    if (rows < 3) continue;
    Rows y = result(c, w, x, nullptr, nullptr, 0, rows, v);
    for (size_t r = 0; r < rows; ++r)
      for (size_t i = 0; i < c.n; ++i) {
        if (r == 2)
          EXPECT_EQ(y[r][i], w.values[i * c.k + 36] > 0 ? INFINITY : -INFINITY) << v.kernel;
        else
          EXPECT_TRUE(std::isfinite(y[r][i])) << v.kernel;
      }
  }
}

// A norm in front, a residual, gates of two blocks, heads of five and nine: as on lanes, but for the rounding of sums.
TEST_P(FloatLinearTest, PrologueAndEpilogue) {
  auto norm = [](size_t k) {
    return "%n = decoder.norm rms %a {gain = @g, eps = 1.0e-5 : f32} : (" + tensor(k) + ") -> " + tensor(k) + "\n";
  };
  auto add = [](size_t n) {
    return "%y = decoder.add %c, %l : (" + tensor(n) + ", " + tensor(n) + ") -> " + tensor(n) + "\n";
  };
  auto gate = [](size_t n, size_t packed) {
    return "%y = decoder.gate silu %l {block = 16} : (" + tensor(packed) + ") -> " + tensor(n) + "\n";
  };
  auto heads = [](size_t groups, size_t n) {
    return "%y = decoder.norm l2 %l {eps = 1.0e-5 : f32, groups = " + std::to_string(groups) + " : i64} : (" +
           tensor(n) + ") -> " + tensor(n) + "\n";
  };
  const Launch cases[] = {{172, 72, 72, norm(172), add(72), "%y", true, recipe("g", {172})},
                          {576, 21, 21, norm(576), "", "%l", false, recipe("g", {576})},
                          {64, 96, 40, "", gate(40, 96), "%y"},
                          {96, 160, 160, norm(96), heads(2, 160), "%y", false, recipe("g", {96})},
                          {50, 288, 288, "", heads(2, 288), "%y"}};
  for (const Launch &c : cases) {
    SCOPED_TRACE(std::to_string(c.k) + " -> " + std::to_string(c.columns));
    Weight w(kF32, c.n, c.k, 11);
    auto gain = randomVector(c.k, 2);
    Rows x = Rows::random(kMostRows, c.k, 4), z = Rows::random(kMostRows, c.columns, 5);
    auto rowsOf = [&](size_t first, size_t rows, const KernelVariant &v) {
      return result(c, w, x, c.residual ? &z : nullptr, c.before.empty() ? nullptr : &gain, first, rows, v);
    };
    if (!make(c, /*native=*/false)) continue;
    Rows expected = rowsOf(0, kMostRows, kernels.main.back());
    if (!make(c)) continue;
    Rows all = rowsOf(0, kMostRows, kernels.main.back());
    for (size_t r = 0; r < kMostRows; ++r)
      for (size_t i = 0; i < c.columns; ++i)
        ASSERT_NEAR(all[r][i], expected[r][i], 5e-5 * (1 + std::abs(expected[r][i]))) << "row " << r << " value " << i;
    for (const KernelVariant &v : kernels.main)
      for (size_t rows : {1, 7, 30, 65}) {
        if (rows > v.maxRows) continue;
        Rows y = rowsOf(kMostRows - rows, rows, v);
        for (size_t r = 0; r < rows; ++r)
          ASSERT_TRUE(sameBits(all[kMostRows - rows + r], y[r], c.columns)) << v.kernel << " row " << r;
      }
  }
}

// Whenever copies land and warps run, the bits are the same, and no warp reads what another writes unasked.
TEST_P(FloatLinearTest, SchedulesDoNotMatter) {
  using emulator::AsyncCopies;
  Launch c{200, 72, 72};
  if (!make(c)) return;
  Weight w(kF32, c.n, c.k, 11);
  Rows x = Rows::random(kMostRows, c.k, 4);
  for (const KernelVariant &v : kernels.main) {
    size_t rows = std::min<size_t>(kMostRows, v.maxRows);
    Rows plain = result(c, w, x, nullptr, nullptr, 0, rows, v);
    for (AsyncCopies copies : {AsyncCopies::eager, AsyncCopies::late, AsyncCopies::random})
      for (uint64_t seed : {0, 7, 8}) {
        code->schedule.async_copies = copies, code->schedule.races = true, code->seed = seed;
        code->schedule.drift = copies == AsyncCopies::random;
        Rows y = result(c, w, x, nullptr, nullptr, 0, rows, v);
        for (size_t r = 0; r < rows; ++r) ASSERT_TRUE(sameBits(plain[r], y[r], c.n)) << v.kernel << " row " << r;
      }
    code->schedule = {};
  }
}

INSTANTIATE_TEST_SUITE_P(Emulated, FloatLinearTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
