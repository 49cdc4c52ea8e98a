// Elimination of P, case split over visible and masked keys, linear decomposition of a case.
#include "passes/infer/Score.h"
#include "dialects/graph/Graph.h"
#include <cmath>

using namespace ingot;
using namespace ingot::infer;

static constexpr double Underflow = -9999, Never = -1e30;
static constexpr double MaxShift = 999; // of visible scores: what is hidden stays far below, nothing is absorbed
static constexpr unsigned MaxCases = 1024;

ScoreReader::ScoreReader(ExprContext &exprs, Prover &prover, ReadTable mask)
    : x(exprs.read(exprs.newOrigin("q.k"), {})), i(exprs.newVariable("i", exprs.fresh())),
      j(exprs.newVariable("j", exprs.total())), q(exprs.newVariable("q")), exprs(exprs), prover(prover),
      mask(std::move(mask)) {}

//===- free of P and S
//---------------------------------------------------------------------------------------------===//

/// A number that is one for all keys of a row.
Expr ScoreReader::rowSymbol(Expr e) {
  Expr &symbol = rowSymbols[e];
  if (!symbol) symbol = exprs.read(exprs.newOrigin("row"), {});
  return symbol;
}

/// Replaces reads without j (a row's maximum) and, where asked, what of ToReal(..) tells P or S.
Expr ScoreReader::hideRows(Expr e, bool positions) {
  llvm::SmallPtrSet<const ExprNode *, 16> seen;
  llvm::SmallVector<Expr> work{e};
  llvm::SmallVector<std::pair<Expr, Expr>> hidden;
  while (!work.empty()) {
    Expr part = work.pop_back_val();
    if (!seen.insert(part.get()).second) continue;
    bool row = part->op == ExprOp::Read && part != x && !part->operands.empty() && !exprs.mentions(part, j);
    if (row) {
      hidden.push_back({part, rowSymbol(part)});
      continue;
    }
    if (positions && part->op == ExprOp::ToReal && part->operands[0].isAffine() &&
        (exprs.mentions(part, ExprContext::S) || exprs.mentions(part, ExprContext::P))) {
      Expr keys = exprs.integer(0);
      for (auto [v, coefficient] : part->operands[0]->terms)
        if (v == j) keys = exprs.mul(exprs.integer(coefficient), exprs.variable(j));
      Expr others = exprs.toReal(exprs.sub(part->operands[0], keys));
      hidden.push_back({part, exprs.add(exprs.toReal(keys), rowSymbol(others))});
    }
    work.append(part->operands.begin(), part->operands.end());
  }
  for (auto [from, to] : hidden) e = exprs.replace(e, from, to);
  return e;
}

/// Table masks of this query and key become closed forms.
Expr ScoreReader::readTables(Expr e) {
  llvm::SmallPtrSet<const ExprNode *, 16> seen;
  llvm::SmallVector<Expr> work{e};
  llvm::SmallVector<std::pair<Expr, Expr>> tables;
  while (!work.empty()) {
    Expr part = work.pop_back_val();
    if (!seen.insert(part.get()).second) continue;
    work.append(part->operands.begin(), part->operands.end());
    if (part->op == ExprOp::Table && exprs.mentions(part, j))
      if (Expr form = mask(part)) tables.push_back({part, form});
  }
  for (auto [from, to] : tables) e = exprs.replace(e, from, to);
  return e;
}

/// The score at the absolute position q; null if it depends on P or S.
Expr ScoreReader::positional(Expr score) {
  Expr direct = hideRows(readTables(score), false);
  if (Expr g = prover.eliminatePast(direct, i, j, q)) return g;
  Expr relative = hideRows(direct, true);
  return relative == direct ? Expr() : prover.eliminatePast(relative, i, j, q);
}

//===- one case
//----------------------------------------------------------------------------------------------------===//

static void addTerm(LinearForm &sum, Expr e, double factor) {
  auto *known = llvm::find_if(sum.terms, [&](auto &term) { return term.first == e; });
  if (known != sum.terms.end())
    known->second += factor;
  else
    sum.terms.push_back({e, factor});
}

