// Reads the closed form of an attention score: what of it is scale, cap, alibi, mask.
//
// Normal form: visible(q, j) ? cap * tanh(scale * x / cap) + slope * j + (terms that are the same for all keys) :
// masked, with visible = j <= q, and j > q - window where there is one. Terms without j drop: softmax is invariant
// under them.
//
// Invariants
// 1. Sound: every case of the atoms that can happen is looked at; what is not proved is refused.
// 2. Masked means -inf, or at least 9999 below: exp underflows to exactly 0 beside the finite g(q, q).
// 3. The form holds for every P and S: P is eliminated by the prover, S must be absent.
#pragma once
#include "passes/infer/Prover.h"
#include <functional>

namespace ingot::infer {

/// Numbers times expressions, plus a constant.
struct LinearForm {
  double constant = 0;
  llvm::SmallVector<std::pair<Expr, double>, 4> terms;
};

struct ScoreForm {
  double scale = 1, softcap = 0, slope = 0;
  int64_t window = 0;
  LinearForm rest; ///< what drops: free of x and j
};

class ScoreReader {
public:
  /// `mask` replaces a table element at query and key positions by its closed form; null: it is no mask.
  using ReadTable = std::function<Expr(Expr table)>;
  ScoreReader(ExprContext &exprs, Prover &prover, ReadTable mask);

  /// The score of one head over `x` at token i and key j. nullopt with `problem`: what stands in the way.
  std::optional<ScoreForm> read(Expr score, std::string &problem);
  /// The logit of a sink beside scores of the given form. nullopt if it is no number.
  std::optional<double> sink(Expr element, const ScoreForm &form);

  Expr x;           ///< stands for query times key
  Variable i, j, q; ///< token, key, absolute position of the token

private:
  using Leaf = llvm::function_ref<bool(Expr)>;
  bool cases(Expr e, const Facts &facts, unsigned &budget, Leaf leaf);
  std::optional<bool> aboveNever(Expr atom);
  bool masked(Expr leaf);
  bool visible(Expr leaf, std::optional<ScoreForm> &form);
  std::optional<ScoreForm> visibleForm(Expr leaf);
  bool allMasked(Expr g, const Facts &facts);
  bool allVisible(Expr g, const Facts &facts, std::optional<ScoreForm> &form);
  LinearForm linear(Expr e);
  void addLinear(Expr e, double factor, LinearForm &sum);
  Expr positional(Expr score);
  Expr readTables(Expr e);
  Expr hideRows(Expr e, bool positions);
  Expr rowSymbol(Expr e);
  Facts frame();
  llvm::SmallVector<int64_t, 2> windows(Expr g);

  ExprContext &exprs;
  Prover &prover;
  ReadTable mask;
  llvm::DenseMap<Expr, Expr> rowSymbols;
  llvm::DenseMap<Expr, std::pair<std::optional<ScoreForm>, std::string>> memo;
};

} // namespace ingot::infer
