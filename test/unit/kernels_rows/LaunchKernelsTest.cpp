// Whole launches with a linear root, through the door of the room: prologue, quantisation, root and epilogue against
// the scalar numerics, bit for bit, for every variant, level and number of rows from 1 to 9.
#include "compiler/kernels/cpu/LaunchKernels.h"
#include "compiler/kernels/cpu/KvLayout.h"
#include "compiler/reference/numerics.h"
#include "test/unit/kernels_rows/LaunchFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

std::string tensor(size_t cols) { return "tensor<?x" + std::to_string(cols) + "xf32>"; }
constexpr size_t kRows = 9;
using Matrix = std::vector<float>; // row-major

// A random weight of 16-row blocks and its meaning.
struct Weight {
  WeightFormat format;
  size_t rows, cols;
  std::vector<uint8_t> bytes;
  numerics::Grid grid; // integers
  Matrix values;       // floats

  Weight(WeightFormat f, size_t rows, size_t cols, unsigned seed) : format(f), rows(rows), cols(cols) {
    bytes.resize(*packedBytes(f, rows, cols) + 64);
    f.isInteger() ? packGrid(seed) : packFloats(seed);
  }

  uint8_t *data() { return reinterpret_cast<uint8_t *>((uint64_t(bytes.data()) + 63) / 64 * 64); }

  void packFloats(unsigned seed) {
    values = randomVector(rows * cols, seed);
    std::vector<_Float16> halves(values.begin(), values.end());
    bool half = format.type == WeightFormat::Type::f16;
    if (half) values.assign(halves.begin(), halves.end());
    const uint8_t *source =
        half ? reinterpret_cast<uint8_t *>(halves.data()) : reinterpret_cast<uint8_t *>(values.data());
    for (size_t block = 0; block * 16 < rows; ++block)
      packFloatBlock(format, std::min<size_t>(16, rows - block * 16), cols,
                     source + block * 16 * cols * format.bits() / 8, data() + block * blockBytes(format, cols));
  }

  void packGrid(unsigned seed) {
    std::mt19937 random(seed);
    size_t groups = groupCount(format, cols), codes = 1u << format.bits();
    grid = {rows, cols, format.group, std::vector<int16_t>(rows * cols), std::vector<float>(rows * groups), {}};
    std::vector<uint8_t> code(rows * cols), zero(rows * groups, codes / 2);
    std::vector<float> minimum(rows * groups);
    for (float &s : grid.scale) s = float(_Float16((int(random() % 1999) - 999) / 4096.0f));
    for (float &m : minimum) m = float(_Float16((int(random() % 1999) - 999) / 1024.0f));
    if (format.zero == WeightFormat::Zero::zero_point)
      for (uint8_t &z : zero) z = random() % codes;
    if (format.zero == WeightFormat::Zero::minimum) zero.assign(rows * groups, 0), grid.minimum = minimum;
    for (size_t i = 0; i < code.size(); ++i) {
      code[i] = random() % codes;
      grid.quant[i] = code[i] - zero[i / cols * groups + i % cols / format.group];
    }
    for (size_t block = 0; block * 16 < rows; ++block) {
      size_t r = block * 16;
      GridView view{&code[r * cols], &grid.scale[r * groups],
                    format.zero == WeightFormat::Zero::zero_point ? &zero[r * groups] : nullptr,
                    format.zero == WeightFormat::Zero::minimum ? &minimum[r * groups] : nullptr};
      ASSERT_TRUE(packIntegerBlock(format, std::min<size_t>(16, rows - r), cols, view,
                                   data() + block * blockBytes(format, cols)));
    }
  }

  // x [tokens][cols] -> [tokens][rows]
  Matrix apply(const Matrix &x, bool int8) {
    size_t tokens = x.size() / cols;
    Matrix y(tokens * rows);
    if (!format.isInteger())
      numerics::linear(x.data(), tokens, values.data(), rows, cols, y.data());
    else if (!int8)
      numerics::linear(x.data(), tokens, grid, y.data());
    else {
      size_t groups = grid.groups();
      std::vector<int8_t> a(tokens * cols);
      std::vector<float> d(tokens * groups);
      for (size_t t = 0; t < tokens; ++t)
        numerics::quantise(&x[t * cols], cols, format.group, &a[t * cols], &d[t * groups]);
      numerics::linear(a.data(), d.data(), tokens, grid, y.data());
    }
    return y;
  }
};

