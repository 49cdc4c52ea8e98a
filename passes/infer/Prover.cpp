// The difference-bound matrix and the case split.
#include "passes/infer/Prover.h"

using namespace ingot::infer;

static constexpr int64_t Unbounded = int64_t(1) << 60;
static constexpr unsigned MaxCases = 4096;

//===- facts
//-------------------------------------------------------------------------------------------------------===//

Facts::Facts(ExprContext &context) : context(&context), points({context.integer(0)}), matrix({0}) {}

void Facts::addPoint(Expr affine) {
  Expr point = context->sub(affine, context->integer(affine->constant));
  if (!point.isAffine() || llvm::is_contained(points, point)) return;
  size_t old = points.size(), size = old + 1;
  std::vector<int64_t> grown(size * size, Unbounded);
  for (size_t a = 0; a < old; ++a)
    for (size_t b = 0; b < old; ++b) grown[a * size + b] = matrix[a * old + b];
  grown.back() = 0;
  matrix = std::move(grown);
  points.push_back(point);
}

/// Every pair of points whose difference `affine` bounds: q - P and i - 0 are one form, and both edges learn from it.
llvm::SmallVector<Facts::Edge, 4> Facts::differences(Expr affine) const {
  llvm::SmallVector<Edge, 4> edges;
  if (!affine.isAffine() || affine->constant >= Unbounded / 4 || affine->constant <= -Unbounded / 4) return edges;
  Expr slope = context->sub(affine, context->integer(affine->constant));
  for (unsigned a = 0; a < points.size(); ++a)
    for (unsigned b = 0; b < points.size(); ++b)
      if (context->sub(points[a], points[b]) == slope) edges.push_back({a, b, -affine->constant});
  return edges;
}

/// Keeps the matrix closed: every pair gets the shortest path through the new edge.
void Facts::tighten(Edge edge) {
  if (edge.limit >= at(edge.from, edge.to)) return;
  size_t n = points.size();
  for (unsigned a = 0; a < n; ++a)
    for (unsigned b = 0; b < n; ++b) {
      int64_t left = at(a, edge.from), right = at(edge.to, b);
      if (left >= Unbounded || right >= Unbounded) continue;
      at(a, b) = std::min(at(a, b), left + edge.limit + right);
    }
  for (unsigned a = 0; a < n; ++a) feasible &= at(a, a) >= 0;
}

void Facts::assumeAtMostZero(Expr affine) {
  for (Edge edge : differences(affine)) tighten(edge);
}

bool Facts::assume(Expr atom, bool truth) {
  if (atom->op == ExprOp::AtMostZero) {
    Expr form = atom->operands[0];
    assumeAtMostZero(truth ? form : context->sub(context->integer(1), form));
  } else if (atom->op == ExprOp::IsZero && truth) {
    assumeAtMostZero(atom->operands[0]);
    assumeAtMostZero(context->sub(context->integer(0), atom->operands[0]));
  } else if (atom->op == ExprOp::IsZero) {
    // L != 0 is no single constraint, but it is a contradiction where L is pinned to 0.
    Facts pinned = *this;
    pinned.assumeAtMostZero(context->add(atom->operands[0], context->integer(1)));
    Facts other = *this;
    other.assumeAtMostZero(context->sub(context->integer(1), atom->operands[0]));
    feasible &= pinned.feasible || other.feasible;
  }
  return feasible;
}

void Facts::bound(Variable v, Expr extent) {
  Expr index = context->variable(v);
  addPoint(index);
  if (!extent.isAffine()) return;
  addPoint(extent);
  assumeAtMostZero(context->sub(context->integer(0), index));
  assumeAtMostZero(context->add(context->sub(index, extent), context->integer(1)));
}

//===- case split
//--------------------------------------------------------------------------------------------------===//

static bool isAtom(Expr e) {
  switch (e->op) {
  case ExprOp::AtMostZero:
  case ExprOp::IsZero:
  case ExprOp::Less:
  case ExprOp::Equal:
    return true;
  default:
    return false;
  }
}

/// Comparisons of integers first: decided, they leave what reals compare plain.
Expr Prover::firstAtom(Expr e) {
  llvm::SmallPtrSet<const ExprNode *, 16> seen;
  llvm::SmallVector<Expr> work{e};
  Expr real;
  while (!work.empty()) {
    Expr x = work.pop_back_val();
    if (!seen.insert(x.get()).second) continue;
    if (x->op == ExprOp::AtMostZero || x->op == ExprOp::IsZero) return x;
    if (!real && isAtom(x)) real = x;
    for (Expr operand : llvm::reverse(x->operands)) work.push_back(operand);
  }
  return real;
}

