// Row programs against the scalar numerics, bit for bit, at both levels: widths that end inside a block of 16 lanes,
// unused columns full of NaN, embeddings of every packed layout.
#include "test/unit/kernels_rows/RowProgramFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

const size_t kWidths[] = {8, 15, 16, 64, 172, 576};
// One op of one input, at every width.
#define EACH_WIDTH                                                                                                     \
  for (size_t n : kWidths)                                                                                             \
    if (SCOPED_TRACE(n); next(), true)

std::string unary(size_t in, size_t out, const std::string &op) {
  return "%r = decoder.launch @x (%a = %x : " + tensor(in) + ") -> (" + tensor(out) + ") {\n%y = " + op + " : (" +
         tensor(in) + ") -> " + tensor(out) + "\ndecoder.yield %y : " + tensor(out) + "\n}";
}

using RowFunction = std::function<void(const float *x, size_t n, const float *gain, const float *bias, float *y)>;

TEST_P(RowProgramTest, Norms) {
  struct Case {
    const char *op;
    RowFunction expected;
  } cases[] = {{"decoder.norm rms %a {gain = @g, eps = 1.0e-5 : f32}",
                [](auto x, auto n, auto g, auto, auto y) { numerics::rmsNorm(x, n, g, 1e-5f, y); }},
               {"decoder.norm rms %a {eps = 1.0e-5 : f32}",
                [](auto x, auto n, auto, auto, auto y) { numerics::rmsNorm(x, n, nullptr, 1e-5f, y); }},
               {"decoder.norm layer %a {gain = @g, bias = @b, eps = 1.0e-3 : f32}",
                [](auto x, auto n, auto g, auto b, auto y) { numerics::layerNorm(x, n, g, b, 1e-3f, y); }},
               {"decoder.norm l2 %a {gain = @g, eps = 1.0e-6 : f32}",
                [](auto x, auto n, auto g, auto, auto y) { numerics::l2Norm(x, n, g, 1e-6f, y); }}};
  for (auto &test : cases) {
    EACH_WIDTH {
      auto launch = parse(recipe("g", {n}) + recipe("b", {n}), "%x : " + tensor(n), unary(n, n, test.op));
      if (!compile(launch)) continue;
      Rows x = Rows::random(kRows, n, 1), y(kRows, n);
      auto gain = randomVector(n, 2), bias = randomVector(n, 3);
      // Weights in order of first appearance, attributes alphabetical: bias before gain.
      std::string op = test.op;
      bool hasBias = op.find("@b") != op.npos, hasGain = op.find("@g") != op.npos;
      if (hasBias)
        bind(kRows, x[0], bias.data(), gain.data(), y[0]);
      else if (hasGain)
        bind(kRows, x[0], gain.data(), y[0]);
      else
        bind(kRows, x[0], y[0]);
      call("k", kRows);
      for (size_t r = 0; r < kRows; ++r) {
        std::vector<float> expected(n);
        test.expected(x[r], n, gain.data(), bias.data(), expected.data());
        EXPECT_TRUE(sameBits(expected.data(), y[r], n)) << test.op << " row " << r;
      }
    }
  }
}

TEST_P(RowProgramTest, GroupNorm) {
  for (auto [groups, dim] : {std::pair<size_t, size_t>{3, 8}, {4, 16}, {2, 20}, {9, 64}}) {
    next();
    size_t n = groups * dim;
    auto launch = parse(
        recipe("g", {dim}), "%x : " + tensor(n),
        unary(n, n, "decoder.norm rms %a {gain = @g, eps = 1.0e-5 : f32, groups = " + std::to_string(groups) + "}"));
    if (!compile(launch)) continue;
    Rows x = Rows::random(kRows, n, 1), y(kRows, n);
    auto gain = randomVector(dim, 2);
    bind(kRows, x[0], gain.data(), y[0]);
    call("k", kRows);
    for (size_t r = 0; r < kRows; ++r)
      for (size_t g = 0; g < groups; ++g) {
        std::vector<float> expected(dim);
        numerics::rmsNorm(x[r] + g * dim, dim, gain.data(), 1e-5f, expected.data());
        EXPECT_TRUE(sameBits(expected.data(), y[r] + g * dim, dim)) << groups << "x" << dim << " row " << r;
      }
  }
}

