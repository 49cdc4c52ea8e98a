// Attention: agreement with softmax in double, masks, and independence from stale values.
#include "compiler/reference/numerics.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace ingot;

namespace {

struct Case {
  numerics::AttentionShape shape{.heads = 4, .kvHeads = 2, .keyDim = 16, .valueDim = 8, .scale = 0.25f};
  std::vector<float> q, k, v;
  explicit Case(size_t tokens) : q(4 * 16), k(tokens * 2 * 16), v(tokens * 2 * 8) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (auto *part : {&q, &k, &v})
      for (float &x : *part) x = normal(random);
  }
  std::vector<float> run(size_t position) const {
    std::vector<float> out(4 * 8);
    numerics::attention(shape, q.data(), k.data(), v.data(), position, out.data());
    return out;
  }
  double exact(size_t position, size_t head, size_t d) const {
    double sum = 0, weighted = 0;
    for (size_t j = 0; j <= position; ++j) {
      if (shape.window && j + shape.window <= position) continue;
      double s = 0;
      for (size_t i = 0; i < 16; ++i) s += double(q[head * 16 + i]) * k[(j * 2 + head / 2) * 16 + i];
      s *= shape.scale;
      if (shape.softcap != 0) s = shape.softcap * std::tanh(s / shape.softcap);
      if (shape.slopes) s += shape.slopes[head] * (double(j) - double(position));
      sum += std::exp(s), weighted += std::exp(s) * v[(j * 2 + head / 2) * 8 + d];
    }
    if (shape.sinks) sum += std::exp(double(shape.sinks[head]));
    return weighted / sum;
  }
  void compare(size_t position) const {
    auto out = run(position);
    for (size_t head = 0; head < 4; ++head)
      for (size_t d = 0; d < 8; ++d) EXPECT_NEAR(out[head * 8 + d], exact(position, head, d), 1e-5);
  }
};

TEST(Attention, AgreesWithSoftmaxInDouble) {
  Case c(400);
  for (size_t position : {0, 1, 15, 16, 127, 128, 129, 255, 256, 399}) c.compare(position);
}

TEST(Attention, WindowSoftcapAndSlopes) {
  const float slopes[] = {0.5f, 0.25f, 0.125f, 0.0625f};
  Case c(400);
  c.shape.softcap = 2;
  c.compare(300);
  c.shape.window = 130;
  for (size_t position : {0, 128, 129, 130, 258, 399}) c.compare(position);
  c.shape.slopes = slopes;
  c.compare(399);
}

TEST(Attention, SinksTakeTheirShare) {
  const float sinks[] = {-2.0f, 0.0f, 3.0f, 11.0f};
  Case c(400);
  c.shape.sinks = sinks;
  for (size_t position : {0, 127, 128, 399}) c.compare(position);
}

TEST(Attention, ASinkOfMinusInfinityChangesNoBit) {
  const float off[] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
  Case c(200), d(200);
  d.shape.sinks = off;
  EXPECT_EQ(c.run(150), d.run(150));
}

TEST(Attention, OneTokenReturnsItsValue) {
  Case c(1);
  auto out = c.run(0);
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], c.v[i / 16 * 8 + i % 8]);
}

TEST(Attention, ValuesBehindTheQueryAreNeverRead) {
  Case c(300), stale(300);
  for (size_t i = 201 * 2 * 8; i < stale.v.size(); ++i) stale.v[i] = std::nanf("");
  for (size_t i = 201 * 2 * 16; i < stale.k.size(); ++i) stale.k[i] = std::nanf("");
  EXPECT_EQ(c.run(200), stale.run(200));
}

} // namespace
