// Row programs against the scalar numerics, bit for bit, at both levels: widths that end inside a block of 16 lanes,
// unused columns full of NaN, embeddings of every packed layout.
#include "compiler/kernels/cpu/RowProgram.h"
#include "compiler/reference/numerics.h"
#include "test/unit/kernels_rows/LaunchFixture.h"

#include <cstdint>

using namespace ingot;
using namespace ingot::cpu;

namespace {

std::string tensor(size_t cols) { return "tensor<?x" + std::to_string(cols) + "xf32>"; }
const size_t kWidths[] = {8, 15, 16, 64, 172, 576};
constexpr size_t kRows = 9;

class RowProgramTest : public LaunchTest {
protected:
  // Compiles the launch's row program as kernel "k"; false: skipped or failed.
  bool compile(decoder::LaunchOp launch) {
    if (!launch) return false;
    auto frame = LaunchFrame::build(launch);
    if (failed(frame)) return ADD_FAILURE(), false;
    Emitter e(*code->module, GetParam(), "k");
    auto used = emitRowProgram(e, *frame);
    if (failed(used)) return ADD_FAILURE(), false;
    e.finish();
    EXPECT_LE(*used, scratch.size() - 64);
    bool compiled = code->compile();
    EXPECT_TRUE(compiled) << code->error;
    return compiled && !skipped();
  }
  void next() { code = std::make_unique<LoadedCode>(*context, GetParam()); }
};

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

TEST_P(RowProgramTest, AnglesInClosedForm) {
  for (size_t n : {4, 16, 32, 48}) {
    next();
    std::vector<float> freq(n);
    std::string list;
    for (size_t i = 0; i < n; ++i) {
      freq[i] = 1.0f / float(1 << (i % 12)) + 0.01f * float(i);
      char text[40];
      snprintf(text, sizeof text, "%s%.9e", i ? ", " : "", freq[i]);
      list += text;
    }
    std::string t = tensor(2 * n);
    auto launch = parse("", "%p : tensor<?xi32>",
                        "%r = decoder.launch @x (%a = %p : tensor<?xi32>) -> (" + t +
                            ") {\n%y = decoder.angles %a {freq = array<f32: " + list +
                            ">, scale = 1.25 : f32} : (tensor<?xi32>) -> " + t + "\ndecoder.yield %y : " + t + "\n}");
    if (!compile(launch)) continue;
    std::vector<int32_t> positions = {0, 1, 2, 77, 2047, 8191, 131071, 500000, 1000000};
    batch.position = positions.data();
    Rows y(kRows, 2 * n);
    bind(kRows, y[0]);
    call("k", kRows);
    for (size_t r = 0; r < kRows; ++r) {
      std::vector<float> expected(2 * n);
      numerics::angles(positions[r], freq.data(), n, 1.25f, expected.data());
      EXPECT_TRUE(sameBits(expected.data(), y[r], 2 * n)) << n << " position " << positions[r];
    }
  }
}

TEST_P(RowProgramTest, TablesOfPositions) {
  size_t n = 20, rows = 40;
  std::string t = tensor(n), a = tensor(2 * n);
  auto launch =
      parse(recipe("table", {rows, n}, "f16") + recipe("c", {rows, n}) + recipe("s", {rows, n}), "%p : tensor<?xi32>",
            "%r:2 = decoder.launch @x (%a = %p : tensor<?xi32>) -> (" + t + ", " + a +
                ") {\n%y = decoder.lookup_rows %a, @table {offset = 2} : (tensor<?xi32>) -> " + t +
                "\n%z = decoder.angles %a {cos = @c, sin = @s} : (tensor<?xi32>) -> " + a +
                "\ndecoder.yield %y, %z : " + t + ", " + a + "\n}");
  if (!compile(launch)) return;
  std::vector<_Float16> table(rows * n);
  auto values = randomVector(rows * n, 4), cosines = randomVector(rows * n, 5), sines = randomVector(rows * n, 6);
  for (size_t i = 0; i < table.size(); ++i) table[i] = values[i];
  std::vector<int32_t> positions = {0, 5, 37, 1, 1, 9, 30, 2, 3};
  batch.position = positions.data();
  Rows y(kRows, n), z(kRows, 2 * n);
  bind(kRows, table.data(), cosines.data(), sines.data(), y[0], z[0]);
  call("k", kRows);
  for (size_t r = 0; r < kRows; ++r) {
    std::vector<float> expected(n);
    for (size_t c = 0; c < n; ++c) expected[c] = float(table[(positions[r] + 2) * n + c]);
    EXPECT_TRUE(sameBits(expected.data(), y[r], n));
    EXPECT_TRUE(sameBits(cosines.data() + positions[r] * n, z[r], n));
    EXPECT_TRUE(sameBits(sines.data() + positions[r] * n, z[r] + n, n));
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

// Fills a packed table with random bytes whose scales are small ordinary numbers.
std::vector<uint8_t> randomTable(const WeightFormat &f, size_t rows, size_t cols) {
  std::mt19937 random(5);
  std::vector<uint8_t> bytes(*packedBytes(f, rows, cols) + 64);
  for (auto &byte : bytes) byte = random();
  auto put = [&](uint8_t *at, float value) {
    if (f.isInteger() ? f.scale == WeightFormat::Scale::f32 : f.type == WeightFormat::Type::f32)
      memcpy(at, &value, 4);
    else if (f.type == WeightFormat::Type::bf16) {
      uint32_t bits = std::bit_cast<uint32_t>(value);
      memcpy(at, reinterpret_cast<uint8_t *>(&bits) + 2, 2);
    } else {
      _Float16 half = value;
      memcpy(at, &half, 2);
    }
  };
  auto number = [&] { return float(int(random() % 2001) - 1000) / 1000.0f; };
  size_t element = f.bits() / 8;
  if (!f.isInteger()) {
    for (size_t i = 0; i + element <= bytes.size(); i += element) put(&bytes[i], number());
    return bytes;
  }
  for (size_t group = 0; group + groupBytes(f) <= bytes.size(); group += groupBytes(f))
    for (uint32_t lane = 0; lane < 16; ++lane) {
      put(&bytes[group + scaleOffset(f) + lane * scaleElementBytes(f)], number());
      if (f.zero == WeightFormat::Zero::minimum)
        put(&bytes[group + zeroOffset(f) + lane * scaleElementBytes(f)], number());
    }
  return bytes;
}

TEST_P(RowProgramTest, EmbeddingsOfEveryPackedLayout) {
  using F = WeightFormat;
  WeightFormat cases[] = {{F::Type::f32},
                          {F::Type::f16},
                          {F::Type::bf16},
                          {F::Type::int8, F::Zero::symmetric, F::Scale::f16, 32},
                          {F::Type::int8, F::Zero::zero_point, F::Scale::f32, 64},
                          {F::Type::int4, F::Zero::symmetric, F::Scale::f16, 32},
                          {F::Type::int4, F::Zero::zero_point, F::Scale::f16, 16},
                          {F::Type::int4, F::Zero::minimum, F::Scale::f16, 32},
                          {F::Type::int8, F::Zero::minimum, F::Scale::f32, 128}};
  for (auto &format : cases)
    for (size_t n : {172, 64}) {
      next();
      SCOPED_TRACE(format.name());
      size_t vocabulary = 37;
      std::string t = tensor(n);
      auto launch = parse(packedRecipe("e", vocabulary, n, format), "%i : tensor<?xi32>",
                          "%r = decoder.launch @x (%a = %i : tensor<?xi32>) -> (" + t +
                              ") {\n%y = decoder.embed %a, @e {scale = 3.0 : f32} : (tensor<?xi32>) -> " + t +
                              "\ndecoder.yield %y : " + t + "\n}");
      if (!compile(launch)) continue;
      auto table = randomTable(format, vocabulary, n);
      std::vector<int32_t> tokens = {0, 1, 15, 16, 17, 36, 20, 3, 31};
      batch.token = tokens.data();
      Rows y(kRows, n);
      bind(kRows, table.data(), y[0]);
      call("k", kRows);
      for (size_t r = 0; r < kRows; ++r) {
        std::vector<float> expected(n);
        unpackRow(format, table.data() + tokens[r] / 16 * blockBytes(format, n), tokens[r] % 16, n, expected.data());
        for (float &v : expected) v *= 3.0f;
        EXPECT_TRUE(sameBits(expected.data(), y[r], n)) << "token " << tokens[r];
      }
    }
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

INSTANTIATE_TEST_SUITE_P(Levels, RowProgramTest, testing::Values(CpuLevel::v3, CpuLevel::v4),
                         [](auto &info) { return std::string(name(info.param)); });

} // namespace