class LaunchKernelsTest : public LaunchTest {
protected:
  // Generates and compiles; false: skipped or failed.
  bool generate(decoder::LaunchOp launch) {
    if (!launch) return false;
    code = std::make_unique<LoadedCode>(*context, GetParam());
    CpuKernels generator({{GetParam(), *code->module}});
    auto made = generator.generate(launch);
    if (failed(made)) return ADD_FAILURE(), false;
    kernels = *made;
    bool compiled = code->compile();
    EXPECT_TRUE(compiled) << code->error;
    return compiled && !skipped();
  }

  // Runs the launch on `rows` rows with main variant `v`; the slot behind the results is `prepared` if there is one.
  void run(size_t rows, const KernelVariant &v, unsigned preparedSlot) {
    EXPECT_LE(v.scratchBytes, scratch.size() - 64);
    arguments.rows = rows;
    prepared.assign(kernels.preparedBytesPerRow * (rows + 64) + 64, 0xAB);
    if (!kernels.prepare.empty()) {
      arguments.slot[preparedSlot] = (uint64_t(prepared.data()) + 63) / 64 * 64;
      call(kernels.prepare[0].kernel, rows);
    }
    call(v.kernel, v.units * ((rows + v.per - 1) / v.per));
  }

  LaunchKernels kernels;
  std::vector<uint8_t> prepared;
};

std::string num(const WeightFormat &f, bool int8) {
  if (!int8) return "";
  return " attributes {num = #decoder.num<activations = int8, group = " + std::to_string(f.group) + ">}";
}

const WeightFormat kF32{WeightFormat::Type::f32}, kF16{WeightFormat::Type::f16};
const WeightFormat kInt4{WeightFormat::Type::int4, WeightFormat::Zero::symmetric, WeightFormat::Scale::f16, 32};
const WeightFormat kAffine{WeightFormat::Type::int4, WeightFormat::Zero::minimum, WeightFormat::Scale::f16, 32};
const WeightFormat kInt8{WeightFormat::Type::int8, WeightFormat::Zero::symmetric, WeightFormat::Scale::f16, 32};
const WeightFormat kZp{WeightFormat::Type::int8, WeightFormat::Zero::zero_point, WeightFormat::Scale::f16, 64};

Matrix dense(Rows &rows) {
  Matrix m;
  for (size_t r = 0; r < rows.count; ++r) m.insert(m.end(), rows[r], rows[r] + rows.cols);
  return m;
}

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

// The whole of attn_in: norm, packed q|k|v, q/k norms, rope, append, for one head geometry.
struct Heads {
  size_t heads, kvHeads, dim, rotary;
  bool qkNorm, half;
};

