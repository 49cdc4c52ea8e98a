// Expert linears against the scalar numerics, bit for bit, for every variant, level and number of rows: slots that
// share an input and slots that do not, experts that are no whole blocks, biases, and indices that no graph should
// give.
#include "test/unit/kernels_rows/ExpertFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

using ExpertLinearTest = LinearLaunchTest;

TEST_P(ExpertLinearTest, EveryVariantAndRowCount) {
  const ExpertCase cases[] = {{kF32, 4, 2, 32, 24, true, false},  {kF32, 4, 2, 24, 32, false, true},
                              {kF16, 9, 3, 40, 21, true, true},   {kInt4, 8, 2, 64, 48, true, false},
                              {kInt8, 3, 3, 96, 33, false, true}, {kAffine, 16, 1, 64, 16, true, true}};
  for (const ExpertCase &c : cases) {
    SCOPED_TRACE(c.format.name() + " " + std::to_string(c.experts) + " experts " + std::to_string(c.slots) + " slots");
    constexpr size_t most = 23;
    size_t inputs = c.inputs();
    auto launch = parse(expertSymbols(c), expertArguments(c), expertLaunch(c));
    if (!generate(launch)) continue;
    Experts experts(c);
    auto bias = randomVector(c.experts * c.n, 3);
    Rows x = Rows::random(most, inputs, 4), index(most, c.slots);
    std::mt19937 random(5);
    for (size_t r = 0; r < most; ++r)
      for (size_t s = 0; s < c.slots; ++s) index[r][s] = float(random() % c.experts);
    index[0][0] = 1e9f; // clamped

    Matrix expected(most * c.slots * c.n);
    for (size_t r = 0; r < most; ++r)
      for (size_t s = 0; s < c.slots; ++s) {
        size_t e = std::min(size_t(index[r][s]), c.experts - 1);
        const float *from = x[r] + (c.shared ? 0 : s * c.k);
        Matrix y = experts.weights[e].apply(Matrix(from, from + c.k), false);
        for (size_t i = 0; i < c.n; ++i)
          expected[(r * c.slots + s) * c.n + i] = c.bias ? y[i] + bias[e * c.n + i] : y[i];
      }
    for (const KernelVariant &v : kernels.main)
      for (size_t rows = 1; rows <= std::min<size_t>(most, v.maxRows); ++rows) {
        Rows y(rows, c.slots * c.n);
        if (c.bias)
          bind(rows, x[0], index[0], bias.data(), experts.data(), y[0]);
        else
          bind(rows, x[0], index[0], experts.data(), y[0]);
        run(rows, v, 8);
        for (size_t r = 0; r < rows; ++r)
          EXPECT_TRUE(sameBits(&expected[r * c.slots * c.n], y[r], c.slots * c.n))
              << v.kernel << " row " << r << " of " << rows;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, ExpertLinearTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
