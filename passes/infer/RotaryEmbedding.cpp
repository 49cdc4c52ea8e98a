// A token value is looked at through a View of a root: its element at (head, token i, literal column c) is an
// expression over Reads of the root. It is a rotary embedding if every column is
//   x[m]                                 (it passes), or
//   x[a] * cos(q) -/+ x[b] * sin(q)      with the column of the other sign for the same a and b,
// where coefficients are waves (RotaryAngles.h) of the position q = P + i alone and every column is used once.
//
// Invariants
// 1. Nothing is recognised that is not proved column by column: wrong signs, swapped factors or different angles in a
//    pair leave the value to generic rows.
// 2. The root is the nearest value that all of `value` is made of and that proves it.
#include "passes/infer/RotaryEmbedding.h"
#include "dialects/graph/Graph.h"
#include "passes/infer/RowBuilder.h"
#include "passes/infer/RowRegion.h"
#include <map>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

//===- one column as a linear combination
//--------------------------------------------------------------------------===//

namespace {

struct Term {
  int64_t column; // of the root's head
  Expr coefficient;
};

/// Where an element of a value lies: its token, and its column in the value's rows.
struct Place {
  Expr token, column;
};

/// Expressions as linear combinations of Reads.
class LinearForms {
public:
  using Terms = llvm::SmallMapVector<Expr, Expr, 2>; // Read -> coefficient
  explicit LinearForms(ExprContext &exprs) : exprs(exprs) {}

  /// The terms of `e`; null if it is not linear or has too many.
  const Terms *of(Expr e) {
    auto [place, added] = known.try_emplace(e);
    if (!added) return place->second.get();
    Terms terms;
    if (!read(e, terms) || terms.size() > MaxTerms) return nullptr;
    return (known[e] = std::make_unique<Terms>(std::move(terms))).get();
  }

private:
  static constexpr size_t MaxTerms = 8;

  /// Adds `factor * e` (null: 1) to the terms.
  bool add(Expr e, Expr factor, Terms &terms) {
    const Terms *own = of(e);
    if (!own) return false;
    for (auto [read, coefficient] : *own) {
      Expr scaled = factor ? exprs.mul(factor, coefficient) : coefficient;
      Expr &sum = terms[read];
      sum = sum ? exprs.add(sum, scaled) : scaled;
    }
    return true;
  }

  bool read(Expr e, Terms &terms) {
    switch (e->op) {
    case ExprOp::Read:
      terms[e] = exprs.real(1);
      return true;
    case ExprOp::Add:
      return add(e->operands[0], {}, terms) && add(e->operands[1], {}, terms);
    case ExprOp::Sub:
      return add(e->operands[0], {}, terms) && add(e->operands[1], exprs.real(-1), terms);
    case ExprOp::Mul: {
      bool first = exprs.reads(e->operands[0]).empty();
      return exprs.reads(e->operands[!first]).empty() && add(e->operands[first], e->operands[!first], terms);
    }
    case ExprOp::Div:
      return exprs.reads(e->operands[1]).empty() &&
             add(e->operands[0], exprs.divide(exprs.real(1), e->operands[1]), terms);
    case ExprOp::Unary:
      return isRounding(e->code) && add(e->operands[0], {}, terms);
    case ExprOp::Real:
      return e->real == 0;
    default:
      return false;
    }
  }

  ExprContext &exprs;
  DenseMap<Expr, std::unique_ptr<Terms>> known;
};

/// The constant factors of a value's shape as row columns, at given indices; nullopt where S shares an axis.
std::optional<Place> placeOf(Typing &typing, ArrayRef<Dim> shape, Indices indices) {
  ExprContext &exprs = typing.exprs;
  Place place{exprs.integer(0), exprs.integer(0)};
  for (auto [dim, index] : llvm::zip(shape, indices)) {
    if (dim == typing.freshDim()) {
      place.token = index;
    } else {
      auto size = dim.constant();
      if (!size) return std::nullopt;
      place.column = exprs.add(exprs.mul(place.column, exprs.integer(*size)), index);
    }
  }
  return place;
}

/// One output value over one root.
class ColumnReader {
public:
  ColumnReader(Typing &typing, Value value, Value root)
      : typing(typing), value(value), root(root), view(typing, root), linear(typing.exprs) {
    ExprContext &exprs = typing.exprs;
    token = exprs.newVariable("i"), position = exprs.newVariable("q");
    for (const Dim &dim : typing.shape(value).drop_back()) {
      if (dim == typing.freshDim())
        indices.push_back(exprs.variable(token));
      else if (dim.isOne())
        indices.push_back(exprs.integer(0));
      else
        indices.push_back(exprs.variable(exprs.newVariable("h", dim.size(exprs))));
    }
    indices.push_back({});
  }

