// Every recipe op against loops that say the same in the plainest way.
#include "test/unit/weights/model_fixture.h"

#include "compiler/weights/float16.h"

#include <cmath>

using namespace ingot;
using namespace ingot::test;

namespace {

struct RecipeTest : ModelFixture {};

// One quantised weight as files hold it: q [n, k] unsigned, a scale and a zero a block.
struct Quantised {
  int64_t n, k, block, bits;
  std::vector<uint8_t> q, zero;
  std::vector<float> scale;

  int64_t blocks() const { return (k + block - 1) / block; }

  // [n, blocks, block * bits / 8], low bits first.
  std::vector<uint8_t> packedQuants() const {
    int64_t blockBytes = (block * bits + 7) / 8;
    std::vector<uint8_t> out(size_t(n * blocks() * blockBytes));
    for (int64_t row = 0; row < n; ++row)
      for (int64_t i = 0; i < k; ++i) {
        uint8_t &byte = out[size_t((row * blocks() + i / block) * blockBytes + i % block * bits / 8)];
        byte = uint8_t(byte | q[size_t(row * k + i)] << (i % block * bits % 8));
      }
    return out;
  }
  std::vector<uint8_t> packedZeros() const {
    int64_t rowBytes = (blocks() * bits + 7) / 8;
    std::vector<uint8_t> out(size_t(n * rowBytes));
    for (int64_t row = 0; row < n; ++row)
      for (int64_t b = 0; b < blocks(); ++b) {
        uint8_t &byte = out[size_t(row * rowBytes + b * bits / 8)];
        byte = uint8_t(byte | zero[size_t(row * blocks() + b)] << (b * bits % 8));
      }
    return out;
  }
  std::vector<float> values(bool withZeros) const {
    std::vector<float> out;
    for (int64_t row = 0; row < n; ++row)
      for (int64_t i = 0; i < k; ++i) {
        size_t b = size_t(row * blocks() + i / block);
        out.push_back(float(int(q[size_t(row * k + i)]) - (withZeros ? int(zero[b]) : 1 << (bits - 1))) * scale[b]);
      }
    return out;
  }
  std::string quantsType() const {
    return "tensor<" + std::to_string(n) + "x" + std::to_string(blocks()) + "x" +
           std::to_string((block * bits + 7) / 8) + "xui8>";
  }
  std::string blocksType(const std::string &element) const {
    return "tensor<" + std::to_string(n) + "x" + std::to_string(blocks()) + "x" + element + ">";
  }
  std::string resultType(const std::string &zeroKind, const std::string &scaleType) const {
    return "tensor<" + std::to_string(n) + "x" + std::to_string(k) +
           "xf32, #weights.grid<bits = " + std::to_string(bits) + ", group = " + std::to_string(block) +
           ", zero = " + zeroKind + ", scale = " + scaleType + ">>";
  }
};

Quantised randomQuantised(std::mt19937 &random, int64_t n, int64_t k, int64_t block, int64_t bits, bool halfScales) {
  Quantised w = {n, k, block, bits, {}, {}, {}};
  uint32_t most = (1u << bits) - 1;
  for (int64_t i = 0; i < n * k; ++i) w.q.push_back(uint8_t(random() & most));
  for (int64_t i = 0; i < n * w.blocks(); ++i) {
    w.zero.push_back(uint8_t(random() & most));
    float scale = std::ldexp(float(random() % 100000) - 50000, -20);
    w.scale.push_back(halfScales ? floatFromHalf(halfFromFloat(scale)) : scale);
  }
  return w;
}

} // namespace

