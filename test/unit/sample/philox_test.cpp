#include "runtime/sample/philox.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

using Words = std::array<uint32_t, 4>;

// The known answers that Salmon et al. publish with Random123 (kat_vectors).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformFillsTheUnitInterval) {
  double low = 1, high = 0, sum = 0;
  for (uint64_t i = 0; i < 20000; ++i) {
    double u = philox_uniform(1, 2, i);
    low = std::min(low, u);
    high = std::max(high, u);
    sum += u;
  }
  EXPECT_GE(low, 0.0);
  EXPECT_LT(low, 0.001);
  EXPECT_LT(high, 1.0);
  EXPECT_GT(high, 0.999);
  EXPECT_NEAR(sum / 20000, 0.5, 0.01);
}

TEST(Philox, EveryKeyPartMatters) {
  double base = philox_uniform(1, 1, 1);
  EXPECT_NE(base, philox_uniform(2, 1, 1));
  EXPECT_NE(base, philox_uniform(1, 2, 1));
  EXPECT_NE(base, philox_uniform(1, 1, 2));
  EXPECT_NE(base, philox_uniform(1ull << 32 | 1, 1, 1));
  EXPECT_NE(base, philox_uniform(1, 1ull << 32 | 1, 1));
}

} // namespace
} // namespace ingot