TEST_P(RowProgramTest, Activations) {
  std::pair<const char *, float (*)(float)> kinds[] = {
      {"silu", numerics::silu},          {"gelu", numerics::gelu},
      {"gelu_tanh", numerics::geluTanh}, {"quick_gelu", numerics::quickGelu},
      {"relu", numerics::relu},          {"relu_squared", numerics::reluSquared},
      {"sigmoid", numerics::sigmoid},    {"tanh", numerics::tanh}};
  size_t n = 172;
  for (auto [kind, function] : kinds) {
    next();
    if (!compile(parse("", "%x : " + tensor(n), unary(n, n, std::string("decoder.act ") + kind + " %a")))) continue;
    Rows x = Rows::random(kRows, n, 7, 20.0f), y(kRows, n);
    x[0][3] = NAN, x[1][4] = INFINITY, x[1][5] = -INFINITY, x[2][0] = -0.0f, x[2][1] = 1e-42f, x[3][2] = 3e38f;
    bind(kRows, x[0], y[0]);
    call("k", kRows);
    for (size_t r = 0; r < kRows; ++r) {
      std::vector<float> expected(n);
      for (size_t c = 0; c < n; ++c) expected[c] = function(x[r][c]);
      EXPECT_TRUE(sameBits(expected.data(), y[r], n)) << kind << " row " << r;
    }
  }
}

// add, mul, scale, softcap in one region: they fuse, and a value used twice is computed once.
TEST_P(RowProgramTest, PointwiseChain) {
  EACH_WIDTH {
    std::string t = tensor(n), one = "(" + t + ") -> " + t, two = "(" + t + ", " + t + ") -> " + t;
    auto launch = parse("", "%x : " + t + ", %z : " + t,
                        "%r:2 = decoder.launch @x (%a = %x : " + t + ", %b = %z : " + t + ") -> (" + t + ", " + t +
                            ") {\n" + "%s = decoder.add %a, %b : " + two + "\n%p = decoder.mul %s, %a : " + two +
                            "\n%q = decoder.scale %p {factor = 0.3 : f32} : " + one +
                            "\n%c = decoder.softcap %q {cap = 5.0 : f32} : " + one + "\ndecoder.yield %c, %s : " + t +
                            ", " + t + "\n}");
    if (!compile(launch)) continue;
    Rows a = Rows::random(kRows, n, 1), b = Rows::random(kRows, n, 2), y(kRows, n), s(kRows, n);
    bind(kRows, a[0], b[0], y[0], s[0]);
    call("k", kRows);
    for (size_t r = 0; r < kRows; ++r) {
      std::vector<float> sum(n), capped(n);
      for (size_t c = 0; c < n; ++c) {
        sum[c] = a[r][c] + b[r][c];
        float product = sum[c] * a[r][c];
        capped[c] = numerics::softcap(product * 0.3f, 5.0f);
      }
      EXPECT_TRUE(sameBits(sum.data(), s[r], n));
      EXPECT_TRUE(sameBits(capped.data(), y[r], n));
    }
  }
}

TEST_P(RowProgramTest, Gates) {
  for (auto [n, block] : {std::pair<size_t, size_t>{172, 172}, {64, 16}, {40, 16}, {15, 15}, {21, 4}}) {
    next();
    size_t chunks = (n + block - 1) / block, in = 2 * chunks * block;
    if (!compile(parse("", "%x : " + tensor(in),
                       unary(in, n, "decoder.gate silu %a {block = " + std::to_string(block) + "}"))))
      continue;
    Rows x = Rows::random(kRows, in, 1), y(kRows, n);
    bind(kRows, x[0], y[0]);
    call("k", kRows);
    for (size_t r = 0; r < kRows; ++r) {
      std::vector<float> expected(n);
      for (size_t c = 0; c < n; ++c) {
        size_t gate = c / block * 2 * block + c % block;
        expected[c] = numerics::silu(x[r][gate]) * x[r][gate + block];
      }
      EXPECT_TRUE(sameBits(expected.data(), y[r], n)) << n << " block " << block;
    }
  }
}