TEST_F(RecipeTest, TransposesConcatenatesAndPacksProjections) {
  std::vector<float> a = normals(48 * 20), b = normals(48 * 7);
  source("a", "tensor<48x20xf32>", a);
  source("b", "tensor<48x7xf32>", b);
  parse(R"(weights.recipe @r {
    %a = weights.load @a : tensor<48x20xf32>
    %b = weights.load @b : tensor<48x7xf32>
    %ta = weights.transpose %a [1, 0] : (tensor<48x20xf32>) -> tensor<20x48xf32>
    %tb = weights.transpose %b [1, 0] : (tensor<48x7xf32>) -> tensor<7x48xf32>
    %c = weights.concat %ta, %tb {axis = 0} : (tensor<20x48xf32>, tensor<7x48xf32>) -> tensor<27x48xf32>
    %p = weights.pack %c r16 : (tensor<27x48xf32>) -> tensor<27x48xf32>
    weights.yield %p : tensor<27x48xf32>
  })");
  std::vector<float> expected;
  for (int n = 0; n < 27; ++n)
    for (int k = 0; k < 48; ++k) expected.push_back(n < 20 ? a[k * 20 + n] : b[k * 7 + n - 20]);
  EXPECT_EQ(dense(), expected);
  EXPECT_EQ(unpack(WeightFormat{}, packed(), 27, 48), expected);
}

TEST_F(RecipeTest, SlicesReshapesAndPermutesAxes) {
  std::vector<float> a = normals(4 * 6 * 10);
  source("a", "tensor<4x60xf32>", a);
  parse(R"(weights.recipe @r {
    %a = weights.load @a : tensor<4x60xf32>
    %b = weights.reshape %a : (tensor<4x60xf32>) -> tensor<4x6x10xf32>
    %c = weights.transpose %b [2, 0, 1] : (tensor<4x6x10xf32>) -> tensor<10x4x6xf32>
    %d = weights.slice %c {axis = 2, begin = 1} : (tensor<10x4x6xf32>) -> tensor<10x4x3xf32>
    %e = weights.slice %d {axis = 0, begin = 2} : (tensor<10x4x3xf32>) -> tensor<7x4x3xf32>
    %f = weights.reshape %e : (tensor<7x4x3xf32>) -> tensor<14x6xf32>
    weights.yield %f : tensor<14x6xf32>
  })");
  std::vector<float> expected;
  for (int i = 2; i < 9; ++i)
    for (int j = 0; j < 4; ++j)
      for (int k = 1; k < 4; ++k) expected.push_back(a[j * 60 + k * 10 + i]);
  EXPECT_EQ(dense(), expected);
}

TEST_F(RecipeTest, ConcatenatesAlongColumns) {
  std::vector<float> a = normals(5 * 3), b = normals(5 * 4);
  source("a", "tensor<5x3xf32>", a);
  source("b", "tensor<5x4xf32>", b);
  parse(R"(weights.recipe @r {
    %a = weights.load @a : tensor<5x3xf32>
    %b = weights.load @b : tensor<5x4xf32>
    %c = weights.concat %a, %b, %a {axis = 1} : (tensor<5x3xf32>, tensor<5x4xf32>, tensor<5x3xf32>) -> tensor<5x10xf32>
    %d = weights.slice %c {axis = 1, begin = 2} : (tensor<5x10xf32>) -> tensor<5x6xf32>
    weights.yield %d : tensor<5x6xf32>
  })");
  std::vector<float> expected;
  for (int i = 0; i < 5; ++i)
    for (int j = 2; j < 8; ++j) expected.push_back(j < 3 ? a[i * 3 + j] : j < 7 ? b[i * 4 + j - 3] : a[i * 3 + j - 7]);
  EXPECT_EQ(dense(), expected);
}