static bool comparesReals(Expr atom) { return atom && (atom->op == ExprOp::Less || atom->op == ExprOp::Equal); }

bool Prover::split(Expr f, Expr g, const Facts &facts, unsigned &budget) {
  if (f == g) return true;
  if (budget-- == 0) return budget = 0, false;
  Expr atom = firstAtom(f);
  if (Expr other = firstAtom(g); !atom || (other && comparesReals(atom) && !comparesReals(other))) atom = other;
  if (!atom) return false;
  for (bool truth : {true, false}) {
    Facts branch = facts;
    if (!branch.assume(atom, truth)) continue;
    if (!split(context.decide(f, atom, truth), context.decide(g, atom, truth), branch, budget)) return false;
  }
  return true;
}

bool Prover::equal(Expr f, Expr g, const Facts &facts) {
  if (!f || !g || f->op == ExprOp::Undefined) return false;
  unsigned budget = MaxCases;
  return split(f, g, facts, budget);
}

Expr Prover::simplify(Expr e, const Facts &facts) {
  llvm::SmallPtrSet<const ExprNode *, 16> seen;
  llvm::SmallVector<Expr> work{e};
  while (!work.empty()) {
    Expr x = work.pop_back_val();
    if (!seen.insert(x.get()).second) continue;
    work.append(x->operands.begin(), x->operands.end());
    if (!isAtom(x)) continue;
    for (bool truth : {true, false}) {
      Facts other = facts;
      if (other.assume(x, !truth)) continue;
      e = context.decide(e, x, truth);
      work.push_back(e); // what was rebuilt may hold new atoms
    }
  }
  return e;
}

//===- P-elimination
//-----------------------------------------------------------------------------------------------===//

Facts Prover::tokenFacts(Variable i, Variable j) {
  Facts facts(context);
  Expr past = context.past(), fresh = context.fresh(), total = context.total(), zero = context.integer(0);
  Expr query = context.add(past, context.variable(i)), newKey = context.sub(context.variable(j), past);
  for (Expr point : {past, fresh, total, query, newKey}) facts.addPoint(point);
  facts.bound(i, fresh);
  facts.bound(j, total);
  auto atMost = [&](Expr a, Expr b) { facts.assumeAtMostZero(context.sub(a, b)); };
  atMost(zero, past);
  atMost(context.integer(1), fresh);
  atMost(fresh, total);
  atMost(past, query);
  atMost(context.variable(i), query);
  atMost(context.add(query, context.integer(1)), total);
  atMost(newKey, context.variable(j));
  atMost(context.add(newKey, context.integer(1)), fresh);
  return facts;
}

/// The same frame with the position q as the variable: i = q - P.
Facts Prover::positionFacts(Variable q, Variable j) {
  Facts facts(context);
  Expr past = context.past(), fresh = context.fresh(), total = context.total(), zero = context.integer(0);
  Expr query = context.variable(q), key = context.variable(j);
  Expr token = context.sub(query, past), newKey = context.sub(key, past);
  for (Expr point : {past, fresh, total, query, key, token, newKey}) facts.addPoint(point);
  auto atMost = [&](Expr a, Expr b) { facts.assumeAtMostZero(context.sub(a, b)); };
  auto below = [&](Expr a, Expr b) { atMost(context.add(a, context.integer(1)), b); };
  atMost(zero, past), atMost(context.integer(1), fresh), atMost(fresh, total), atMost(past, total);
  atMost(past, query), below(query, total), atMost(zero, key), below(key, total);
  atMost(zero, token), atMost(token, query), below(token, fresh);
  atMost(newKey, key), below(newKey, fresh);
  return facts;
}

Expr Prover::eliminatePast(Expr f, Variable i, Variable j, Variable q) {
  if (!f) return {};
  Expr past = context.past(), query = context.variable(q);
  Facts facts = positionFacts(q, j);
  Expr absolute = simplify(context.substitute(f, {{i, context.sub(query, past)}}), facts);
  Facts fromStart = facts;
  fromStart.assumeAtMostZero(past);
  Expr candidate = simplify(context.substitute(absolute, {{ExprContext::P, context.integer(0)}}), fromStart);
  if (context.mentions(candidate, ExprContext::S)) return {};
  return equal(absolute, candidate, facts) ? candidate : Expr();
}