  /// The terms of column `c` of each head; nullopt if they are not of the same token and head, or not linear.
  std::optional<SmallVector<Term, 2>> read(int64_t c) {
    ExprContext &exprs = typing.exprs;
    indices.back() = exprs.integer(c);
    Expr e = typing.at(value, indices);
    const LinearForms::Terms *terms = e && e->op != ExprOp::Undefined ? linear.of(e) : nullptr;
    if (!terms) return std::nullopt;
    auto here = placeOf(typing, typing.shape(value), indices);
    SmallVector<Term, 2> result;
    for (auto [read, coefficient] : *terms) {
      if (coefficient.asReal() == 0.0) continue;
      auto from = placeOf(typing, typing.shape(root), read->operands);
      if (!here || !from || from->token != exprs.variable(token)) return std::nullopt;
      Expr offset = exprs.add(exprs.sub(from->column, here->column), exprs.integer(c));
      auto column = offset.asInteger();
      if (!column) return std::nullopt;
      result.push_back({*column, coefficient});
    }
    return result;
  }

  std::optional<Wave> wave(RotaryTables &tables, Expr coefficient) {
    return waveOf(typing.exprs, tables, atPosition(typing, coefficient, token, position), position);
  }

private:
  Typing &typing;
  Value value, root;
  View view;
  LinearForms linear;
  Variable token, position;
  SmallVector<Expr, 4> indices;
};

} // namespace

//===- columns paired to rotations
//---------------------------------------------------------------------------------===//

namespace {
struct Turned {
  int64_t column;     // of the value
  Wave first, second; // coefficients of the lower and the higher source
};
struct Pair {
  int64_t a, b, toA, toB; // sources and the columns that they turn into
  Wave cos, sin;
};
struct Columns {
  SmallVector<std::pair<int64_t, int64_t>> passing; // source, column
  std::map<std::pair<int64_t, int64_t>, SmallVector<Turned, 2>> turned;
};
} // namespace

static bool isCosine(const Wave &wave) {
  return wave.factor > 0 && (wave.kind == Wave::Kind::Cosine || wave.kind == Wave::Kind::Table);
}
static bool isSine(const Wave &wave) {
  return wave.factor > 0 && (wave.kind == Wave::Kind::Sine || wave.kind == Wave::Kind::Table);
}

/// x turns into column `x.column` out of a, y out of b: a*cos - b*sin and b*cos + a*sin.
static bool turns(RotaryTables &tables, const Turned &x, const Turned &y) {
  return isCosine(x.first) && isSine(y.first) && sameWave(tables, x.first, y.second) &&
         sameWave(tables, x.second, y.first.negated());
}

static std::optional<Pair> pairOf(RotaryTables &tables, std::pair<int64_t, int64_t> source, ArrayRef<Turned> columns) {
  if (columns.size() != 2) return std::nullopt;
  auto [a, b] = source;
  for (auto [x, y] : {std::pair(&columns[0], &columns[1]), std::pair(&columns[1], &columns[0])}) {
    if (turns(tables, *x, *y)) return Pair{a, b, x->column, y->column, x->first, y->first};
    // The same with the sources' roles exchanged: table columns cannot change their sign.
    Turned u{x->column, x->second, x->first}, v{y->column, y->second, y->first};
    if (turns(tables, u, v)) return Pair{b, a, x->column, y->column, u.first, v.first};
  }
  return std::nullopt;
}

static std::optional<Columns> readColumns(ColumnReader &reader, RotaryTables &tables, int64_t size) {
  Columns columns;
  for (int64_t c = 0; c < size; ++c) {
    auto terms = reader.read(c);
    if (!terms || terms->empty() || terms->size() > 2) return std::nullopt;
    if (terms->size() == 1) {
      if ((*terms)[0].coefficient.asReal() != 1.0) return std::nullopt;
      columns.passing.push_back({(*terms)[0].column, c});
      continue;
    }
    if ((*terms)[1].column < (*terms)[0].column) std::swap((*terms)[0], (*terms)[1]);
    auto first = reader.wave(tables, (*terms)[0].coefficient), second = reader.wave(tables, (*terms)[1].coefficient);
    if (!first || !second) return std::nullopt;
    columns.turned[{(*terms)[0].column, (*terms)[1].column}].push_back({c, *first, *second});
  }
  return columns;
}

