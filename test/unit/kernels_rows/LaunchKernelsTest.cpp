// Whole launches with a linear root: prologue, quantisation, root and epilogue against the scalar numerics, bit for
// bit, for every variant, level and number of rows from 1 to 9. What no kernel can do is refused.
#include "test/unit/kernels_rows/LinearLaunchFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

using LaunchKernelsTest = LinearLaunchTest;

// y = z + (rms(x) W^T + bias), and the same without prologue.
TEST_P(LaunchKernelsTest, NormLinearBiasResidual) {
  struct Case {
    WeightFormat format;
    bool norm, int8;
    size_t k, n;
  } cases[] = {{kF32, false, false, 64, 64}, {kF32, true, false, 40, 21},  {kF16, true, false, 172, 72},
               {kInt4, true, false, 64, 48}, {kInt4, true, true, 576, 64}, {kAffine, true, true, 172, 40},
               {kInt8, false, true, 80, 33}, {kZp, true, true, 200, 16}};
  for (auto [format, norm, int8, k, n] : cases) {
    SCOPED_TRACE(format.name() + (int8 ? " int8 " : " f32 ") + std::to_string(k) + " -> " + std::to_string(n));
    std::string tk = tensor(k), tn = tensor(n);
    auto launch = parse(
        recipe("g", {k}) + packedRecipe("w", n, k, format) + recipe("b", {n}), "%x : " + tk + ", %z : " + tn,
        "%r = decoder.launch @x (%a = %x : " + tk + ", %c = %z : " + tn + ") -> (" + tn + ")" + num(format, int8) +
            " {\n" +
            (norm ? "%n = decoder.norm rms %a {gain = @g, eps = 1.0e-5 : f32} : (" + tk + ") -> " + tk + "\n" : "") +
            "%l = decoder.linear " + (norm ? "%n" : "%a") + ", @w {bias = @b} : (" + tk + ") -> " + tn +
            "\n%y = decoder.add %c, %l : (" + tn + ", " + tn + ") -> " + tn + "\ndecoder.yield %y : " + tn + "\n}");
    if (!generate(launch)) continue;
    EXPECT_EQ(kernels.prepare.empty(), !norm && !int8);
    Weight w(format, n, k, 11);
    auto gain = randomVector(k, 2), bias = randomVector(n, 3);
    Rows x = Rows::random(kRows, k, 4), z = Rows::random(kRows, n, 5);
    Matrix input = dense(x);
    if (norm)
      for (size_t r = 0; r < kRows; ++r) numerics::rmsNorm(&input[r * k], k, gain.data(), 1e-5f, &input[r * k]);
    Matrix expected = w.apply(input, int8);
    for (size_t r = 0; r < kRows; ++r)
      for (size_t c = 0; c < n; ++c) expected[r * n + c] = z[r][c] + (expected[r * n + c] + bias[c]);
    for (const KernelVariant &v : kernels.main)
      for (size_t rows = 1; rows <= std::min<size_t>(kRows, v.maxRows); ++rows) {
        Rows y(rows, n);
        if (norm)
          bind(rows, x[0], z[0], gain.data(), bias.data(), w.data(), y[0]);
        else
          bind(rows, x[0], z[0], bias.data(), w.data(), y[0]);
        run(rows, v, norm ? 6 : 5);
        for (size_t r = 0; r < rows; ++r)
          EXPECT_TRUE(sameBits(&expected[r * n], y[r], n)) << v.kernel << " row " << r << " of " << rows;
      }
  }
}

// act(gate) * up with columns alternating in blocks of 16.
TEST_P(LaunchKernelsTest, GatedLinear) {
  for (auto [format, int8] : {std::pair{kF32, false}, {kInt4, true}}) {
    size_t k = 64, n = 40, packed = 96;
    std::string tk = tensor(k), tn = tensor(n), tp = tensor(packed);
    auto launch = parse(packedRecipe("w", packed, k, format), "%x : " + tk,
                        "%r = decoder.launch @x (%a = %x : " + tk + ") -> (" + tn + ")" + num(format, int8) +
                            " {\n%l = decoder.linear %a, @w : (" + tk + ") -> " + tp +
                            "\n%y = decoder.gate silu %l {block = 16} : (" + tp + ") -> " + tn +
                            "\ndecoder.yield %y : " + tn + "\n}");
    if (!generate(launch)) continue;
    Weight w(format, packed, k, 11);
    Rows x = Rows::random(kRows, k, 4);
    Matrix linear = w.apply(dense(x), int8), expected(kRows * n);
    for (size_t r = 0; r < kRows; ++r)
      for (size_t c = 0; c < n; ++c) {
        const float *gate = &linear[r * packed + c / 16 * 32 + c % 16];
        expected[r * n + c] = numerics::silu(gate[0]) * gate[16];
      }
    for (const KernelVariant &v : kernels.main)
      for (size_t rows = 1; rows <= std::min<size_t>(kRows, v.maxRows); ++rows) {
        Rows y(rows, n);
        bind(rows, x[0], w.data(), y[0]);
        run(rows, v, 3);
        for (size_t r = 0; r < rows; ++r) EXPECT_TRUE(sameBits(&expected[r * n], y[r], n)) << v.kernel << " row " << r;
      }
  }
}

