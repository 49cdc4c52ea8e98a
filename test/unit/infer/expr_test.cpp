// Normal forms of closed forms: what must be one node, and what must not.
#include "passes/infer/Expr.h"
#include <gtest/gtest.h>
#include <limits>

using namespace ingot::infer;

namespace {
struct ExprTest : testing::Test {
  ExprContext c;
  Variable i = c.newVariable("i"), j = c.newVariable("j");
  Expr I = c.variable(i), J = c.variable(j), P = c.past(), S = c.fresh();
  Expr n(int64_t value) { return c.integer(value); }
};

TEST_F(ExprTest, affineSumsAreOneNodeHoweverWritten) {
  EXPECT_EQ(c.add(c.add(P, I), n(3)), c.add(n(2), c.add(I, c.add(P, n(1)))));
  EXPECT_EQ(c.sub(c.total(), S), P);
  EXPECT_EQ(c.sub(c.mul(n(4), I), c.mul(I, n(4))), n(0));
  EXPECT_NE(c.add(P, I), c.add(P, J));
}

TEST_F(ExprTest, comparisonsAreNormalised) {
  EXPECT_EQ(c.less(I, J), c.lessEqual(c.add(I, n(1)), J));
  EXPECT_EQ(c.lessEqual(c.mul(n(2), I), c.add(c.mul(n(2), J), n(1))), c.lessEqual(I, J));
  EXPECT_EQ(c.logicalNot(c.lessEqual(I, J)), c.less(J, I));
  EXPECT_EQ(c.equal(I, J), c.equal(J, I));
  EXPECT_EQ(c.equal(c.mul(n(2), I), n(3)), c.boolean(false));
}

TEST_F(ExprTest, boundsOfSizesDecideComparisons) {
  EXPECT_EQ(c.less(n(0), S), c.boolean(true)); // S >= 1
  EXPECT_EQ(c.less(P, n(0)), c.boolean(false));
  EXPECT_FALSE(c.lessEqual(P, S).asBool());
}

TEST_F(ExprTest, arithmeticOfMasksMovesIntoTheBranches) {
  Expr causal = c.lessEqual(J, I);
  Expr mask = c.mul(c.sub(c.real(1), c.toReal(c.select(causal, n(1), n(0)))), c.real(-1e9));
  EXPECT_EQ(mask, c.select(causal, c.real(-0.0), c.real(-1e9)));
  EXPECT_EQ(c.toBool(c.select(causal, n(1), n(0))), causal);
}

TEST_F(ExprTest, realsThatAreIntegersCompareAsIntegers) {
  Expr position = c.toReal(c.add(P, I));
  EXPECT_EQ(c.less(position, c.real(5)), c.less(c.add(P, I), n(5)));
  EXPECT_EQ(c.toInteger(c.add(position, c.real(2))), c.add(c.add(P, I), n(2)));
}

TEST_F(ExprTest, truncatingDivisionIsTheFloorOnlyWhereNotNegative) {
  EXPECT_EQ(c.divide(n(-7), n(2)), n(-3));
  EXPECT_EQ(c.floorDiv(n(-7), 2), n(-4));
  EXPECT_EQ(c.divide(c.mul(n(6), I), n(3)), c.mul(n(2), I));
  EXPECT_EQ(c.divide(c.sub(I, J), n(2)), c.undefined());
  EXPECT_EQ(c.mod(c.add(c.mul(n(8), I), n(3)), 8), n(3));
  EXPECT_EQ(c.floorDiv(c.add(c.mul(n(8), I), n(11)), 8), c.add(I, n(1)));
}

TEST_F(ExprTest, overflowIsUndefinedAndNeverALiteral) {
  Expr huge = n(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(c.add(huge, n(1)), c.undefined());
  EXPECT_EQ(c.lessEqual(c.mul(huge, I), c.mul(n(-2), c.mul(huge, I))), c.undefined());
  EXPECT_FALSE(c.undefined().isLiteral());
  EXPECT_EQ(c.divide(n(1), n(0)), c.undefined());
}

TEST_F(ExprTest, substitutionRenormalises) {
  Expr mask = c.select(c.lessEqual(J, c.add(P, I)), c.real(0), c.real(-1));
  EXPECT_EQ(c.substitute(mask, {{j, n(0)}}), c.real(0));
  EXPECT_EQ(c.substitute(c.add(P, I), {{i, c.sub(J, P)}}), J);
}

TEST_F(ExprTest, nanComparesFalseBothWays) {
  Expr nan = c.real(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(c.lessEqual(nan, c.real(0)), c.boolean(false));
  EXPECT_EQ(c.less(c.real(0), nan), c.boolean(false));
}
} // namespace