TEST_F(RecipeTest, PermutesAndPadsRows) {
  std::vector<float> a = normals(48 * 2);
  source("a", "tensor<48x2xf32>", a);
  // Two halves of 24 rows interleaved in blocks of 8, then padded.
  parse(R"(weights.recipe @r {
    %a = weights.load @a : tensor<48x2xf32>
    %b = weights.permute_rows %a {extents = array<i64: 3, 2, 8>, strides = array<i64: 8, 24, 1>} : (tensor<48x2xf32>) -> tensor<48x2xf32>
    %c = weights.pad_rows %b : (tensor<48x2xf32>) -> tensor<50x2xf32>
    weights.yield %c : tensor<50x2xf32>
  }
  weights.recipe @past {
    %a = weights.load @a : tensor<48x2xf32>
    %b = weights.permute_rows %a {extents = array<i64: 2, 3>, strides = array<i64: 40, 8>} : (tensor<48x2xf32>) -> tensor<6x2xf32>
    weights.yield %b : tensor<6x2xf32>
  })");
  std::vector<float> expected;
  for (int r = 0; r < 50; ++r)
    for (int k = 0; k < 2; ++k) expected.push_back(r < 48 ? a[(r / 16 * 8 + r / 8 % 2 * 24 + r % 8) * 2 + k] : 0.0f);
  EXPECT_EQ(dense(), expected);
  expected.clear();
  for (int row : {0, 8, 16, 40, 48, 56})
    for (int k = 0; k < 2; ++k) expected.push_back(row < 48 ? a[row * 2 + k] : 0.0f);
  EXPECT_EQ(dense("past"), expected);
}

TEST_F(RecipeTest, CastsScalesAddsAndKeepsConstants) {
  std::vector<uint16_t> half = {0x3c00, 0xc000, 0x3555, 0x0001};
  source("h", "tensor<4xf16>", half);
  parse(R"(weights.recipe @r {
    %a = weights.load @h : tensor<4xf16>
    %b = weights.cast %a : (tensor<4xf16>) -> tensor<4xf32>
    %c = weights.scale %b {factor = 3.0e+00 : f32} : (tensor<4xf32>) -> tensor<4xf32>
    %d = weights.add_scalar %c {addend = 1.0e+00 : f32} : (tensor<4xf32>) -> tensor<4xf32>
    %e = weights.constant dense<[7.0, 8.0]> : tensor<2xf32>
    %f = weights.concat %d, %e {axis = 0} : (tensor<4xf32>, tensor<2xf32>) -> tensor<6xf32>
    weights.yield %f : tensor<6xf32>
  })");
  std::vector<float> expected;
  for (uint16_t bits : half) {
    float tripled = floatFromHalf(bits) * 3.0f;
    expected.push_back(tripled + 1.0f);
  }
  expected.insert(expected.end(), {7.0f, 8.0f});
  EXPECT_EQ(dense(), expected);
  auto recipe = Recipe::build(op(), *files);
  ASSERT_TRUE(bool(recipe));
  EXPECT_EQ(recipe->layoutName(), "rows.f32");
  EXPECT_EQ(recipe->rows(), 1u);
  EXPECT_EQ(recipe->cols(), 6u);
  std::vector<uint8_t> bytes = packed();
  EXPECT_EQ(0, std::memcmp(bytes.data(), expected.data(), sizeof(float) * 6));
}

