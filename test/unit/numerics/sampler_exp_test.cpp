// The sampler's exp is the kernels' exp.
#include "compiler/reference/numerics.h"
#include "runtime/sample/sampler.h"

#include <bit>
#include <gtest/gtest.h>

using namespace ingot;

TEST(SamplerExp, HasTheBitsOfTheContractsExp) {
  for (uint32_t bits = 0; bits < 0x7f800000u; bits += 1009)
    for (uint32_t sign : {0u, 0x80000000u}) {
      float x = std::bit_cast<float>(bits | sign);
      ASSERT_EQ(std::bit_cast<uint32_t>(sampler_exp(x)), std::bit_cast<uint32_t>(numerics::exp(x))) << x;
    }
}