void ScoreReader::addLinear(Expr e, double factor, LinearForm &sum) {
  auto literal = [](Expr operand) { return operand.asReal(); };
  if (auto value = literal(e)) {
    sum.constant += factor * *value;
  } else if (e->op == ExprOp::ToReal && e->operands[0].isAffine()) {
    sum.constant += factor * double(e->operands[0]->constant);
    for (auto [v, coefficient] : e->operands[0]->terms) addTerm(sum, exprs.variable(v), factor * double(coefficient));
  } else if (e->op == ExprOp::Add || e->op == ExprOp::Sub) {
    addLinear(e->operands[0], factor, sum);
    addLinear(e->operands[1], e->op == ExprOp::Add ? factor : -factor, sum);
  } else if (e->op == ExprOp::Mul && literal(e->operands[0])) {
    addLinear(e->operands[1], factor * *literal(e->operands[0]), sum);
  } else if (e->op == ExprOp::Mul && literal(e->operands[1])) {
    addLinear(e->operands[0], factor * *literal(e->operands[1]), sum);
  } else if (e->op == ExprOp::Div && literal(e->operands[1])) {
    addLinear(e->operands[0], factor / *literal(e->operands[1]), sum);
  } else {
    addTerm(sum, e, factor);
  }
}

LinearForm ScoreReader::linear(Expr e) {
  LinearForm sum;
  addLinear(e, 1, sum);
  llvm::erase_if(sum.terms, [](auto &term) { return term.second == 0; });
  llvm::sort(sum.terms, [](auto &a, auto &b) { return a.first->id < b.first->id; });
  return sum;
}

static bool contains(Expr e, Expr part, ExprContext &exprs) { return llvm::is_contained(exprs.reads(e), part); }

/// Invariant 2. A number replaces the score, or is added to it.
bool ScoreReader::masked(Expr leaf) {
  LinearForm sum = linear(leaf);
  bool plain = true, dot = false;
  for (auto [term, factor] : sum.terms) {
    if (!std::isfinite(factor)) return false;
    bool isDot = contains(term, x, exprs);
    dot |= isDot;
    plain &= isDot && (term == x || term->op == ExprOp::Unary);
  }
  if (sum.terms.empty() || (plain && dot)) return sum.constant <= Underflow;
  return sum.constant <= Never; // beside terms that grow with the context only the type's least number will do
}

std::optional<ScoreForm> ScoreReader::visibleForm(Expr leaf) {
  ScoreForm form;
  LinearForm sum = linear(leaf);
  form.rest.constant = sum.constant;
  bool found = false;
  for (auto [term, factor] : sum.terms) {
    if (contains(term, x, exprs)) {
      if (found) return std::nullopt;
      found = true;
      form.scale = factor;
      if (term == x) continue;
      bool tanh = term->op == ExprOp::Unary && term->code == unsigned(graph::UnaryKind::tanh);
      LinearForm inner = tanh ? linear(term->operands[0]) : LinearForm();
      if (inner.terms.size() != 1 || inner.terms[0].first != x || inner.constant != 0 || !(factor > 0))
        return std::nullopt;
      form.softcap = factor, form.scale = factor * inner.terms[0].second;
    } else if (term == exprs.variable(j)) {
      form.slope = factor;
    } else if (exprs.mentions(term, j)) {
      return std::nullopt;
    } else {
      form.rest.terms.push_back({term, factor});
    }
  }
  bool finite = found && std::fabs(sum.constant) <= MaxShift && std::isfinite(form.scale) && std::isfinite(form.slope);
  if (!finite) return std::nullopt;
  return form;
}

/// All visible cases have one form.
bool ScoreReader::visible(Expr leaf, std::optional<ScoreForm> &form) {
  auto found = visibleForm(leaf);
  if (!found) return false;
  if (!form) form = found;
  return form->scale == found->scale && form->softcap == found->softcap && form->slope == found->slope &&
         form->rest.constant == found->rest.constant && form->rest.terms == found->rest.terms;
}

//===- all cases
//---------------------------------------------------------------------------------------------------===//

/// A visible score against the type's least number, as in max(score, least): it is above. nullopt: something else.
std::optional<bool> ScoreReader::aboveNever(Expr atom) {
  if (atom->op != ExprOp::Less && atom->op != ExprOp::Equal) return std::nullopt;
  for (unsigned k : {0, 1}) {
    auto least = atom->operands[k].asReal();
    if (least && *least <= Never && visibleForm(atom->operands[1 - k])) return atom->op == ExprOp::Less && k == 0;
  }
  return std::nullopt;
}