class AttentionInput {
public:
  AttentionInput(Heads h, size_t k) : h(h), k(k) {
    q = h.heads * h.dim, kv = h.kvHeads * h.dim;
    unit = std::lcm<size_t>(16, h.dim);
    auto up = [&](size_t n) { return (n + unit - 1) / unit * unit; };
    keyAt = up(q), valueAt = keyAt + up(kv), columns = valueAt + up(kv);
  }
  std::string launch() const {
    std::string tk = tensor(k), ta = tensor(2 * h.rotary), tq = tensor(q), tv = tensor(kv), tc = tensor(columns);
    // What becomes of a part of q or k on its way: the text, and the last value's name.
    auto turned = [&](const std::string &to, std::string value, const std::string &t, size_t heads) {
      std::string text, count = std::to_string(heads);
      if (h.qkNorm) {
        text = to + "n = decoder.norm rms " + value + " {gain = @h, eps = 1.0e-6 : f32, groups = " + count + "} : (" +
               t + ") -> " + t + "\n";
        value = to + "n";
      }
      if (!h.rotary) return std::pair(text, value);
      text += to + " = decoder.rope " + value + ", %b {heads = " + count + "} : (" + t + ", " + ta + ") -> " + t + "\n";
      return std::pair(text, to);
    };
    auto [queryText, query] = turned("%q", "%p#0", tq, h.heads);
    auto [keyText, key] = turned("%k", "%p#1", tv, h.kvHeads);
    return "%r = decoder.launch @attn_in (%a = %x : " + tk + ", %b = %an : " + ta + ") -> (" + tq +
           ") {\n%n = decoder.norm rms %a {gain = @g, eps = 1.0e-5 : f32} : (" + tk + ") -> " + tk +
           "\n%l = decoder.linear %n, @w : (" + tk + ") -> " + tc + "\n%p:3 = decoder.split %l [" + std::to_string(q) +
           ", " + std::to_string(kv) + ", " + std::to_string(kv) + "] {align = " + std::to_string(unit) + "} : (" + tc +
           ") -> (" + tq + ", " + tv + ", " + tv + ")\n" + queryText + keyText + "decoder.append " + key +
           ", %p#2 {cache = @g1, layer = 1} : " + tv + ", " + tv + "\ndecoder.yield " + query + " : " + tq + "\n}";
  }
  std::string symbols() const {
    std::string type = h.half ? "f16" : "f32", dims = std::to_string(h.dim);
    auto group = [&](const std::string &name, const std::string &layers) {
      return "decoder.cache_group @" + name + " {layers = " + layers + ", kv_heads = " + std::to_string(h.kvHeads) +
             ", key_dim = " + dims + ", value_dim = " + dims + ", type = " + type + "}\n";
    };
    return group("g0", "1") + group("g1", "2") + recipe("g", {k}) + packed + recipe("h", {h.dim});
  }
  Heads h;
  size_t k, q, kv, unit, keyAt, valueAt, columns;
  std::string packed;
  static std::string recipe(const std::string &name, const std::vector<size_t> &shape);
};

class AppendTest : public LaunchKernelsTest {
public:
  using LaunchTest::packedRecipe;
  using LaunchTest::recipe;
};
std::string AttentionInput::recipe(const std::string &name, const std::vector<size_t> &shape) {
  return AppendTest::recipe(name, shape);
}

