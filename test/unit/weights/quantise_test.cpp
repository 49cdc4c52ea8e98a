// Round to nearest: the op's description, written out with the C library's rounding.
#include "test/unit/weights/model_fixture.h"

#include "compiler/weights/float16.h"

#include <cmath>

using namespace ingot;
using namespace ingot::test;

namespace {

struct QuantiseTest : ModelFixture {
  std::string grid(int n, int k, int bits, int group, const char *scale) {
    return "tensor<" + std::to_string(n) + "x" + std::to_string(k) +
           "xf32, #weights.grid<bits = " + std::to_string(bits) + ", group = " + std::to_string(group) +
           ", zero = symmetric, scale = " + scale + ">>";
  }
  std::string recipe(const std::string &from, const std::string &to) {
    return "weights.recipe @r { %a = weights.load @a : " + from + "\n%q = weights.quantise %a : (" + from + ") -> " +
           to + "\n%p = weights.pack %q r16 : (" + to + ") -> " + to + "\nweights.yield %p : " + to + " }";
  }
};

std::vector<float> expected(const std::vector<float> &x, int k, int bits, int group, bool half) {
  std::vector<float> out;
  for (size_t row = 0; row < x.size() / size_t(k); ++row)
    for (int first = 0; first < k; first += group) {
      const float *block = x.data() + row * size_t(k) + first;
      int count = std::min(group, k - first);
      float largest = 0;
      for (int i = 0; i < count; ++i)
        if (std::fabs(block[i]) > std::fabs(largest)) largest = block[i];
      float scale = bits == 8 ? std::fabs(largest) / 127.0f : largest / -8.0f;
      if (half) scale = float(_Float16(scale));
      for (int i = 0; i < count; ++i) {
        float q = scale == 0 ? 0.0f : std::nearbyint(block[i] / scale);
        q = bits == 8 ? std::fmin(std::fmax(q, -127.0f), 127.0f) : std::fmin(std::fmax(q, -8.0f), 7.0f);
        out.push_back(q * scale);
      }
    }
  return out;
}

} // namespace

TEST_F(QuantiseTest, RoundsToNearestForEveryGroupAndScaleType) {
  for (int bits : {4, 8})
    for (int group : {32, 64, 128})
      for (const char *scale : {"f16", "f32"}) {
        int n = 37, k = 172;
        std::vector<float> x = normals(size_t(n * k));
        std::fill(x.begin() + 3 * k, x.begin() + 4 * k, 0.0f);
        data.clear(), text.clear();
        source("a", "tensor<37x172xf32>", x);
        parse(recipe("tensor<37x172xf32>", grid(n, k, bits, group, scale)));
        std::vector<float> values = expected(x, k, bits, group, scale == std::string("f16"));
        EXPECT_EQ(dense(), values) << bits << " " << group << " " << scale;
        EXPECT_EQ(unpack(*formatOf(op().getResultType()), packed(), uint64_t(n), uint64_t(k)), values);
      }
}

TEST_F(QuantiseTest, ReadsHalfPrecisionSources) {
  std::vector<uint16_t> half;
  std::vector<float> x;
  for (float value : normals(16 * 64)) half.push_back(halfFromFloat(value)), x.push_back(floatFromHalf(half.back()));
  source("a", "tensor<16x64xf16>", half);
  parse(recipe("tensor<16x64xf16>", grid(16, 64, 8, 32, "f16")));
  EXPECT_EQ(dense(), expected(x, 64, 8, 32, true));
}

TEST_F(QuantiseTest, RefusesWhatHasNoGrid) {
  for (float value : {NAN, INFINITY, 1e30f}) {
    std::vector<float> x(32, 1.0f);
    x[9] = value;
    data.clear(), text.clear();
    source("a", "tensor<1x32xf32>", x);
    parse(recipe("tensor<1x32xf32>", grid(1, 32, 4, 32, "f16")));
    auto values = evaluateDense(op(), *files);
    ASSERT_FALSE(bool(values));
    EXPECT_EQ(llvm::toString(values.takeError()),
              "weight @r: row 0 holds a value that is not finite or too large for an "
              "f16 scale; it cannot be quantised");
  }
}