bool ScoreReader::cases(Expr e, const Facts &facts, unsigned &budget, Leaf leaf) {
  if (budget == 0) return false;
  --budget;
  Expr atom = prover.firstAtom(e);
  if (!atom) return leaf(e);
  if (auto truth = aboveNever(atom)) return cases(exprs.decide(e, atom, *truth), facts, budget, leaf);
  for (bool truth : {true, false}) {
    Facts branch = facts;
    if (branch.assume(atom, truth) && !cases(exprs.decide(e, atom, truth), branch, budget, leaf)) return false;
  }
  return true;
}

bool ScoreReader::allMasked(Expr g, const Facts &facts) {
  unsigned budget = MaxCases;
  return cases(g, facts, budget, [&](Expr leaf) { return masked(leaf); });
}

bool ScoreReader::allVisible(Expr g, const Facts &facts, std::optional<ScoreForm> &form) {
  unsigned budget = MaxCases;
  return cases(g, facts, budget, [&](Expr leaf) { return visible(leaf, form); });
}

/// 0 <= q, 0 <= j, and what relates them.
Facts ScoreReader::frame() {
  Facts facts(exprs);
  Expr query = exprs.variable(q), key = exprs.variable(j), zero = exprs.integer(0);
  for (Expr point : {query, key}) {
    facts.addPoint(point);
    facts.assumeAtMostZero(exprs.sub(zero, point));
  }
  return facts;
}

/// Sizes w for which an atom of g asks whether j > q - w.
llvm::SmallVector<int64_t, 2> ScoreReader::windows(Expr g) {
  llvm::SmallPtrSet<const ExprNode *, 16> seen;
  llvm::SmallVector<Expr> work{g};
  llvm::SmallVector<int64_t, 2> sizes;
  Expr distance = exprs.sub(exprs.variable(q), exprs.variable(j));
  while (!work.empty()) {
    Expr part = work.pop_back_val();
    if (!seen.insert(part.get()).second) continue;
    work.append(part->operands.begin(), part->operands.end());
    if (part->op != ExprOp::AtMostZero && part->op != ExprOp::IsZero) continue;
    Expr form = part->operands[0];
    for (auto [difference, size] : {std::pair(exprs.sub(form, distance), 1), std::pair(exprs.add(form, distance), 0)})
      if (auto constant = difference.asInteger()) { // q - j <= -c: w = 1 - c; j - q <= -c hides all but w = c
        int64_t window = size ? 1 - *constant : *constant;
        if (window > 0 && !llvm::is_contained(sizes, window)) sizes.push_back(window);
      }
  }
  return sizes;
}

std::optional<ScoreForm> ScoreReader::read(Expr score, std::string &problem) {
  auto &[known, why] = memo[score];
  if (known || !why.empty()) return problem = why, known;
  auto refuse = [&](std::string text) -> std::optional<ScoreForm> {
    problem = memo[score].second = std::move(text);
    return std::nullopt;
  };
  Expr g = positional(score);
  if (!g) return refuse("depends on how the sequence is cut into steps: " + exprs.print(score));
  Expr query = exprs.variable(q), key = exprs.variable(j), one = exprs.integer(1);
  Facts future = frame(), past = frame();
  future.assumeAtMostZero(exprs.add(exprs.sub(query, key), one));
  past.assumeAtMostZero(exprs.sub(key, query));
  if (!allMasked(prover.simplify(g, future), future))
    return refuse("is not causal: keys j > q stay visible in " + exprs.print(g));
  Expr seen = prover.simplify(g, past);
  std::optional<ScoreForm> form;
  if (allVisible(seen, past, form)) return known = form;
  for (int64_t window : windows(seen)) {
    Facts near = past, far = past;
    near.assumeAtMostZero(exprs.sub(exprs.sub(query, key), exprs.integer(window - 1)));
    far.assumeAtMostZero(exprs.sub(exprs.add(key, exprs.integer(window)), query));
    form.reset();
    if (!allMasked(prover.simplify(seen, far), far) || !allVisible(prover.simplify(seen, near), near, form)) continue;
    form->window = window;
    return memo[score].first = form;
  }
  return refuse("is no scaled product with cap, alibi and a causal mask (and window), in this order: " +
                exprs.print(seen));
}

std::optional<double> ScoreReader::sink(Expr element, const ScoreForm &form) {
  LinearForm sum = linear(hideRows(element, false));
  if (sum.terms != form.rest.terms || !std::isfinite(sum.constant)) return std::nullopt;
  return sum.constant - form.rest.constant;
}
