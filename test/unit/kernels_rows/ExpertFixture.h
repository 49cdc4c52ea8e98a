// Launches of expert linears: their text, and weights with a known meaning.
#pragma once
#include "test/unit/kernels_rows/LinearLaunchFixture.h"

namespace ingot::cpu {

struct ExpertCase {
  WeightFormat format;
  size_t experts, slots, k, n;
  bool shared, bias;

  size_t inputs() const { return shared ? k : k * slots; }
};

// The experts' weights one below the other, each with its own meaning.
struct Experts {
  std::vector<Weight> weights;
  std::vector<uint8_t> bytes;

  explicit Experts(const ExpertCase &c) {
    for (size_t e = 0; e < c.experts; ++e) {
      Weight &w = weights.emplace_back(c.format, c.n, c.k, unsigned(7 + e));
      bytes.insert(bytes.end(), w.data(), w.data() + *packedBytes(c.format, c.n, c.k));
    }
    size_t size = bytes.size();
    bytes.insert(bytes.end(), 64, 0);
    std::memmove(data(), bytes.data(), size);
  }

  uint8_t *data() { return reinterpret_cast<uint8_t *>((uint64_t(bytes.data()) + 63) / 64 * 64); }
};

inline std::string expertSymbols(const ExpertCase &c) {
  return LaunchTest::packedRecipe("w", c.experts * ((c.n + 15) / 16 * 16), c.k, c.format) +
         LaunchTest::recipe("b", {c.experts * c.n});
}
inline std::string expertArguments(const ExpertCase &c) {
  return "%x : " + tensor(c.inputs()) + ", %i : " + tensor(c.slots);
}
inline std::string expertLaunch(const ExpertCase &c) {
  std::string tx = tensor(c.inputs()), ti = tensor(c.slots), ty = tensor(c.slots * c.n);
  return "%r = decoder.launch @x (%a = %x : " + tx + ", %j = %i : " + ti + ") -> (" + ty +
         ") {\n%y = decoder.expert_linear %a, %j, @w {" + (c.bias ? "bias = @b, " : "") +
         "experts = " + std::to_string(c.experts) + " : i64} : (" + tx + ", " + ti + ") -> " + ty +
         "\ndecoder.yield %y : " + ty + "\n}";
}

} // namespace ingot::cpu