TEST_P(AppendTest, RopeAndAppendIntoPages) {
  for (Heads h : {Heads{8, 4, 8, 4, false, false},
                  {3, 1, 64, 32, false, true},
                  {4, 2, 16, 8, true, true},
                  {2, 1, 20, 5, false, false},
                  {3, 3, 8, 4, true, false},
                  {2, 2, 64, 0, false, false},
                  {2, 1, 24, 0, true, true}}) {
    SCOPED_TRACE(std::to_string(h.heads) + "/" + std::to_string(h.kvHeads) + " x " + std::to_string(h.dim));
    AttentionInput in(h, 48);
    in.packed = packedRecipe("w", in.columns, in.k, kF32);
    if (!generate(parse(in.symbols(), "%x : " + tensor(in.k) + ", %an : " + tensor(2 * h.rotary), in.launch())))
      continue;
    Weight w(kF32, in.columns, in.k, 11);
    auto gain = randomVector(in.k, 2), headGain = randomVector(h.dim, 3);
    Rows x = Rows::random(kRows, in.k, 4), angles = Rows::random(kRows, 2 * h.rotary, 5, 0.5f);
    Matrix input = dense(x);
    for (size_t r = 0; r < kRows; ++r) numerics::rmsNorm(&input[r * in.k], in.k, gain.data(), 1e-5f, &input[r * in.k]);
    Matrix linear = w.apply(input, false);
    for (size_t r = 0; r < kRows; ++r)
      for (size_t head = 0; head < h.heads + h.kvHeads; ++head) {
        float *at = &linear[r * in.columns] + (head < h.heads ? head * h.dim : in.keyAt + (head - h.heads) * h.dim);
        if (h.qkNorm) numerics::rmsNorm(at, h.dim, headGain.data(), 1e-6f, at);
        numerics::rope(at, angles[r], h.rotary, false);
      }

    // Two sequences in scattered pages; row 4 is a pad.
    std::vector<int32_t> segment = {0, 0, 0, 0, -1, 1, 1, 1, 1}, position = {30, 31, 32, 33, 0, 0, 1, 14, 70};
    std::vector<uint32_t> table = {5, 2, 0, 1, 4, 3};
    KvLayout layout{1, 2, h.kvHeads, h.dim, h.dim, h.half ? 2u : 4u};
    std::vector<uint8_t> pool(6 * layout.pageBytes());
    ingot_kv_view views[2] = {{}, {pool.data(), table.data(), 3}};
    batch.segment = segment.data(), batch.position = position.data(), batch.kv = views;

    for (const KernelVariant &v : kernels.main)
      for (size_t rows : {size_t(1), size_t(4), size_t(7), kRows}) {
        if (rows > v.maxRows) continue;
        std::fill(pool.begin(), pool.end(), 0xCD);
        Rows y(rows, in.q);
        if (h.qkNorm)
          bind(rows, x[0], angles[0], gain.data(), w.data(), headGain.data(), y[0]);
        else
          bind(rows, x[0], angles[0], gain.data(), w.data(), y[0]);
        unsigned prepared = h.qkNorm ? 6 : 5;
        arguments.slot[prepared + 1] = 1; // layer
        run(rows, v, prepared);
        size_t written = 0;
        for (size_t r = 0; r < rows; ++r) {
          EXPECT_TRUE(sameBits(&linear[r * in.columns], y[r], in.q)) << v.kernel << " row " << r;
          if (segment[r] < 0) continue;
          size_t page = table[segment[r] * 3 + position[r] / kPageTokens], t = position[r] % kPageTokens;
          for (size_t head = 0; head < h.kvHeads; ++head)
            for (size_t d = 0; d < h.dim; ++d) {
              size_t base = page * layout.pageBytes() + layout.layerBytes() + head * layout.headBytes();
              auto stored = [&](size_t offset) {
                written += layout.elementBytes;
                if (!h.half) return *reinterpret_cast<float *>(&pool[base + offset]);
                return float(*reinterpret_cast<_Float16 *>(&pool[base + offset]));
              };
              auto round = [&](float f) { return h.half ? numerics::roundToHalf(f) : f; };
              const float *row = &linear[r * in.columns] + head * h.dim + d;
              float key = stored(((t / 16 * h.dim + d) * 16 + t % 16) * layout.elementBytes);
              float value = stored((kPageTokens * h.dim + t * h.dim + d) * layout.elementBytes);
              EXPECT_EQ(round(row[in.keyAt]), key) << v.kernel << " row " << r << " head " << head << " d " << d;
              EXPECT_EQ(round(row[in.valueAt]), value) << v.kernel << " row " << r << " head " << head << " d " << d;
            }
        }
        // Nothing else was touched: the pad above all.
        EXPECT_GE(pool.size() - std::count(pool.begin(), pool.end(), 0xCD), written / 2);
        EXPECT_LE(pool.size() - std::count(pool.begin(), pool.end(), 0xCD), written);
      }
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
  } cases[] = {
      {"", "%l = decoder.linear %a, @plain : (" + t + ") -> " + t + "\n" + end, "wants its weight packed"},
      {"", linear + "%y = decoder.gate silu %l {block = 32} : (" + t + ") -> " + tensor(32) + "\n" + end,
       "blocks of 16"},
      {"", linear + "%y = decoder.take_rows %l : (" + t + ") -> " + t + "\n" + end, "cannot follow a linear"},
      {"", "%n = decoder.act silu %a : (" + t + ") -> " + t + "\n" + linear + end, "its prologue is one norm"},
      {" attributes {num = #decoder.num<activations = int8, group = 64>}",
       "%l = decoder.linear %a, @q : (" + t + ") -> " + t + "\n" + end, "int4.sym.g32"},
      {"", linear + "decoder.append %l, %l {cache = @c, layer = 0} : " + t + ", " + t + "\n" + end, "f32 or f16"}};
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
    CpuKernels generator({{GetParam(), *code->module}});
    EXPECT_TRUE(failed(generator.generate(launch)));
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
        AppendTest::packedRecipe(weight, 16, 64, format) + AppendTest::recipe("g" + weight, {64}) +
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

INSTANTIATE_TEST_SUITE_P(Levels, LaunchKernelsTest, testing::Values(CpuLevel::v3, CpuLevel::v4),
                         [](auto &info) { return std::string(name(info.param)); });
INSTANTIATE_TEST_SUITE_P(Levels, AppendTest, testing::Values(CpuLevel::v3, CpuLevel::v4),
                         [](auto &info) { return std::string(name(info.param)); });

} // namespace
