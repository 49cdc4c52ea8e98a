// Linears on tensor cores, emulated: every format against an oracle in f64 with the activations as they were rounded,
// the same bits whatever the number of rows, the kernel and the schedule, and every kind of epilogue.
#include "compiler/kernels/cpu/KvLayout.h"
#include "test/unit/kernels_rows/LinearLaunchFixture.h"

#include <numeric>

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

// From less than a tile to a stage a split: how K is cut.
TEST_P(TensorLinearTest, AnyNumberOfColumns) {
  for (size_t k : {16, 32, 48, 128, 160, 256, 320})
    check({{Type::int4, Zero::zero_point, Scale::f32, 32}, k, 64, true});
}

// More than a ring holds: stages come while others are multiplied.
TEST_P(TensorLinearTest, LongRows) {
  check({{Type::int4, Zero::zero_point, Scale::f16, 32}, 8200, 20, false, true});
  check({{Type::int4, Zero::minimum, Scale::f32, 32}, 8200, 20, true});
  check({kF16, 4700, 20});
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

// Whenever copies land and warps run, the bits are the same, and no warp reads what another writes unasked.
TEST_P(TensorLinearTest, SchedulesDoNotMatter) {
  using emulator::AsyncCopies;
  for (const LinearCase &c :
       {LinearCase{kInt4, 576, 72}, {kF16, 576, 72}, {kAffine, 576, 72, false, true}, {kInt8, 4608, 20, false, true}}) {
    SCOPED_TRACE(c.name());
    if (!make(c)) continue;
    Weight w(c.format, c.n, c.k, 11);
    Rows x = Rows::random(kManyRows, c.k, 4);
    for (const KernelVariant &v : kernels.main) {
      size_t rows = std::min<size_t>(kManyRows, v.maxRows);
      Rows plain = result(w, x, 0, rows, c.n, &v);
      for (AsyncCopies copies : {AsyncCopies::eager, AsyncCopies::late, AsyncCopies::random})
        for (uint64_t seed : {0, 7, 8}) {
          code->schedule.async_copies = copies, code->schedule.races = true, code->seed = seed;
          Rows y = result(w, x, 0, rows, c.n, &v);
          for (size_t r = 0; r < rows; ++r) ASSERT_TRUE(sameBits(plain[r], y[r], c.n)) << v.kernel << " row " << r;
        }
      code->schedule = {};
    }
  }
}

// What a multiply-add costs in instructions of a lane: the tensor cores' share is small.
TEST_P(TensorLinearTest, InstructionsPerMultiplyAdd) {
  struct Limit {
    LinearCase c;
    double one, eight; // rows
  } limits[] = {{{kInt4, 1024, 256}, 2.5, 0.5},
                {{kF16, 1024, 256}, 1.8, 0.4},
                {{kInt8, 1024, 256, false, true}, 1.5, 0.7},
                {{kInt4, 1024, 256, false, true}, 1.7, 0.6}};
  for (const Limit &limit : limits) {
    SCOPED_TRACE(limit.c.name());
    if (!make(limit.c)) continue;
    Weight w(limit.c.format, limit.c.n, limit.c.k, 11);
    Rows x = Rows::random(kManyRows, limit.c.k, 4);
    for (auto [rows, most] : {std::pair{size_t(1), limit.one}, {size_t(8), limit.eight}}) {
      code->counters = {};
      result(w, x, 0, rows, limit.c.n);
      double each = double(code->counters.lane_instructions) / double(limit.c.n * limit.c.k * rows);
      EXPECT_LE(each, most) << rows << " rows, prepare included";
    }
  }
}

// A launch on tensor cores and on lanes (the CPU's bits): outputs agree but for the rounding of sums, for every kernel
// and number of rows; and row by row they are the same bits.
class TensorEpilogueTest : public TensorLinearTest {
protected:
  static constexpr size_t kMostRows = 40;

  struct Launch {
    std::string symbols, arguments, text;
    const char *function = "body";
  };
  /// Binds everything for `rows` rows, all outputs fresh; what `take` returns are the outputs' values.
  struct Data {
    std::function<unsigned(size_t rows)> bindAll; // the slot `prepared`
    std::function<std::vector<float>(size_t row)> take;
  };

  void compare(const Launch &launch, const Data &data, double tolerance = 3e-4) {
    std::vector<std::vector<float>> expected;
    decoder::LaunchOp op = parse(launch.symbols, launch.arguments, launch.text, launch.function);
    if (!generate(op)) return; // on lanes
    unsigned slot = data.bindAll(kMostRows);
    if (kernels.prepare.empty()) arguments.slot[slot] = arguments.slot[slot + 1]; // no `prepared`: the layer follows
    run(kMostRows, kernels.main.back(), slot);
    for (size_t r = 0; r < kMostRows; ++r) expected.push_back(data.take(r));

    if (!make(op, /*exact=*/true)) return;
    std::vector<std::vector<float>> first;
    for (const KernelVariant &v : kernels.main)
      for (size_t rows : {40, 33, 9, 7, 1}) {
        if (rows > v.maxRows) continue;
        run(rows, v, data.bindAll(rows));
        for (size_t r = 0; r < rows; ++r) {
          std::vector<float> values = data.take(r);
          ASSERT_EQ(values.size(), expected[r].size());
          for (size_t i = 0; i < values.size(); ++i)
            ASSERT_NEAR(values[i], expected[r][i], tolerance * (1 + std::abs(expected[r][i])))
                << v.kernel << " row " << r << " of " << rows << " value " << i;
          if (first.size() == r) first.push_back(values);
          ASSERT_TRUE(sameBits(first[r].data(), values.data(), values.size())) << v.kernel << " row " << r;
        }
      }
  }
};

const char *const kNorms[] = {"rms", "layer", "l2"};

// y = z + (norm(x) W^T + bias)
TEST_P(TensorEpilogueTest, NormBiasResidual) {
  struct Case {
    WeightFormat format;
    int norm;
    size_t k, n;
  } cases[] = {{kF16, 0, 172, 72}, {kInt4, 1, 576, 48}, {kAffine, 2, 200, 40}, {kZp, 0, 1536, 21}};
  for (auto [format, norm, k, n] : cases) {
    SCOPED_TRACE(format.name() + " " + kNorms[norm]);
    std::string tk = tensor(k), tn = tensor(n);
    Weight w(format, n, k, 11);
    auto gain = randomVector(k, 2), shift = randomVector(k, 6), bias = randomVector(n, 3);
    Rows x = Rows::random(kMostRows, k, 4), z = Rows::random(kMostRows, n, 5), y(kMostRows, n);
    bool shifted = norm == 1;
    std::string text = "%r = decoder.launch @x (%a = %x : " + tk + ", %c = %z : " + tn + ") -> (" + tn +
                       ") {\n%n = decoder.norm " + kNorms[norm] + " %a {gain = @g, " + (shifted ? "bias = @s, " : "") +
                       "eps = 1.0e-5 : f32} : (" + tk + ") -> " + tk + "\n%l = decoder.linear %n, @w {bias = @b} : (" +
                       tk + ") -> " + tn + "\n%y = decoder.add %c, %l : (" + tn + ", " + tn + ") -> " + tn +
                       "\ndecoder.yield %y : " + tn + "\n}";
    compare({recipe("g", {k}) + recipe("s", {k}) + packedRecipe("w", n, k, format) + recipe("b", {n}),
             "%x : " + tk + ", %z : " + tn, text},
            {[&](size_t rows) -> unsigned {
               y = Rows(kMostRows, n);
               if (shifted)
                 bind(rows, x[0], z[0], gain.data(), shift.data(), bias.data(), w.data(), y[0]);
               else
                 bind(rows, x[0], z[0], gain.data(), bias.data(), w.data(), y[0]);
               return shifted ? 7 : 6;
             },
             [&](size_t row) { return std::vector<float>(y[row], y[row] + n); }});
  }
}

// A residual may be written over what it reads.
TEST_P(TensorEpilogueTest, ResidualInPlace) {
  size_t k = 96, n = 64;
  std::string tk = tensor(k), tn = tensor(n);
  Weight w(kInt4, n, k, 11);
  Rows x = Rows::random(kMostRows, k, 4), z = Rows::random(kMostRows, n, 5), y = z;
  compare({packedRecipe("w", n, k, kInt4), "%x : " + tk + ", %z : " + tn,
           "%r = decoder.launch @x (%a = %x : " + tk + ", %c = %z : " + tn + ") -> (" + tn +
               ") {\n%l = decoder.linear %a, @w : (" + tk + ") -> " + tn + "\n%y = decoder.add %c, %l : (" + tn + ", " +
               tn + ") -> " + tn + "\ndecoder.yield %y : " + tn + "\n}"},
          {[&](size_t rows) -> unsigned {
             y = z;
             bind(rows, x[0], y[0], w.data(), y[0]);
             return 4;
           },
           [&](size_t row) { return std::vector<float>(y[row], y[row] + n); }});
}

TEST_P(TensorEpilogueTest, Gate) {
  for (const WeightFormat &format : {kF16, kInt4}) {
    size_t k = 64, n = 40, packed = 96;
    std::string tk = tensor(k), tn = tensor(n), tp = tensor(packed);
    Weight w(format, packed, k, 11);
    Rows x = Rows::random(kMostRows, k, 4), y(kMostRows, n);
    compare({packedRecipe("w", packed, k, format), "%x : " + tk,
             "%r = decoder.launch @x (%a = %x : " + tk + ") -> (" + tn + ") {\n%l = decoder.linear %a, @w : (" + tk +
                 ") -> " + tp + "\n%y = decoder.gate silu %l {block = 16} : (" + tp + ") -> " + tn +
                 "\ndecoder.yield %y : " + tn + "\n}"},
            {[&](size_t rows) -> unsigned {
               y = Rows(kMostRows, n);
               bind(rows, x[0], w.data(), y[0]);
               return 3;
             },
             [&](size_t row) { return std::vector<float>(y[row], y[row] + n); }});
  }
}

// q and k turned, k and v left in the cache's pages; row 4 is a pad. Units of 4, 8, 5 and 3 blocks.
TEST_P(TensorEpilogueTest, RopeAndAppend) {
  struct Heads {
    size_t heads, kvHeads, dim, rotary;
    bool half;
  };
  for (Heads h : {Heads{3, 1, 64, 32, true}, {2, 1, 128, 64, true}, {4, 4, 20, 5, false}, {4, 4, 12, 6, true}}) {
    size_t k = 96, unit = std::lcm<size_t>(16, h.dim), q = h.heads * h.dim, kv = h.kvHeads * h.dim;
    SCOPED_TRACE("head size " + std::to_string(h.dim));
    auto up = [&](size_t n) { return (n + unit - 1) / unit * unit; };
    size_t columns = up(q) + 2 * up(kv);
    std::string tk = tensor(k), ta = tensor(2 * h.rotary), tq = tensor(q), tv = tensor(kv), tc = tensor(columns);
    auto rope = [&](const char *to, const char *from, const std::string &t, size_t heads) {
      return std::string(to) + " = decoder.rope " + from + ", %b {heads = " + std::to_string(heads) + "} : (" + t +
             ", " + ta + ") -> " + t + "\n";
    };
    std::string text = "%r = decoder.launch @x (%a = %x : " + tk + ", %b = %an : " + ta + ") -> (" + tq +
                       ") {\n%l = decoder.linear %a, @w : (" + tk + ") -> " + tc + "\n%p:3 = decoder.split %l [" +
                       std::to_string(q) + ", " + std::to_string(kv) + ", " + std::to_string(kv) +
                       "] {align = " + std::to_string(unit) + "} : (" + tc + ") -> (" + tq + ", " + tv + ", " + tv +
                       ")\n" + rope("%q", "%p#0", tq, h.heads) + rope("%k", "%p#1", tv, h.kvHeads) +
                       "decoder.append %k, %p#2 {cache = @c, layer = 1} : " + tv + ", " + tv +
                       "\ndecoder.yield %q : " + tq + "\n}";
    std::string cache = "decoder.cache_group @c {layers = 2, kv_heads = " + std::to_string(h.kvHeads) +
                        ", key_dim = " + std::to_string(h.dim) + ", value_dim = " + std::to_string(h.dim) +
                        ", type = " + (h.half ? "f16" : "f32") + "}\n";
    Weight w(kInt4, columns, k, 11);
    Rows x = Rows::random(kMostRows, k, 4), angles = Rows::random(kMostRows, 2 * h.rotary, 5, 0.5f), y(kMostRows, q);
    KvLayout layout{0, 2, h.kvHeads, h.dim, h.dim, h.half ? 2u : 4u};
    std::vector<uint8_t> pool(3 * layout.pageBytes());
    std::vector<int32_t> segment(kMostRows, 0), position(kMostRows);
    std::iota(position.begin(), position.end(), 50);
    segment[4] = -1, position[4] = 0;
    std::vector<uint32_t> table = {2, 0, 1};
    ingot_kv_view view{pool.data(), table.data(), 3};
    batch.segment = segment.data(), batch.position = position.data(), batch.kv = &view;
    compare({cache + packedRecipe("w", columns, k, kInt4), "%x : " + tk + ", %an : " + ta, text},
            {[&](size_t rows) -> unsigned {
               y = Rows(kMostRows, q);
               std::fill(pool.begin(), pool.end(), 0x3C);
               bind(rows, x[0], angles[0], w.data(), y[0]);
               arguments.slot[5] = 1; // layer
               return 4;
             },
             [&](size_t row) {
               std::vector<float> values(y[row], y[row] + q);
               uint8_t *page = pool.data() + table[position[row] / kPageTokens] * layout.pageBytes();
               uint64_t in = position[row] % kPageTokens;
               for (size_t i = 0; i < kv; ++i)
                 for (bool value : {false, true}) {
                   size_t head = i / h.dim, d = i % h.dim;
                   size_t element = value ? kPageTokens * h.dim + in * h.dim + d : (in / 16 * h.dim + d) * 16 + in % 16;
                   uint8_t *at = page + layout.layerBytes() + head * layout.headBytes() + element * layout.elementBytes;
                   values.push_back(h.half ? float(*reinterpret_cast<_Float16 *>(at)) : *reinterpret_cast<float *>(at));
                 }
               return values;
             }},
            1.2e-3); // a last place of f16
  }
}

// Logits rows end with their last column: whatever lies behind them stays.
TEST_P(TensorEpilogueTest, LogitsAreWrittenExactly) {
  size_t k = 64, n = 21;
  std::string tk = tensor(k), tn = tensor(n);
  std::string text = packedRecipe("w", n, k, kF16) + "func.func @head(%x : " + tk + ") -> " + tn +
                     " {\n%r = decoder.launch @x (%a = %x : " + tk + ") -> (" + tn +
                     ") {\n%l = decoder.linear %a, @w : (" + tk + ") -> " + tn + "\ndecoder.yield %l : " + tn +
                     "\n}\nreturn %r : " + tn + "\n}";
  module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
  ASSERT_TRUE(module);
  decoder::LaunchOp launch;
  module->walk([&](decoder::LaunchOp op) { launch = op; });
  if (!make(launch, true)) return;
  Weight w(kF16, n, k, 11);
  Rows x = Rows::random(kMostRows, k, 4);
  for (const KernelVariant &v : kernels.main)
    for (size_t rows : {1, 8, 40}) {
      if (rows > v.maxRows) continue;
      Rows y(rows, n, /*exact=*/true);
      bind(rows, x[0], w.data(), y[0]);
      run(rows, v, 3);
      EXPECT_FALSE(std::isnan(y[rows - 1][n - 1])) << v.kernel;
      EXPECT_TRUE(std::isnan(y[rows][0])) << v.kernel << " of " << rows;
    }
}

INSTANTIATE_TEST_SUITE_P(Emulated, TensorEpilogueTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });
INSTANTIATE_TEST_SUITE_P(Emulated, TensorLinearTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
