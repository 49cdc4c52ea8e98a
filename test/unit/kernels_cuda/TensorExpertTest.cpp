// Expert linears of their own on the emulated card: near the scalar numerics of every expert, and a row's bits its own,
// whoever else is in the step, however many rows there are and whenever warps run.
#include "test/unit/kernels_rows/ExpertFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

const WeightFormat kBf16{WeightFormat::Type::bf16};

class TensorExpertTest : public LinearLaunchTest {
protected:
  bool make(const ExpertCase &c, bool exact) {
    auto launch = parse(expertSymbols(c), expertArguments(c), expertLaunch(c));
    if (!launch) return false;
    code = std::make_unique<LoadedCode>(*context, GetParam());
    code->options = {.exactActivations = exact};
    auto made = code->generator()->generate(launch);
    if (failed(made)) return ADD_FAILURE() << "refused", false;
    kernels = *made;
    EXPECT_FALSE(kernels.prepare.empty()) << "not a kernel of its own";
    bool compiled = code->compile();
    EXPECT_TRUE(compiled) << code->error;
    return compiled;
  }

  // By `variant`, which may be meant for more rows (the runtime rounds up); null: the one that the runtime takes.
  Rows result(const ExpertCase &c, Experts &experts, std::vector<float> &bias, Rows &x, Rows &index, size_t first,
              size_t rows, const KernelVariant *variant = nullptr) {
    if (!variant) variant = llvm::find_if(kernels.main, [&](const KernelVariant &v) { return rows <= v.maxRows; });
    Rows y(rows, c.slots * c.n);
    if (c.bias)
      bind(rows, x[first], index[first], bias.data(), experts.data(), y[0]);
    else
      bind(rows, x[first], index[first], experts.data(), y[0]);
    run(rows, *variant, c.bias ? 5 : 4);
    return y;
  }

  // How the products spread over the experts.
  enum class Choice { any, one, few };
  static Rows choose(const ExpertCase &c, size_t rows, Choice choice) {
    Rows index(rows, c.slots);
    std::mt19937 random(5);
    for (size_t r = 0; r < rows; ++r)
      for (size_t s = 0; s < c.slots; ++s)
        index[r][s] = choice == Choice::any   ? float(random() % c.experts)
                      : choice == Choice::one ? float(c.experts / 2)
                                              : float(s % 2 ? c.experts - 1 : r % 3);
    index[0][0] = 1e9f, index[1][0] = -3.0f, index[2][0] = NAN; // clamped
    return index;
  }

  void check(const ExpertCase &c, bool exact, Choice choice, size_t most) {
    SCOPED_TRACE(c.format.name() + " " + std::to_string(c.experts) + " experts " + std::to_string(c.slots) + " slots");
    if (!make(c, exact)) return;
    Experts experts(c);
    auto bias = randomVector(c.experts * c.n, 3);
    Rows x = Rows::random(most, c.inputs(), 4), index = choose(c, most, choice);
    Rows all = result(c, experts, bias, x, index, 0, most);
    double tolerance = exact || c.format.type == WeightFormat::Type::f32 ? 0x1p-17 : 0x1p-6;
    for (size_t r = 0; r < most; ++r)
      for (size_t s = 0; s < c.slots; ++s) {
        float named = index[r][s];
        size_t e = named > 0 ? std::min(size_t(named), c.experts - 1) : 0;
        const float *from = x[r] + (c.shared ? 0 : s * c.k);
        Matrix y = experts.weights[e].apply(Matrix(from, from + c.k), false);
        double size = 0;
        for (float value : y) size = std::max<double>(size, std::abs(value));
        for (size_t i = 0; i < c.n; ++i) {
          float expected = c.bias ? y[i] + bias[e * c.n + i] : y[i];
          ASSERT_NEAR(all[r][s * c.n + i], expected, tolerance * (4 * std::sqrt(double(c.k)) + size))
              << "row " << r << " slot " << s << " column " << i << " of " << most;
        }
      }
    for (const KernelVariant &v : kernels.main)
      for (size_t rows : {1, 2, 5, 40})
        for (size_t first : {size_t(0), most - rows}) {
          if (rows > v.maxRows) continue;
          Rows y = result(c, experts, bias, x, index, first, rows, &v);
          for (size_t r = 0; r < rows; ++r)
            ASSERT_TRUE(sameBits(all[first + r], y[r], c.slots * c.n))
                << v.kernel << " row " << first + r << " of " << rows;
        }
  }
};

TEST_P(TensorExpertTest, EveryFormat) {
  const ExpertCase cases[] = {{kF32, 4, 2, 32, 24, true, false},     {kF32, 5, 3, 41, 21, false, true},
                              {kF16, 9, 3, 40, 21, true, true},      {kBf16, 4, 2, 96, 32, false, false},
                              {kInt4, 8, 2, 64, 48, true, false},    {kInt8, 3, 3, 96, 33, false, true},
                              {kAffine, 16, 1, 576, 16, true, true}, {kZp, 40, 4, 128, 20, true, false}};
  for (const ExpertCase &c : cases) check(c, true, Choice::any, 60);
  for (const ExpertCase &c : {cases[2], cases[4]}) check(c, false, Choice::any, 60);
}

// Tiles of 32 products and more CTAs than one product has; experts that nobody picks, one that everybody does.
TEST_P(TensorExpertTest, UnevenChoices) {
  for (Choice choice : {Choice::one, Choice::few}) {
    check({kInt4, 6, 2, 64, 40, true, true}, true, choice, 100);
    check({kF32, 6, 2, 64, 40, false, false}, true, choice, 100);
    check({kF16, 100, 4, 64, 16, true, false}, true, choice, 60);
  }
  check({kF16, 1, 1, 64, 16, true, false}, true, Choice::any, 60);
}

TEST_P(TensorExpertTest, SchedulesDoNotMatter) {
  using emulator::AsyncCopies;
  for (const ExpertCase &c : {ExpertCase{kInt4, 7, 2, 200, 40, true, true}, {kF32, 7, 2, 200, 40, false, false}}) {
    SCOPED_TRACE(c.format.name());
    if (!make(c, true)) continue;
    Experts experts(c);
    auto bias = randomVector(c.experts * c.n, 3);
    Rows x = Rows::random(60, c.inputs(), 4), index = choose(c, 60, Choice::any);
    for (const KernelVariant &v : kernels.main) {
      size_t rows = std::min<size_t>(v.maxRows, 60);
      Rows plain = result(c, experts, bias, x, index, 0, rows, &v);
      for (AsyncCopies copies : {AsyncCopies::eager, AsyncCopies::late, AsyncCopies::random})
        for (uint64_t seed : {0, 7}) {
          code->schedule.async_copies = copies, code->schedule.races = true, code->seed = seed;
          code->schedule.global_races = code->schedule.drift = copies == AsyncCopies::random;
          Rows y = result(c, experts, bias, x, index, 0, rows, &v);
          for (size_t r = 0; r < rows; ++r)
            ASSERT_TRUE(sameBits(plain[r], y[r], c.slots * c.n)) << v.kernel << " row " << r;
        }
      code->schedule = {};
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Emulated, TensorExpertTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
