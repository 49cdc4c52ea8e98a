// Proves that two closed forms are equal for every P, S and index, by case split on their Boolean atoms. A
// difference-bound matrix (Dill, 1989) over named points prunes the cases that cannot happen.
//
// Invariants
// 1. Sound, not complete: `true` means equal for all values that the facts admit; `false` means "not proved".
// 2. An atom that is no difference of two points adds no constraint, so its both sides are examined.
// 3. The number of cases is bounded; past the bound nothing is proved.
#pragma once
#include "passes/infer/Expr.h"

namespace ingot::infer {

/// What is known: constraints `a - b <= c` over points (affine forms without a constant).
class Facts {
public:
  explicit Facts(ExprContext &context);

  /// Makes an affine form a point, so that atoms of its differences to other points are understood.
  void addPoint(Expr affine);
  /// Adds `affine <= 0`; ignored unless it is a difference of two points (invariant 2).
  void assumeAtMostZero(Expr affine);
  /// Adds an atom or its negation. False if that contradicts what is known.
  bool assume(Expr atom, bool truth);
  /// Index `v` runs over [0, extent).
  void bound(Variable v, Expr extent);
  bool consistent() const { return feasible; }

private:
  struct Edge {
    unsigned from, to; // points[from] - points[to] <= limit
    int64_t limit;
  };
  llvm::SmallVector<Edge, 4> differences(Expr affine) const;
  int64_t &at(unsigned a, unsigned b) { return matrix[a * points.size() + b]; }
  void tighten(Edge edge);

  ExprContext *context;
  llvm::SmallVector<Expr, 12> points; // points[0] = 0
  std::vector<int64_t> matrix;
  bool feasible = true;
};

class Prover {
public:
  explicit Prover(ExprContext &context) : context(context) {}

  /// f == g wherever the facts hold.
  bool equal(Expr f, Expr g, const Facts &facts);
  /// An undecided comparison in `e`; null: none.
  Expr firstAtom(Expr e);
  /// `e` with every atom that the facts decide replaced.
  Expr simplify(Expr e, const Facts &facts);

  /// The frame of a value over (query token i, key j): 0 <= i < S, 0 <= j < T, with the points q = P + i and j - P.
  Facts tokenFacts(Variable i, Variable j);
  /// Rewrites a closed form over token index `i` as one over the absolute position `q`, free of P and S, and proves
  /// the two equal. Null if that is impossible (design section 3: put i := q - P, take g = f at P = 0, prove f = g).
  Expr eliminatePast(Expr f, Variable i, Variable j, Variable q);

private:
  bool split(Expr f, Expr g, const Facts &facts, unsigned &budget);
  Facts positionFacts(Variable q, Variable j);

  ExprContext &context;
};

} // namespace ingot::infer
