// Masks as real exporters spell them (the cases of the prototype), proved equal to causal or not.
#include "passes/infer/Prover.h"
#include <gtest/gtest.h>

using namespace ingot::infer;

namespace {
struct ProverTest : testing::Test {
  ExprContext c;
  Prover prover{c};
  Variable i = c.newVariable("i"), j = c.newVariable("j"), q = c.newVariable("q");
  Expr I = c.variable(i), J = c.variable(j), Q = c.variable(q), P = c.past(), S = c.fresh();
  Expr position = c.add(P, I);
  Expr zero = c.real(0), low = c.real(-3e38);
  Expr n(int64_t value) { return c.integer(value); }
  Expr causal(Expr at) { return c.select(c.lessEqual(J, at), zero, low); }
  bool equal(Expr f, Expr g) { return prover.equal(f, g, prover.tokenFacts(i, j)); }
};

TEST_F(ProverTest, triluUnderGreaterIsCausal) { // falcon, opt, bloom: Trilu of rows i under j > P + i
  Expr f = c.select(c.less(position, J), c.select(c.less(I, J), low, zero), zero);
  EXPECT_TRUE(equal(f, causal(position)));
}

TEST_F(ProverTest, cachedKeysAlwaysVisibleIsCausal) { // mpt: j < P, or j <= P + i
  Expr f = c.select(c.less(J, P), c.boolean(false), c.less(position, J));
  EXPECT_TRUE(equal(f, c.less(position, J)));
}

TEST_F(ProverTest, concatenatedMaskIsCausal) { // old llama: zeros for the past, triangle for the rest
  Expr f = c.select(c.less(J, P), zero, c.select(c.lessEqual(c.sub(J, P), I), zero, low));
  EXPECT_TRUE(equal(f, causal(position)));
}

TEST_F(ProverTest, legacyWithPastMaskIsNotCausal) { EXPECT_FALSE(equal(zero, causal(position))); }

TEST_F(ProverTest, windowOf4096IsNotCausal) { // looks causal to every short probe
  Expr inside = c.less(position, c.add(J, n(4096)));
  Expr f = c.select(c.logicalAnd(inside, c.lessEqual(J, position)), zero, low);
  EXPECT_FALSE(equal(f, causal(position)));
}

TEST_F(ProverTest, eliminatesThePast) {
  Expr f = c.select(c.less(J, P), zero, c.select(c.lessEqual(c.sub(J, P), I), zero, low));
  EXPECT_EQ(prover.eliminatePast(f, i, j, q), causal(Q));
  EXPECT_EQ(prover.eliminatePast(position, i, j, q), Q);
}

TEST_F(ProverTest, refusesWhatDependsOnTheChunk) {
  EXPECT_FALSE(prover.eliminatePast(I, i, j, q));         // position counted from the chunk's start
  EXPECT_FALSE(prover.eliminatePast(c.total(), i, j, q)); // length of the chunk
  EXPECT_FALSE(prover.eliminatePast(causal(I), i, j, q)); // triangle over new tokens only
  EXPECT_FALSE(prover.eliminatePast(c.select(c.less(J, S), zero, low), i, j, q));
}

TEST_F(ProverTest, boundsOfKeysSimplify) {
  Facts facts = prover.tokenFacts(i, j);
  EXPECT_EQ(prover.simplify(c.less(J, c.total()), facts), c.boolean(true));
  EXPECT_EQ(prover.simplify(c.lessEqual(S, I), facts), c.boolean(false));
  EXPECT_FALSE(prover.simplify(c.lessEqual(J, I), facts).asBool());
}

TEST_F(ProverTest, boundedIndexDecidesAConcatenation) {
  Variable d = c.newVariable("d");
  Facts facts = prover.tokenFacts(i, j);
  facts.bound(d, n(8));
  EXPECT_EQ(prover.simplify(c.less(c.variable(d), n(8)), facts), c.boolean(true));
  EXPECT_FALSE(prover.simplify(c.less(c.variable(d), n(7)), facts).asBool());
}
} // namespace