static bool isPermutation(ArrayRef<int64_t> columns) {
  llvm::SmallVector<bool> seen(columns.size(), false);
  for (int64_t column : columns) {
    if (column < 0 || column >= int64_t(columns.size()) || seen[column]) return false;
    seen[column] = true;
  }
  return true;
}

static bool isIdentity(ArrayRef<int64_t> columns) {
  for (auto [k, column] : llvm::enumerate(columns))
    if (column != int64_t(k)) return false;
  return true;
}

/// Lays the pairs out in half-split places or, if that leaves fewer permutations, in interleaved ones.
static bool layOut(RotaryEmbedding &rotary, ArrayRef<Pair> pairs, const Columns &columns) {
  auto place = [&](bool interleaved) {
    RotaryEmbedding laid = rotary;
    size_t n = pairs.size();
    laid.interleaved = interleaved;
    laid.source.resize(2 * n), laid.target.resize(2 * n);
    for (auto [k, pair] : llvm::enumerate(pairs)) {
      size_t x = interleaved ? 2 * k : k, y = interleaved ? 2 * k + 1 : k + n;
      laid.source[x] = pair.a, laid.source[y] = pair.b;
      laid.target[x] = pair.toA, laid.target[y] = pair.toB;
    }
    for (auto [from, to] : columns.passing) laid.source.push_back(from), laid.target.push_back(to);
    return laid;
  };
  auto identities = [](const RotaryEmbedding &laid) { return isIdentity(laid.source) + isIdentity(laid.target); };
  RotaryEmbedding half = place(false), interleaved = place(true);
  rotary = identities(interleaved) > identities(half) ? interleaved : half;
  return isPermutation(rotary.source) && isPermutation(rotary.target);
}

static std::optional<RotaryEmbedding> overRoot(Typing &typing, RotaryTables &tables, Value value, Value root,
                                               int64_t heads, int64_t size) {
  ColumnReader reader(typing, value, root);
  auto columns = readColumns(reader, tables, size);
  if (!columns || columns->turned.empty()) return std::nullopt;
  RotaryEmbedding rotary{root, heads, size};
  SmallVector<Pair> pairs;
  for (auto &[source, turned] : columns->turned) {
    auto pair = pairOf(tables, source, turned);
    if (!pair) return std::nullopt;
    pairs.push_back(*pair);
    rotary.angles.cos.push_back(pair->cos), rotary.angles.sin.push_back(pair->sin);
  }
  if (!layOut(rotary, pairs, *columns)) return std::nullopt;
  return rotary;
}

//===- roots
//-------------------------------------------------------------------------------------------------------===//

/// Values that all of `value` is made of, nearest first.
static SmallVector<Value> commonRoots(const Typing &typing, Value value) {
  constexpr size_t MaxOps = 48, MaxRoots = 6;
  auto later = [](Value a, Value b) {
    Operation *x = a.getDefiningOp(), *y = b.getDefiningOp();
    return x == y ? cast<OpResult>(a).getResultNumber() < cast<OpResult>(b).getResultNumber() : y->isBeforeInBlock(x);
  };
  std::set<Value, decltype(later)> frontier(later);
  SmallVector<Value> roots;
  if (value.getDefiningOp()) frontier.insert(value);
  for (size_t step = 0; step < MaxOps && roots.size() < MaxRoots && !frontier.empty(); ++step) {
    Value latest = *frontier.begin();
    frontier.erase(frontier.begin());
    if (!typing[latest].form) break; // nothing is seen through it
    for (Value operand : latest.getDefiningOp()->getOperands()) {
      if (!typing[operand].isToken()) continue;
      if (!operand.getDefiningOp()) return roots;
      frontier.insert(operand);
    }
    if (frontier.size() == 1) roots.push_back(*frontier.begin());
  }
  return roots;
}

static bool isFloat(Value value) { return isa<FloatType>(cast<RankedTensorType>(value.getType()).getElementType()); }