// Packed 4- and 8-bit blocks with and without packed zero points, K a multiple of the block and not.
TEST_F(RecipeTest, MatMulNBitsGridsAreKeptExactly) {
  struct Case {
    int64_t n, k, block, bits;
  };
  int index = 0;
  std::string recipes;
  std::vector<std::pair<Quantised, bool>> expected;
  for (Case c : {Case{33, 172, 32, 4},
                 {172, 64, 32, 4},
                 {1, 96, 32, 8},
                 {20, 172, 16, 4},
                 {20, 300, 64, 8},
                 {16, 256, 128, 4},
                 {18, 600, 256, 4},
                 {5, 172, 172, 8},
                 {40, 31, 32, 4}})
    for (bool zeros : {false, true}) {
      Quantised w = randomQuantised(random, c.n, c.k, c.block, c.bits, index % 3 != 0);
      std::string id = std::to_string(index++), kind = zeros ? "zero_point" : "symmetric";
      std::string zerosType = "tensor<" + std::to_string(w.packedZeros().size()) + "xui8>";
      source("q" + id, w.quantsType(), w.packedQuants());
      source("s" + id, w.blocksType("f32"), w.scale);
      source("z" + id, zerosType, w.packedZeros());
      std::string result = w.resultType(kind, index % 3 != 1 ? "f16" : "f32");
      std::string operands = w.quantsType() + ", " + w.blocksType("f32") + (zeros ? ", " + zerosType : "");
      recipes += "weights.recipe @r" + id + " { %q = weights.load @q" + id + " : " + w.quantsType() +
                 "\n %s = weights.load @s" + id + " : " + w.blocksType("f32") + "\n %z = weights.load @z" + id + " : " +
                 zerosType + "\n %d = weights.dequant %q, %s" + (zeros ? ", %z" : "") +
                 " {bits = " + std::to_string(c.bits) + " : i64, block = " + std::to_string(c.block) + " : i64} : (" +
                 operands + ") -> " + result + "\n %p = weights.pack %d r16 : (" + result + ") -> " + result +
                 "\n weights.yield %p : " + result + " }\n";
      expected.push_back({w, zeros});
    }
  parse(recipes);
  for (int i = 0; i < index; ++i) {
    auto &[w, zeros] = expected[size_t(i)];
    std::string name = "r" + std::to_string(i);
    SCOPED_TRACE(name + " block " + std::to_string(w.block));
    EXPECT_EQ(dense(name), w.values(zeros));
    auto format = formatOf(op(name).getResultType());
    ASSERT_TRUE(bool(format));
    EXPECT_EQ(unpack(*format, packed(name), uint64_t(w.n), uint64_t(w.k)), w.values(zeros));
  }
}

