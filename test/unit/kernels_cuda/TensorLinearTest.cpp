// Linears on tensor cores, emulated: every format against an oracle in f64 with the activations as they were rounded,
// the same bits whatever the number of rows, the kernel and the schedule, and every kind of epilogue.
#include "compiler/kernels/cpu/PreparedRow.h"
#include "test/unit/kernels_rows/LinearLaunchFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

using Type = WeightFormat::Type;
using Zero = WeightFormat::Zero;
using Scale = WeightFormat::Scale;

struct LinearCase {
  WeightFormat format;
  size_t k, n;
  bool exact = false, int8 = false;

  std::string name() const {
    return format.name() +
           (int8    ? " int8 "
            : exact ? " exact "
                    : " one term ") +
           std::to_string(k) + " -> " + std::to_string(n);
  }
};

// The sum of `terms` roundings of x to a float of `bits` bits of significand.
float terms(float x, int bits, int count) {
  double held = 0;
  for (int i = 0; i < count; ++i) {
    double rest = double(x) - held;
    int exponent;
    if (rest == 0 || !std::isfinite(rest)) break;
    std::frexp(rest, &exponent);
    held += std::ldexp(std::nearbyint(std::ldexp(rest, bits - exponent)), exponent - bits);
  }
  return float(held);
}

class TensorLinearTest : public LinearLaunchTest {
protected:
  static constexpr size_t kManyRows = 40;

  // y = x W^T
  bool make(const LinearCase &c) {
    std::string tk = tensor(c.k), tn = tensor(c.n);
    return make(parse(packedRecipe("w", c.n, c.k, c.format), "%x : " + tk,
                      "%r = decoder.launch @x (%a = %x : " + tk + ") -> (" + tn + ")" + num(c.format, c.int8) +
                          " {\n%l = decoder.linear %a, @w : (" + tk + ") -> " + tn + "\ndecoder.yield %l : " + tn +
                          "\n}"),
                c.exact);
  }

  bool make(decoder::LaunchOp launch, bool exact) {
    if (!launch) return false;
    code = std::make_unique<LoadedCode>(*context, GetParam());
    code->options = {.exactActivations = exact};
    auto made = code->generator()->generate(launch);
    if (failed(made)) return ADD_FAILURE() << "refused", false;
    kernels = *made;
    bool compiled = code->compile();
    EXPECT_TRUE(compiled) << code->error;
    EXPECT_FALSE(kernels.prepare.empty()) << "not on tensor cores";
    return compiled;
  }

  // The weight in f64, [n][k].
  static std::vector<double> meaning(const Weight &w) {
    std::vector<double> values(w.values.begin(), w.values.end());
    if (!w.format.isInteger()) return values;
    values.resize(w.rows * w.cols);
    size_t groups = w.grid.groups();
    for (size_t i = 0; i < values.size(); ++i) {
      size_t group = i / w.cols * groups + i % w.cols / w.format.group;
      double minimum = w.format.zero == Zero::minimum ? w.grid.minimum[group] : 0;
      values[i] = double(w.grid.quant[i]) * w.grid.scale[group] + minimum;
    }
    return values;
  }

  // The row as the kernel sees it.
  static std::vector<float> seen(const LinearCase &c, const float *x) {
    std::vector<float> row(x, x + c.k);
    if (c.int8) {
      size_t groups = (c.k + c.format.group - 1) / c.format.group;
      std::vector<int8_t> a(c.k);
      std::vector<float> d(groups);
      numerics::quantise(x, c.k, c.format.group, a.data(), d.data());
      for (size_t i = 0; i < c.k; ++i) row[i] = a[i] * d[i / c.format.group];
    } else {
      bool brain = c.format.type == Type::bf16;
      for (float &v : row) v = terms(v, brain ? 8 : 11, c.exact ? brain ? 3 : 2 : 1);
    }
    return row;
  }

  // Every element of y within 2^-19 of the sum of magnitudes: the tensor core truncates what lies 24 bits below.
  static void expectClose(const LinearCase &c, const Weight &w, Rows &x, Rows &y) {
    auto values = meaning(w);
    for (size_t r = 0; r < y.count; ++r) {
      auto row = seen(c, x[r]);
      for (size_t n = 0; n < c.n; ++n) {
        double sum = 0, size = 0;
        for (size_t k = 0; k < c.k; ++k) {
          double product = values[n * c.k + k] * row[k];
          sum += product, size += std::abs(product);
        }
        ASSERT_NEAR(y[r][n], sum, size * 0x1p-19 + 1e-30) << c.name() << " row " << r << " column " << n;
      }
    }
  }

  // Runs `rows` rows with the variant that the runtime takes, or a given one.
  Rows result(Weight &w, Rows &x, size_t first, size_t rows, size_t n, const KernelVariant *variant = nullptr) {
    Rows y(rows, n);
    for (const KernelVariant &v : kernels.main)
      if (!variant && rows <= v.maxRows) variant = &v;
    bind(rows, x[first], w.data(), y[0]);
    run(rows, *variant, 3);
    return y;
  }

  void check(const LinearCase &c) {
    SCOPED_TRACE(c.name());
    if (!make(c)) return;
    Weight w(c.format, c.n, c.k, 11);
    Rows x = Rows::random(kManyRows, c.k, 4);
    Rows all = result(w, x, 0, kManyRows, c.n);
    expectClose(c, w, x, all);
    for (const KernelVariant &v : kernels.main)
      for (size_t rows : {1, 3, 8, 9, 40})
        if (rows <= v.maxRows)
          for (size_t first : {size_t(0), kManyRows - rows}) {
            Rows y = result(w, x, first, rows, c.n, &v);
            for (size_t r = 0; r < rows; ++r)
              ASSERT_TRUE(sameBits(all[first + r], y[r], c.n)) << v.kernel << " row " << first + r << " of " << rows;
          }
  }
};

// Every kind of grid, with sizes that tiles do not divide.
TEST_P(TensorLinearTest, IntegersWithTerms) {
  unsigned i = 0;
  for (Type type : {Type::int4, Type::int8})
    for (Zero zero : {Zero::symmetric, Zero::zero_point, Zero::minimum})
      for (uint32_t group : {16, 32, 64, 128}) {
        WeightFormat f{type, zero, i % 2 ? Scale::f32 : Scale::f16, group};
        check({f, std::array<size_t, 3>{64, 200, 576}[i % 3], std::array<size_t, 2>{40, 48}[i / 2 % 2], i % 4 < 2});
        ++i;
      }
}

TEST_P(TensorLinearTest, FloatsWithTerms) {
  for (Type type : {Type::f16, Type::bf16})
    for (bool exact : {false, true})
      for (size_t k : {40, 576}) check({WeightFormat{type}, k, 72, exact});
}

TEST_P(TensorLinearTest, IntegersWithInt8Activations) {
  unsigned i = 0;
  for (Type type : {Type::int4, Type::int8})
    for (Zero zero : {Zero::symmetric, Zero::zero_point, Zero::minimum})
      for (uint32_t group : {16, 32, 64, 128}) {
        WeightFormat f{type, zero, i % 2 ? Scale::f32 : Scale::f16, group};
        check({f, std::array<size_t, 3>{64, 200, 576}[i % 3], 40, false, true});
        ++i;
      }
}

INSTANTIATE_TEST_SUITE_P(Emulated, TensorLinearTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