/// Columns of a token value's rows; nullopt if an axis mixes S with a constant.
static std::optional<int64_t> rowWidth(Typing &typing, Value value) {
  int64_t columns = 1;
  for (const Dim &dim : typing.shape(value))
    if (dim != typing.freshDim()) {
      if (!dim.constant()) return std::nullopt;
      columns *= *dim.constant();
    }
  return columns;
}

std::optional<RotaryEmbedding> ingot::infer::recogniseRotary(Typing &typing, RotaryTables &tables, Value value) {
  ArrayRef<Dim> shape = typing.shape(value);
  auto size = shape.empty() ? std::nullopt : shape.back().constant();
  auto width = rowWidth(typing, value);
  if (!typing[value].isToken() || typing[value].selected || !isFloat(value) || !size || *size < 2 || !width)
    return std::nullopt;
  for (Value root : commonRoots(typing, value)) {
    if (!isFloat(root) || rowWidth(typing, root) != width) continue;
    if (auto rotary = overRoot(typing, tables, value, root, *width / *size, *size)) return rotary;
  }
  return std::nullopt;
}

//===- the function
//------------------------------------------------------------------------------------------------===//

/// Rows with each head's columns in the order `columns`.
static Value permuted(RowBuilder &rows, Operation *op, Value x, const RotaryEmbedding &rotary,
                      ArrayRef<int64_t> columns) {
  if (isIdentity(columns)) return x;
  RowRegion region(rows, op);
  Value heads = region.argument(x, {rotary.heads, rotary.size});
  Value y = region.create<graph::GatherOp>(heads.getType(), heads, region.integers(columns), uint64_t(1));
  return region.finish({y}).front();
}

static void lowerRotary(RowBuilder &rows, Operation *op, const RotaryEmbedding &rotary) {
  Value x = rows.rows(rotary.root);
  if (!x) return;
  Value angles = rows.angles(rotary.angles, op);
  if (!angles) return;
  SmallVector<int64_t> inverse(rotary.target.size());
  for (auto [k, column] : llvm::enumerate(rotary.target)) inverse[column] = k;
  x = permuted(rows, op, x, rotary, rotary.source);
  Value y = rows.create<decoder::RopeOp>(op, x.getType(), x, angles, rotary.heads, rotary.interleaved);
  rows.set(op->getResult(0), permuted(rows, op, y, rotary, inverse));
}

/// Ops that may end a rotary embedding: they bring terms or columns together.
static bool joins(Operation *op) {
  if (auto binary = dyn_cast<graph::BinaryOp>(op))
    return binary.getKind() == graph::BinaryKind::add || binary.getKind() == graph::BinaryKind::sub;
  return isa<graph::ConcatOp, graph::ReshapeOp, graph::SelectOp, graph::ScatterNDOp, graph::ScatterElementsOp>(op);
}

/// A product of a token value and a closed value that varies from token to token.
static bool multipliesByPosition(Typing &typing, Operation *op) {
  auto binary = dyn_cast<graph::BinaryOp>(op);
  if (!binary || binary.getKind() != graph::BinaryKind::mul) return false;
  return llvm::any_of(op->getOperands(), [&](Value v) {
    return typing[v].isClosed() && llvm::is_contained(typing.shape(v), typing.freshDim());
  });
}

void ingot::infer::recogniseRotaryEmbeddings(Typing &typing, RotaryTables &tables) {
  llvm::DenseSet<Value> positional; // a product by position lies behind it, or a recognised part of the columns
  for (Operation &op : typing.main.getBody().front().without_terminator()) {
    if (op.getNumResults() != 1 || !typing[op.getResult(0)].isToken() || !typing[op.getResult(0)].form) continue;
    if (typing[op.getResult(0)].poisoned) continue;
    Value result = op.getResult(0);
    bool behind = llvm::any_of(op.getOperands(), [&](Value v) { return positional.contains(v); });
    if (!behind && !multipliesByPosition(typing, &op)) continue;
    bool part = isa<graph::ConcatOp>(op) || !llvm::any_of(op.getOperands(), [&](Value v) {
                  return v.getDefiningOp() && typing.recognised.contains(v.getDefiningOp());
                });
    if (!part) continue; // it goes on with a whole embedding
    positional.insert(result);
    if (!joins(&op)) continue;
    auto rotary = recogniseRotary(typing, tables, result);
    if (!rotary) continue;
    typing.recognised[&op] = {{rotary->root},
                              [&op, rotary = *rotary](RowBuilder &rows) { lowerRotary(rows, &op, rotary); }};
  }
}