// Logits rows end with their last column: whatever lies behind them stays.
TEST_P(LaunchKernelsTest, LogitsAreWrittenExactly) {
  size_t k = 32, n = 21;
  std::string tk = tensor(k), tn = tensor(n);
  std::string text = packedRecipe("w", n, k, kF32) + "func.func @head(%x : " + tk + ") -> " + tn +
                     " {\n%r = decoder.launch @x (%a = %x : " + tk + ") -> (" + tn +
                     ") {\n%l = decoder.linear %a, @w : (" + tk + ") -> " + tn +
                     "\n%y = decoder.softcap %l {cap = 30.0 : f32} : (" + tn + ") -> " + tn +
                     "\ndecoder.yield %y : " + tn + "\n}\nreturn %r : " + tn + "\n}";
  module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
  ASSERT_TRUE(module);
  decoder::LaunchOp launch;
  module->walk([&](decoder::LaunchOp op) { launch = op; });
  if (!generate(launch)) return;
  Weight w(kF32, n, k, 11);
  Rows x = Rows::random(kRows, k, 4);
  Matrix expected = w.apply(dense(x), false);
  for (float &v : expected) v = numerics::softcap(v, 30.0f);
  for (const KernelVariant &v : kernels.main)
    for (size_t rows = 1; rows <= std::min<size_t>(kRows, v.maxRows); ++rows) {
      Rows y(rows, n, /*exact=*/true);
      bind(rows, x[0], w.data(), y[0]);
      run(rows, v, 3);
      for (size_t r = 0; r < rows; ++r) EXPECT_TRUE(sameBits(&expected[r * n], y[r], n)) << v.kernel << " row " << r;
      EXPECT_TRUE(std::isnan(y[rows][0]));
    }
}

// What no kernel can do is refused at the op, with the reason.
TEST_P(LaunchKernelsTest, IllegalLaunchesAreRefused) {
  std::string t = tensor(64), p = recipe("plain", {64, 64}), w = packedRecipe("w", 64, 64, kF32),
              q = packedRecipe("q", 64, 64, kInt4);
  std::string linear = "%l = decoder.linear %a, @w : (" + t + ") -> " + t + "\n",
              end = "decoder.yield %l : " + t + "\n";
  struct Case {
    std::string attributes, body, message;
  } cases[] = {{"", "%l = decoder.linear %a, @plain : (" + t + ") -> " + t + "\n" + end, "wants its weight packed"},
               {"", linear + "%y = decoder.gate silu %l {block = 32} : (" + t + ") -> " + tensor(32) + "\n" + end,
                "blocks of 16"},
               {"", linear + "%y = decoder.take_rows %l : (" + t + ") -> " + t + "\n" + end, "cannot follow a linear"},
               {"", "%n = decoder.act silu %a : (" + t + ") -> " + t + "\n" + linear + end, "its prologue is one norm"},
               {" attributes {num = #decoder.num<activations = int8, group = 64>}",
                "%l = decoder.linear %a, @q : (" + t + ") -> " + t + "\n" + end, "int4.sym.g32"},
               {"", linear + "decoder.append %l, %l {cache = @c, layer = 0} : " + t + ", " + t + "\n" + end,
                "f32, f16 or bf16"}};
  for (auto &test : cases) {
    SCOPED_TRACE(test.message);
    auto launch = parse(
        p + w + q + "decoder.cache_group @c {layers = 1, kv_heads = 4, key_dim = 16, value_dim = 16, type = i8}\n",
        "%x : " + t,
        "%r = decoder.launch @x (%a = %x : " + t + ") -> (" + t + ")" + test.attributes + " {\n" + test.body + "}");
    ASSERT_TRUE(launch);
    std::string message;
    mlir::ScopedDiagnosticHandler handler(context.get(), [&](mlir::Diagnostic &diagnostic) {
      message += diagnostic.str();
      return mlir::success();
    });
    EXPECT_TRUE(failed(code->generator()->generate(launch)));
    EXPECT_NE(message.find(test.message), std::string::npos) << message;
  }
}

// Equal layers share kernels; anything that changes the code changes the hash.
TEST(LaunchHash, AbstractsWeightsAndLayer) {
  mlir::DialectRegistry registry;
  registry.insert<decoder::DecoderDialect, weights::WeightsDialect, mlir::func::FuncDialect>();
  mlir::MLIRContext context(registry);
  context.loadAllAvailableDialects();
  auto hash = [&](const std::string &weight, const std::string &layer, const std::string &eps,
                  const WeightFormat &format) {
    std::string text =
        LinearLaunchTest::packedRecipe(weight, 16, 64, format) + LinearLaunchTest::recipe("g" + weight, {64}) +
        "decoder.cache_group @c {layers = 4, kv_heads = 1, key_dim = 16, value_dim = 16, type = f32}\n"
        "func.func @body(%x : tensor<?x64xf32>) {\ndecoder.launch @l (%a = %x : tensor<?x64xf32>) {\n"
        "%n = decoder.norm rms %a {gain = @g" +
        weight + ", eps = " + eps + " : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>\n%l = decoder.linear %n, @" +
        weight + " : (tensor<?x64xf32>) -> tensor<?x16xf32>\ndecoder.append %l, %l {cache = @c, layer = " + layer +
        "} : tensor<?x16xf32>, tensor<?x16xf32>\ndecoder.yield\n}\nreturn\n}";
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    uint64_t result = 0;
    if (module) module->walk([&](decoder::LaunchOp op) { result = hashLaunch(op); });
    return result;
  };
  uint64_t base = hash("w0", "0", "1.0e-5", kF32);
  EXPECT_EQ(base, hash("w1", "3", "1.0e-5", kF32));
  EXPECT_NE(base, hash("w0", "0", "1.0e-6", kF32));
  EXPECT_NE(base, hash("w0", "0", "1.0e-5", kInt4));
}

INSTANTIATE_TEST_SUITE_P(Levels, LaunchKernelsTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
