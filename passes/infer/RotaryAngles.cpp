// Reading waves.
#include "passes/infer/RotaryAngles.h"
#include "dialects/graph/Graph.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;
using graph::UnaryKind;

static bool isUnary(Expr e, UnaryKind kind) { return e->op == ExprOp::Unary && e->code == unsigned(kind); }

/// Without conversions between floats.
static Expr unrounded(Expr e) {
  while (e->op == ExprOp::Unary && isRounding(e->code)) e = e->operands[0];
  return e;
}

/// f with e = q * f; products of literals rounded to float32 as the graph would.
static std::optional<float> frequencyOf(Expr e, Variable q) {
  e = unrounded(e);
  if (auto value = e.asReal()) return *value == 0 ? std::optional(0.0f) : std::nullopt;
  if (e->op == ExprOp::ToReal) {
    Expr affine = e->operands[0];
    if (!affine.isAffine() || affine->constant || affine->terms.size() != 1 || affine->terms[0].first != q)
      return std::nullopt;
    return float(affine->terms[0].second);
  }
  if (e->op != ExprOp::Mul && e->op != ExprOp::Div) return std::nullopt;
  Expr x = unrounded(e->operands[0]), y = unrounded(e->operands[1]);
  if (e->op == ExprOp::Mul && x.asReal()) std::swap(x, y);
  auto literal = y.asReal();
  auto inner = literal ? frequencyOf(x, q) : std::nullopt;
  if (!inner) return std::nullopt;
  return e->op == ExprOp::Mul ? *inner * float(*literal) : *inner / float(*literal);
}

/// table[.., q + offset, ..]: leading indices are 0 on axes of length 1, those behind the position literals.
static std::optional<TableColumn> columnOf(RotaryTables &tables, Expr e, Variable q) {
  ArrayRef<int64_t> shape = tables.fullShape(e->table);
  if (shape.size() != e->operands.size()) return std::nullopt;
  TableColumn place{e->table};
  bool found = false;
  for (auto [index, size] : llvm::zip(e->operands, shape)) {
    if (found) {
      auto literal = index.asInteger();
      if (!literal || *literal < 0 || *literal >= size) return std::nullopt;
      place.column = place.column * size + *literal;
    } else if (!index.isAffine()) {
      return std::nullopt;
    } else if (index->terms.size() == 1 && index->terms[0] == std::pair(q, int64_t(1))) {
      place.offset = index->constant, found = true;
      if (place.offset < 0 || place.offset >= size) return std::nullopt;
    } else if (size != 1) {
      return std::nullopt;
    }
  }
  return found ? std::optional(place) : std::nullopt;
}

/// Multiplies the factors of a product into `wave`; at most one of them may vary.
static bool readFactor(RotaryTables &tables, Expr e, Variable q, Wave &wave) {
  e = unrounded(e);
  if (auto value = e.asReal()) return wave.factor *= float(*value), true;
  if (e->op == ExprOp::Mul)
    return readFactor(tables, e->operands[0], q, wave) && readFactor(tables, e->operands[1], q, wave);
  if (e->op == ExprOp::Div) {
    auto divisor = unrounded(e->operands[1]).asReal();
    if (!divisor || *divisor == 0 || !readFactor(tables, e->operands[0], q, wave)) return false;
    return wave.factor /= float(*divisor), true;
  }
  if (wave.kind != Wave::Kind::Constant) return false;
  if (e->op == ExprOp::Table) {
    auto place = columnOf(tables, e, q);
    if (place) wave.kind = Wave::Kind::Table, wave.place = *place;
    return place.has_value();
  }
  bool cosine = isUnary(e, UnaryKind::cos);
  if (!cosine && !isUnary(e, UnaryKind::sin)) return false;
  auto frequency = frequencyOf(e->operands[0], q);
  if (!frequency || !std::isfinite(*frequency)) return false;
  wave.kind = cosine ? Wave::Kind::Cosine : Wave::Kind::Sine, wave.frequency = *frequency;
  return true;
}

std::optional<Wave> ingot::infer::waveOf(ExprContext &exprs, RotaryTables &tables, Expr e, Variable q) {
  Wave wave;
  if (!e || !readFactor(tables, e, q, wave) || !std::isfinite(wave.factor)) return std::nullopt;
  if (wave.kind == Wave::Kind::Cosine) wave.frequency = std::fabs(wave.frequency);
  if (wave.kind == Wave::Kind::Sine && wave.factor < 0) wave.factor = -wave.factor, wave.frequency = -wave.frequency;
  return wave;
}

Wave Wave::negated() const {
  Wave result = *this;
  (kind == Kind::Sine ? result.frequency : result.factor) *= -1;
  return result;
}

bool ingot::infer::sameWave(RotaryTables &tables, const Wave &a, const Wave &b) {
  if (a.kind != b.kind || a.factor != b.factor || a.frequency != b.frequency) return false;
  if (a.kind != Wave::Kind::Table || a.place == b.place) return true;
  return a.place.offset == b.place.offset &&
         tables.sameColumn(a.place.table, a.place.column, b.place.table, b.place.column);
}

/// The truth of `k * T + c <= 0` with T = P + S at the longest context; nullopt for other atoms. `varies` is set if
/// shorter contexts disagree.
static std::optional<bool> atLongest(Typing &typing, Expr atom, bool &varies) {
  if (atom->op != ExprOp::AtMostZero) return std::nullopt;
  Expr form = atom->operands[0];
  int64_t slope = 0;
  for (auto [v, coefficient] : form->terms)
    if (v == ExprContext::S) slope = coefficient;
  Expr rest = typing.exprs.sub(form, typing.exprs.mul(typing.exprs.integer(slope), typing.exprs.total()));
  if (!slope || !rest.asInteger()) return std::nullopt;
  auto holds = [&](int64_t total) { return slope * total + *rest.asInteger() <= 0; };
  int64_t longest = typing.boundContext();
  varies |= holds(1) != holds(longest);
  return holds(longest);
}

Expr ingot::infer::decideByContext(Typing &typing, Expr e) {
  SmallPtrSet<const ExprNode *, 16> seen;
  SmallVector<Expr> work{e}, atoms;
  while (!work.empty()) {
    Expr x = work.pop_back_val();
    if (!seen.insert(x.get()).second) continue;
    if (x->op == ExprOp::AtMostZero) atoms.push_back(x);
    work.append(x->operands.begin(), x->operands.end());
  }
  bool varies = false;
  for (Expr atom : atoms)
    if (auto truth = atLongest(typing, atom, varies)) e = typing.exprs.decide(e, atom, *truth);
  if (varies) typing.relax("max-context-branch");
  return e;
}

Expr ingot::infer::atPosition(Typing &typing, Expr e, Variable i, Variable q) {
  if (!e) return {};
  ExprContext &exprs = typing.exprs;
  e = decideByContext(typing, e);
  e = exprs.substitute(e, {{i, exprs.sub(exprs.variable(q), exprs.past())}});
  bool free = exprs.mentions(e, ExprContext::P) || exprs.mentions(e, ExprContext::S) || exprs.mentions(e, i);
  return free ? Expr() : e;
}
