// A whole kernel as LLVM's NVPTX back end prints it: a row dot product with shuffles and a block reduction.
#include "gpu.h"
#include <cmath>

using namespace ingot::emulator;

static const char *text =
#include "rowdot_ptx.inc"
    ;

TEST(Rowdot, MatchesTheHostForAnySeedAndThreadCount) {
  const int n = 300, rows = 40;
  std::vector<uint16_t> w(size_t(n) * rows), x(n);
  auto widen = [](uint16_t b) { return std::bit_cast<float>(uint32_t(b) << 16); };
  auto narrow = [](float f) { return uint16_t(std::bit_cast<uint32_t>(f) >> 16); };
  for (size_t k = 0; k < w.size(); ++k) w[k] = narrow(float(k * 7919 % 1000) / 500 - 1);
  for (size_t k = 0; k < x.size(); ++k) x[k] = narrow(float(k * 104729 % 1000) / 500 - 1);
  for (uint64_t seed : {0, 1, 2, 3})
    for (unsigned threads : {1, 2}) {
      Gpu gpu;
      const Entry *e = gpu.entry(text, "rowdot");
      ASSERT_NE(e, nullptr);
      EXPECT_EQ(e->parameter_bytes, 28u);
      EXPECT_EQ(e->static_shared, 128u);
      uint64_t out = gpu.room<float>(rows);
      Launch l{e, {rows, 1, 1}, {128, 1, 1}, 0, parameters(gpu.array(w), gpu.array(x), out, n)};
      Options o;
      o.seed = seed;
      o.threads = threads;
      o.races = seed == 3;
      Machine machine(gpu.memory, o);
      Fault f = machine.run({&l, 1}, &gpu.counters);
      ASSERT_FALSE(f) << f.message();
      auto got = gpu.read<float>(out, rows);
      for (int r = 0; r < rows; ++r) {
        double want = 0;
        for (int k = 0; k < n; ++k) want += double(widen(w[size_t(r * n + k)])) * widen(x[size_t(k)]);
        EXPECT_NEAR(got[size_t(r)], want, 1e-3) << "row " << r << " seed " << seed;
      }
      EXPECT_EQ(gpu.counters.ctas, uint64_t(rows));
    }
}