TEST_P(RowProgramTest, Rope) {
  struct Case {
    size_t heads, dim, n;
    bool interleaved;
  } cases[] = {{8, 8, 4, false}, {3, 8, 4, false},  {9, 64, 32, false}, {3, 80, 16, false}, {2, 20, 10, false},
               {5, 8, 4, true},  {4, 64, 32, true}, {3, 24, 8, true},   {1, 16, 8, false}};
  for (auto [heads, dim, half, interleaved] : cases) {
    next();
    size_t n = heads * dim;
    std::string t = tensor(n), ta = tensor(2 * half);
    auto launch = parse("", "%x : " + t + ", %an : " + ta,
                        "%r = decoder.launch @x (%a = %x : " + t + ", %b = %an : " + ta + ") -> (" + t +
                            ") {\n%y = decoder.rope %a, %b {heads = " + std::to_string(heads) +
                            ", interleaved = " + (interleaved ? "true" : "false") + "} : (" + t + ", " + ta + ") -> " +
                            t + "\ndecoder.yield %y : " + t + "\n}");
    if (!compile(launch)) continue;
    Rows x = Rows::random(kRows, n, 1), angles = Rows::random(kRows, 2 * half, 2, 0.5f), y(kRows, n);
    bind(kRows, x[0], angles[0], y[0]);
    call("k", kRows);
    for (size_t r = 0; r < kRows; ++r) {
      std::vector<float> expected(x[r], x[r] + n);
      for (size_t h = 0; h < heads; ++h) numerics::rope(expected.data() + h * dim, angles[r], half, interleaved);
      EXPECT_TRUE(sameBits(expected.data(), y[r], n)) << heads << "x" << dim << " n " << half << " " << interleaved;
    }
  }
}

TEST_P(RowProgramTest, SplitGivesItsParts) {
  std::string t = tensor(60), a = tensor(20), b = tensor(7);
  auto launch = parse("", "%x : " + t,
                      "%r:2 = decoder.launch @x (%a = %x : " + t + ") -> (" + a + ", " + b +
                          ") {\n%p:2 = decoder.split %a [20, 7] {align = 16} : (" + t + ") -> (" + a + ", " + b +
                          ")\ndecoder.yield %p#0, %p#1 : " + a + ", " + b + "\n}");
  if (!compile(launch)) return;
  Rows x = Rows::random(kRows, 60, 1), y(kRows, 20), z(kRows, 7);
  bind(kRows, x[0], y[0], z[0]);
  call("k", kRows);
  for (size_t r = 0; r < kRows; ++r) {
    EXPECT_TRUE(sameBits(x[r], y[r], 20));
    EXPECT_TRUE(sameBits(x[r] + 32, z[r], 7));
  }
}

TEST_P(RowProgramTest, TakeRowsReadsTheBodysRows) {
  std::string t = tensor(40);
  auto launch = parse("", "%x : " + t, unary(40, 40, "decoder.take_rows %a"));
  if (!compile(launch)) return;
  Rows x = Rows::random(kRows, 40, 1), y(3, 40);
  std::vector<uint32_t> rows = {8, 0, 3};
  batch.logit_row = rows.data();
  bind(3, x[0], y[0]);
  call("k", 3);
  for (size_t r = 0; r < 3; ++r) EXPECT_TRUE(sameBits(x[rows[r]], y[r], 40));
}

// The head returns logits: their rows follow each other without padding, and nothing is written past the last column.
TEST_P(RowProgramTest, LogitsRowsAreExact) {
  std::string t = tensor(21);
  std::string text = "func.func @head(%x : " + t + ") -> " + t + " {\n" +
                     unary(21, 21, "decoder.scale %a {factor = 2.0 : f32}") + "\nreturn %r : " + t + "\n}";
  module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
  ASSERT_TRUE(module);
  decoder::LaunchOp launch;
  module->walk([&](decoder::LaunchOp op) { launch = op; });
  if (!compile(launch)) return;
  Rows x = Rows::random(3, 21, 1), y(3, 21, /*exact=*/true);
  bind(3, x[0], y[0]);
  call("k", 3);
  for (size_t r = 0; r < 3; ++r)
    for (size_t c = 0; c < 21; ++c) EXPECT_EQ(y[r][c], x[r][c] * 2.0f);
  EXPECT_TRUE(std::isnan(y[3][0]));
}

INSTANTIATE_TEST_SUITE_P(Levels, RowProgramTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