TEST_F(RecipeTest, IntegersOfAnyFormGiveTheSameGrid) {
  Quantised w = randomQuantised(random, 6, 40, 16, 4, true);
  std::vector<uint8_t> bytes = w.q, nibbles, signedNibbles, signedZeros;
  for (size_t i = 0; i < w.q.size(); i += 2) {
    nibbles.push_back(uint8_t(w.q[i] | w.q[i + 1] << 4));
    signedNibbles.push_back(uint8_t((w.q[i] ^ 8) | (w.q[i + 1] ^ 8) << 4));
  }
  for (size_t i = 0; i < w.zero.size(); i += 2)
    signedZeros.push_back(uint8_t((w.zero[i] ^ 8) | (w.zero[i + 1] ^ 8) << 4));
  source("bytes", "tensor<6x40xui8>", bytes);
  source("rows", "tensor<6x20xui8>", nibbles);
  source("u4", "tensor<6x40xui4>", nibbles);
  source("i4", "tensor<6x40xi4>", signedNibbles);
  source("s", "tensor<18xf32>", w.scale);
  source("z", "tensor<6x3xui8>", w.zero);
  source("zi4", "tensor<6x3xi4>", signedZeros);
  std::string result = w.resultType("zero_point", "f16");
  auto recipe = [&](std::string name, std::string type, std::string zeros, std::string zerosType) {
    return "weights.recipe @" + name + "_r { %q = weights.load @" + name + " : " + type +
           "\n %s = weights.load @s : tensor<18xf32>\n %z = weights.load @" + zeros + " : " + zerosType +
           "\n %d = weights.dequant %q, %s, %z {bits = 4 : i64, block = 16 : i64} : (" + type + ", tensor<18xf32>, " +
           zerosType + ") -> " + result + "\n weights.yield %d : " + result + " }\n";
  };
  parse(recipe("bytes", "tensor<6x40xui8>", "z", "tensor<6x3xui8>") +
        recipe("rows", "tensor<6x20xui8>", "z", "tensor<6x3xui8>") +
        recipe("u4", "tensor<6x40xui4>", "z", "tensor<6x3xui8>") +
        recipe("i4", "tensor<6x40xi4>", "zi4", "tensor<6x3xi4>"));
  for (const char *name : {"bytes_r", "rows_r", "u4_r", "i4_r"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(dense(name), w.values(true));
  }
}

TEST_F(RecipeTest, FloatZeroPointsBecomeMinima) {
  Quantised w = randomQuantised(random, 4, 64, 32, 4, true);
  std::vector<float> minima, zeros, others = normals(8);
  for (float scale : w.scale) {
    minima.push_back(floatFromHalf(halfFromFloat(normal(random))));
    zeros.push_back(-minima.back() / scale); // as a writer that has Q4_1 minima stores them
  }
  source("q", w.quantsType(), w.packedQuants());
  source("s", w.blocksType("f32"), w.scale);
  source("z", w.blocksType("f32"), zeros);
  source("o", w.blocksType("f32"), others);
  auto recipe = [&](std::string name, std::string zero, std::string scale) {
    std::string result = w.resultType("minimum", scale), blocks = w.blocksType("f32");
    return "weights.recipe @" + name + " { %q = weights.load @q : " + w.quantsType() +
           "\n %s = weights.load @s : " + blocks + "\n %z = weights.load @" + zero + " : " + blocks +
           "\n %d = weights.dequant %q, %s, %z {bits = 4 : i64, block = 32 : i64} : (" + w.quantsType() + ", " +
           blocks + ", " + blocks + ") -> " + result + "\n %p = weights.pack %d r16 : (" + result + ") -> " + result +
           "\n weights.yield %p : " + result + " }\n";
  };
  parse(recipe("half", "z", "f16") + recipe("single", "z", "f32") + recipe("other", "o", "f32") +
        recipe("wrong", "o", "f16"));
  auto expect = [&](const char *name, auto minimum) {
    std::vector<float> expected;
    for (size_t i = 0; i < w.q.size(); ++i)
      expected.push_back(std::fma(float(w.q[i]), w.scale[i / 32], minimum(i / 32)));
    EXPECT_EQ(dense(name), expected) << name;
    EXPECT_EQ(unpack(*formatOf(op(name).getResultType()), packed(name), 4, 64), expected) << name;
  };
  expect("half", [&](size_t b) { return minima[b]; });
  expect("single", [&](size_t b) { return -zeros[b] * w.scale[b]; });
  expect("other", [&](size_t b) { return -others[b] * w.scale[b]; });

  auto scaleType = [&](const char *name) {
    auto type = scaleTypeOf(op(name).getResult(), *files);
    EXPECT_TRUE(bool(type));
    return *type;
  };
  EXPECT_TRUE(scaleType("half").isF16());
  EXPECT_TRUE(scaleType("single").isF16());
  EXPECT_TRUE(scaleType("other").isF32());
  auto wrong = evaluateDense(op("wrong"), *files);
  ASSERT_FALSE(bool(wrong));
  EXPECT_NE(llvm::toString(wrong.takeError()).find("@wrong: a minimum of an f16 grid"), std::string::npos);
}

TEST_F(RecipeTest, GridsSurviveMovementAndScalesMayWiden) {
  Quantised a = randomQuantised(random, 32, 80, 32, 4, true), b = randomQuantised(random, 32, 80, 32, 4, false);
  std::string recipes, half = a.resultType("zero_point", "f16"), single = a.resultType("zero_point", "f32");
  for (auto [name, w] : {std::pair{"a", &a}, {"b", &b}}) {
    source(std::string("q") + name, w->quantsType(), w->packedQuants());
    source(std::string("s") + name, w->blocksType("f32"), w->scale);
    source(std::string("z") + name, w->blocksType("ui8"), w->zero);
  }
  auto load = [&](std::string name, const std::string &type) {
    return "%q" + name + " = weights.load @q" + name + " : " + a.quantsType() + "\n%s" + name + " = weights.load @s" +
           name + " : " + a.blocksType("f32") + "\n%z" + name + " = weights.load @z" + name + " : " +
           a.blocksType("ui8") + "\n%" + name + " = weights.dequant %q" + name + ", %s" + name + ", %z" + name +
           " {bits = 4 : i64, block = 32 : i64} : (" + a.quantsType() + ", " + a.blocksType("f32") + ", " +
           a.blocksType("ui8") + ") -> " + type + "\n";
  };
  auto grid = [](int n, int k) {
    return "tensor<" + std::to_string(n) + "x" + std::to_string(k) +
           "xf32, #weights.grid<bits = 4, group = 32, zero = zero_point, scale = f32>>";
  };
  parse("weights.recipe @r {\n" + load("a", half) + load("b", single) + "%c = weights.concat %a, %b {axis = 0} : (" +
        half + ", " + single + ") -> " + grid(64, 80) +
        "\n%d = weights.permute_rows %c {extents = array<i64: 4, 2, 8>, strides = array<i64: 8, 32, 1>} : (" +
        grid(64, 80) + ") -> " + grid(64, 80) + "\n%e = weights.pad_rows %d : (" + grid(64, 80) + ") -> " +
        grid(70, 80) + "\n%f = weights.slice %e {axis = 0, begin = 3} : (" + grid(70, 80) + ") -> " + grid(66, 80) +
        "\n%g = weights.slice %f {axis = 1, begin = 32} : (" + grid(66, 80) + ") -> " + grid(66, 48) +
        "\n%p = weights.pack %g r16 : (" + grid(66, 48) + ") -> " + grid(66, 48) +
        "\nweights.yield %p : " + grid(66, 48) + "\n}");
  std::vector<float> va = a.values(true), vb = b.values(true), expected;
  for (int r = 3; r < 69; ++r)
    for (int k = 32; k < 80; ++k) {
      int row = r / 16 * 8 + r % 8;
      expected.push_back(r >= 64 ? 0.0f : r / 8 % 2 ? vb[row * 80 + k] : va[row * 80 + k]);
    }
  EXPECT_EQ(dense(), expected);
  EXPECT_EQ(unpack(*formatOf(op().getResultType()), packed(), 66, 48), expected);
  auto type = scaleTypeOf(op().getResult(), *files);
  ASSERT_TRUE(bool(type));
  EXPECT_TRUE(type->isF32());
}

TEST_F(RecipeTest, AbsentFilesReadAsZerosWhereWeightsAreLeftOut) {
  source<float>("t", "tensor<4xf32>", {1, 2, 3, 4});
  parse("weights.source @s {file = \"none.data\", offset = 1000000, length = 16} : tensor<4xf32>\n"
        "weights.recipe @r { %a = weights.load @s : tensor<4xf32>\n%b = weights.load @t : tensor<4xf32>\n"
        "%c = weights.concat %a, %b {axis = 0} : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>\n"
        "weights.yield %c : tensor<8xf32> }");
  files = std::make_unique<SourceFiles>(path(), SourceFiles::Absent::reads_as_zeros);
  EXPECT_EQ(dense(), (std::vector<float>{0, 0, 0, 0, 1, 2, 3, 4}));
  auto outside = files->open("../x");
  ASSERT_FALSE(bool(outside));
  EXPECT_NE(llvm::toString(outside.takeError()).find("refused"), std::string::npos);
}

TEST_F(RecipeTest, BadSourcesAreNamed) {
  std::string body = " : tensor<4xf32>\nweights.recipe @r { %a = weights.load @s : tensor<4xf32>\n"
                     "weights.yield %a : tensor<4xf32> }";
  auto problem = [&](const std::string &source) {
    parse(source + body);
    auto recipe = Recipe::build(op(), *files);
    return recipe ? std::string("none") : llvm::toString(recipe.takeError());
  };
  EXPECT_EQ(problem("weights.source @s {file = \"none.data\", offset = 0, length = 16}"),
            "weight @r: cannot open " + folder + "/none.data: No such file or directory");
  EXPECT_EQ(problem("weights.source @s {file = \"../x\", offset = 0, length = 16}"),
            "weight @r: external data file '../x' lies outside the model's folder; refused");
  EXPECT_EQ(problem("weights.source @s {file = \"/etc/passwd\", offset = 0, length = 16}"),
            "weight @r: external data file '/etc/passwd' lies outside the model's folder; refused");
  EXPECT_EQ(problem("weights.source @s {file = \"\", offset = 9223372036854775800, length = 16}"),
            "weight @r: source @s: bytes [9223372036854775800, +16) lie outside " + path() +
                " of 0 bytes; is the file complete?");
}
