// Frequencies come back bit for bit from float32 tables, and within the table's rounding from narrow ones.
#include "passes/infer/Rotary.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace ingot::infer;

namespace {
std::vector<float> frequencies(double base, int64_t columns) {
  std::vector<float> f;
  for (int64_t d = 0; d < columns; ++d) f.push_back(float(1.0 / std::pow(base, double(d) / columns)));
  return f;
}

enum class Wave { cos, sin };

template <typename Store>
FloatTable table(Wave wave, const std::vector<float> &f, int64_t rows, float scale, double unit) {
  FloatTable result{rows, int64_t(f.size()), {}, unit};
  for (int64_t p = 0; p < rows; ++p)
    for (float frequency : f) {
      double angle = float(p) * frequency;
      result.values.push_back(float(Store((wave == Wave::cos ? std::cos(angle) : std::sin(angle)) * scale)));
    }
  return result;
}

template <typename Store>
std::optional<RotaryForm> recovered(const std::vector<float> &f, int64_t rows, float scale, double unit) {
  return recoverRotary(table<Store>(Wave::cos, f, rows, scale, unit), table<Store>(Wave::sin, f, rows, scale, unit));
}

TEST(Rotary, float32TablesGiveTheirFrequenciesBack) {
  auto f = frequencies(100000, 32);
  auto form = recovered<float>(f, 4096, 1.0f, 0);
  ASSERT_TRUE(form);
  EXPECT_EQ(form->scale, 1.0f);
  for (size_t d = 0; d < f.size(); ++d) EXPECT_EQ(form->frequencies[d], f[d]) << d;
}

TEST(Rotary, scaledTablesGiveTheScaleBack) {
  auto form = recovered<float>(frequencies(10000, 8), 512, 1.25f, 0);
  ASSERT_TRUE(form);
  EXPECT_EQ(form->scale, 1.25f);
}

TEST(Rotary, halfTablesAreClosedFormsWithinTheirRounding) {
  auto f = frequencies(100000, 32);
  auto form = recovered<_Float16>(f, 8192, 1.0f, 0x1p-10);
  ASSERT_TRUE(form);
  for (size_t d = 0; d < f.size(); ++d) EXPECT_NEAR(form->frequencies[d] * 8191, f[d] * 8191, 1e-4) << d;
}

TEST(Rotary, aChangedElementKeepsTheTables) {
  auto f = frequencies(10000, 4);
  FloatTable cos = table<float>(Wave::cos, f, 256, 1, 0), sin = table<float>(Wave::sin, f, 256, 1, 0);
  cos.values[200 * 4 + 2] += 1e-6f;
  EXPECT_FALSE(recoverRotary(cos, sin));
}

TEST(Rotary, positionsThatAreNotLinearKeepTheTables) {
  auto f = frequencies(10000, 4);
  FloatTable cos = table<float>(Wave::cos, f, 256, 1, 0), sin = table<float>(Wave::sin, f, 256, 1, 0);
  for (int64_t p = 128; p < 256; ++p) // a scaled second half, as dynamic scaling would make
    for (int64_t d = 0; d < 4; ++d)
      cos.values[p * 4 + d] = std::cos(p * 0.5f * f[d]), sin.values[p * 4 + d] = std::sin(p * 0.5f * f[d]);
  EXPECT_FALSE(recoverRotary(cos, sin));
}

TEST(Rotary, oneRowOrNanTellsNothing) {
  auto f = frequencies(10000, 4);
  EXPECT_FALSE(recovered<float>(f, 1, 1, 0));
  FloatTable cos = table<float>(Wave::cos, f, 16, 1, 0), sin = table<float>(Wave::sin, f, 16, 1, 0);
  cos.values[5] = NAN;
  EXPECT_FALSE(recoverRotary(cos, sin));
}
} // namespace
