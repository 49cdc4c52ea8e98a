// Regrouping of symbolic dims and of the indices into them.
#include "passes/infer/Shape.h"
#include <gtest/gtest.h>

using namespace ingot::infer;

namespace {
struct ShapeTest : testing::Test {
  ExprContext c;
  Expr P = c.past(), S = c.fresh(), T = c.total();
  Expr n(int64_t value) { return c.integer(value); }
  Shape shape(std::initializer_list<Expr> sizes) {
    Shape result;
    for (Expr size : sizes) result.emplace_back(c, size);
    return result;
  }
  std::string regrouped(std::initializer_list<Expr> from, std::initializer_list<Expr> sizes) {
    auto result = regroup(c, shape(from), llvm::ArrayRef<Expr>(sizes.begin(), sizes.size()));
    return result ? print(c, *result) : "no";
  }
};

TEST_F(ShapeTest, headsSplitOffTheColumns) {
  EXPECT_EQ(regrouped({n(1), S, n(64)}, {n(1), S, n(4), n(16)}), "[1, S, 4, 16]");
  EXPECT_EQ(regrouped({n(1), S, n(64)}, {n(1), n(-1), n(4), n(16)}), "[1, S, 4, 16]");
  EXPECT_EQ(regrouped({n(1), S, n(4), n(16)}, {n(1), S, n(-1)}), "[1, S, 64]");
}

TEST_F(ShapeTest, mergedAxesRememberTheirOrder) {
  EXPECT_EQ(regrouped({S, n(4), n(16)}, {n(-1), n(16)}), "[S*4, 16]");
  EXPECT_EQ(regrouped({n(4), S, n(16)}, {n(-1), n(16)}), "[4*S, 16]");
  EXPECT_EQ(regrouped({n(4), S, n(16)}, {c.mul(n(4), S), n(16)}), "[4*S, 16]");
  auto merged = regroup(c, shape({S, n(4), n(16)}), {n(-1), n(16)});
  auto back = regroup(c, *merged, {S, n(64)});
  ASSERT_TRUE(back);
  EXPECT_EQ(print(c, *back), "[S, 64]");
}

TEST_F(ShapeTest, symbolicAxesAreNeitherSplitNorMoved) {
  EXPECT_EQ(regrouped({S, n(4)}, {n(4), S}), "no"); // transposes by reshape: mixes tokens
  EXPECT_EQ(regrouped({S, n(4)}, {n(2), S, n(2)}), "no");
  EXPECT_EQ(regrouped({S, n(4)}, {S, n(5)}), "no");
  EXPECT_EQ(regrouped({P, S}, {S, P}), "no");
  EXPECT_EQ(regrouped({T, n(4)}, {S, n(4)}), "no");
  EXPECT_EQ(regrouped({S, n(4)}, {n(-1), n(0)}), "no");
}

TEST_F(ShapeTest, restOfTheShapeCancels) {
  EXPECT_EQ(regrouped({n(2), S, T}, {n(-1), T}), "[2*S, P+S]");
  EXPECT_EQ(regrouped({n(1), S}, {n(-1)}), "[S]");
  EXPECT_EQ(regrouped({n(7)}, {n(-1), n(2)}), "no");
}

TEST_F(ShapeTest, indicesFollowTheRegrouping) {
  Variable i = c.newVariable("i"), d = c.newVariable("d"), h = c.newVariable("h");
  Shape flat = shape({S, n(64)}), heads = shape({S, n(4), n(16)});
  auto down = regroupedIndex(c, flat, heads, {c.variable(i), c.variable(h), c.variable(d)});
  ASSERT_TRUE(down);
  EXPECT_EQ((*down)[0], c.variable(i));
  EXPECT_EQ((*down)[1], c.add(c.mul(n(16), c.variable(h)), c.variable(d)));
  auto up = regroupedIndex(c, heads, flat, {c.variable(i), c.add(c.mul(n(16), c.variable(h)), n(5))});
  ASSERT_TRUE(up);
  EXPECT_EQ((*up)[1], c.variable(h));
  EXPECT_EQ((*up)[2], n(5));
}

TEST_F(ShapeTest, broadcastJoinsOnesOnly) {
  Shape row = shape({S, n(1)}), column = shape({n(8)}), other = shape({T, n(8)});
  EXPECT_EQ(print(c, *broadcast({row, column})), "[S, 8]");
  EXPECT_FALSE(broadcast({row, other}));
}
} // namespace
