// What begins a row: rotary angles, learned positions, embeddings of every packed layout; against the scalar numerics.
#include "test/unit/kernels_rows/RowProgramFixture.h"

using namespace ingot;
using namespace ingot::cpu;

namespace {

using RowTablesTest = RowProgramTest;

TEST_P(RowTablesTest, AnglesInClosedForm) {
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

TEST_P(RowTablesTest, TablesOfPositions) {
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

TEST_P(RowTablesTest, EmbeddingsOfEveryPackedLayout) {
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

INSTANTIATE_TEST_SUITE_P(Levels, RowTablesTest, testLevels(),
                         [](auto &info) { return std::string(levelName(info.param)); });

} // namespace
