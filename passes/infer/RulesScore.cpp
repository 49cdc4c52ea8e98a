// Attention in primitives: past ++ new, query times key, softmax over the keys, probabilities times value.
//
// Rules (design section 3, K and A)
// 1. Concat of a past and a token value along the length is a cache: the past must come unchanged, column by column in
//    the order of its shape, and the new columns lie in the same order. A part of a combined past begins at an offset.
// 2. Query times key is a dot where column c of the cache is (head / group) * size + k, for every head, times one
// factor.
// 3. A softmax over all keys (and at most one sink) is a probability where ScoreReader understands the score of every
//    head; scale, cap, window must be the same for all, slopes and sinks may differ.
// 4. Probability times value is the attention: a token value again, recognised as decoder.attention.
// 5. Without past inputs the keys and values are token values; the cache keeps the fewest columns they are a repetition
//    of.
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

//===- 1: the cache
//------------------------------------------------------------------------------------------------===//

bool isLength(Typing &typing, const Dim &dim, Expr length) { return dim == Dim(typing.exprs, length); }

/// Bounded variables for the constant factors of a shape, `token` for its symbolic one.
SmallVector<Expr, 4> anyIndex(Typing &typing, ArrayRef<Dim> shape, Expr token) {
  ExprContext &exprs = typing.exprs;
  SmallVector<Expr, 4> index;
  for (const Dim &dim : shape) {
    Expr place = exprs.integer(0);
    for (Expr factor : dim.factors()) {
      Expr digit = factor.asInteger() ? exprs.variable(exprs.newVariable("c", factor)) : token;
      place = exprs.add(exprs.mul(place, factor), digit);
    }
    index.push_back(place);
  }
  return index;
}

/// The past input that `value` is an unchanged part of, and the column where the part begins.
std::optional<std::pair<BlockArgument, int64_t>> pastPart(Typing &typing, Value value) {
  Expr key = typing.exprs.variable(typing.scores().j);
  SmallVector<Expr, 4> index = anyIndex(typing, typing.shape(value), key);
  Expr element = typing.at(value, index);
  auto place = rowPlace(typing.exprs, typing.shape(value), index);
  if (!element || !place || element->op != ExprOp::Read || element->operands.size() != 2) return std::nullopt;
  auto past = typing.attention.pasts.find(element->code);
  if (past == typing.attention.pasts.end() || element->operands[1] != key) return std::nullopt;
  auto offset = typing.exprs.sub(element->operands[0], place->column).asInteger();
  if (!offset) return std::nullopt;
  return std::pair(past->second.argument, *offset);
}

} // namespace

unsigned ingot::infer::cacheOf(Typing &typing, const CachePart &part) {
  for (auto &[origin, known] : typing.attention.caches)
    if (known.past == part.past && known.offset == part.offset && known.fresh == part.fresh) return origin;
  unsigned origin = typing.exprs.newOrigin("cache");
  typing.attention.caches[origin] = part;
  return origin;
}

void ingot::infer::setCache(Typing &typing, Value result, const Shape &shape, CachePart part) {
  unsigned origin = cacheOf(typing, part);
  ClosedForm form = [&typing, shape, origin](Indices at) -> Expr {
    auto place = rowPlace(typing.exprs, shape, at);
    return place ? typing.exprs.read(origin, {place->column, place->token}) : Expr();
  };
  typing.setHistory(result, shape, form);
}

void ingot::infer::learnSizes(Typing &typing, ArrayRef<Dim> a, ArrayRef<Dim> b) {
  for (auto [one, other] : llvm::zip(a, b))
    for (const auto &[open, known] : {std::pair(one, other), std::pair(other, one)}) {
      if (!known.constant() || open.factors().size() != 1 || open.constant()) continue;
      Expr size = open.factors()[0];
      auto axis = size.isAffine() && size->terms.size() == 1 ? typing.attention.openSizes.find(size->terms[0].first)
                                                             : typing.attention.openSizes.end();
      if (axis != typing.attention.openSizes.end() && size == typing.exprs.variable(axis->first))
        typing.attention.learnt.push_back({axis->second, *known.constant()});
    }
}

bool ingot::infer::joinPast(graph::ConcatOp op, Typing &typing, const Shape &shape) {
  ExprContext &exprs = typing.exprs;
  if (op.getInputs().size() != 2 || !typing[op.getInputs()[0]].isHistory() || !typing[op.getInputs()[1]].isToken())
    return false;
  Value past = op.getInputs()[0], fresh = op.getInputs()[1];
  size_t axis = op.getAxis();
  if (!isLength(typing, typing.shape(past)[axis], exprs.past()) ||
      !isLength(typing, typing.shape(fresh)[axis], exprs.fresh()))
    return false;
  auto part = pastPart(typing, past);
  if (!part) {
    typing.report(op,
                  "joins new rows to a past that is no unchanged part of an input; keys and values must be cached as "
                  "the graph appends them");
    return true;
  }
  Type type = cast<RankedTensorType>(part->first.getType()).getElementType();
  setCache(typing, op, shape, {op, part->first, part->second, columnsOf(typing.shape(fresh)), fresh, type});
  return true;
}

namespace {

//===- 2: query times key
//------------------------------------------------------------------------------------------===//

/// factor * Read(origin; ..).
struct ScaledRead {
  Expr read;
  double factor;
};

std::optional<ScaledRead> scaledRead(Expr e, double factor = 1) {
  if (!e) return std::nullopt;
  if (e->op == ExprOp::Read) return ScaledRead{e, factor};
  if (e->op == ExprOp::Mul)
    for (unsigned k : {0, 1})
      if (auto value = e->operands[k].asReal()) return scaledRead(e->operands[1 - k], factor * *value);
  if (e->op == ExprOp::Div)
    if (auto value = e->operands[1].asReal()) return scaledRead(e->operands[0], factor / *value);
  return std::nullopt;
}

/// Which column of a cache a head's vector begins at, for every head, and what it is multiplied by.
struct HeadColumns {
  unsigned cache = 0;
  double factor = 1;
  SmallVector<int64_t> first;
};

/// The elements of a product's cached operand: `element(head, k)` at key j, k < size.
std::string readHeads(Typing &typing, int64_t heads, int64_t size, llvm::function_ref<Expr(int64_t, Expr)> element,
                      HeadColumns &out) {
  ExprContext &exprs = typing.exprs;
  Expr key = exprs.variable(typing.scores().j), k = exprs.variable(exprs.newVariable("k", exprs.integer(size)));
  for (int64_t head = 0; head < heads; ++head) {
    Expr e = element(head, k);
    auto found = scaledRead(e);
    if (!found || found->read->operands.size() != 2 || found->read->operands[1] != key)
      return "is not made of cached rows: element k of head " + std::to_string(head) + " at key j is " +
             (e ? exprs.print(e) : "unknown");
    auto first = exprs.sub(found->read->operands[0], k).asInteger();
    if (!first)
      return "reads its cache in another order than [heads, size]: column " + exprs.print(found->read->operands[0]) +
             " in head " + std::to_string(head);
    if (head == 0) out.cache = found->read->code, out.factor = found->factor;
    if (out.cache != found->read->code || out.factor != found->factor)
      return "takes the heads from different caches or scales them differently";
    out.first.push_back(*first);
  }
  return "";
}

/// first[head] == (head / group) * size over `columns` columns.
bool areGrouped(ArrayRef<int64_t> first, int64_t columns, int64_t size) {
  int64_t heads = first.size(), groups = columns / size;
  if (groups < 1 || columns % size || heads % groups) return false;
  for (int64_t head = 0; head < heads; ++head)
    if (first[head] != head / (heads / groups) * size) return false;
  return true;
}

/// What a token value is made of by data movement or multiplication alone; null if by more.
Value movedFrom(Typing &typing, Value value) {
  Operation *op = value.getDefiningOp();
  if (!op) return {};
  if (auto binary = dyn_cast<graph::BinaryOp>(op))
    if (binary.getKind() != graph::BinaryKind::mul && binary.getKind() != graph::BinaryKind::div) return {};
  if (!isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp, graph::TransposeOp, graph::ExpandOp, graph::SliceOp,
           graph::GatherOp, graph::CastOp, graph::BinaryOp>(op))
    return {};
  Value token;
  for (Value operand : op->getOperands())
    if (typing[operand].isToken()) {
      if (token) return {};
      token = operand;
    }
  return token;
}

/// Rule 5: the same out of a token value; `element` reads `operand`.
std::string readFreshHeads(Typing &typing, Value operand, int64_t heads, int64_t size,
                           llvm::function_ref<Expr(int64_t, Expr)> element, HeadColumns &out) {
  ExprContext &exprs = typing.exprs;
  std::string problem;
  int64_t fewest = 0;
  for (Value root = operand; root; root = movedFrom(typing, root)) {
    Shape shape(typing.shape(root));
    HeadColumns found;
    {
      View view(typing, root);
      auto inColumns = [&](int64_t head, Expr k) -> Expr {
        auto read = scaledRead(element(head, k));
        auto place = read ? rowPlace(exprs, shape, read->read->operands) : std::nullopt;
        if (!place) return {};
        return exprs.mul(exprs.real(read->factor), exprs.read(0, {place->column, place->token}));
      };
      std::string why = readHeads(typing, heads, size, inColumns, found);
      if (root == operand) problem = why;
      if (!why.empty()) continue;
    }
    int64_t columns = columnsOf(shape);
    if (!areGrouped(found.first, columns, size) || (fewest && columns > fewest)) continue;
    fewest = columns;
    Type type = cast<RankedTensorType>(root.getType()).getElementType();
    out = found;
    out.cache = cacheOf(typing, {operand.getDefiningOp(), {}, 0, columns, root, type});
  }
  if (fewest) return "";
  return problem.empty() ? "is no repetition of heads of " + std::to_string(size) + " columns" : problem;
}

/// The heads of a product's right operand, cached or fresh.
std::string readOperand(Typing &typing, Value operand, int64_t heads, int64_t size,
                        llvm::function_ref<Expr(int64_t, Expr)> element, HeadColumns &out) {
  if (typing[operand].isToken()) return readFreshHeads(typing, operand, heads, size, element, out);
  std::string problem = readHeads(typing, heads, size, element, out);
  if (!problem.empty()) return problem;
  auto part = typing.attention.caches.find(out.cache);
  if (part == typing.attention.caches.end()) return "reads a past without this step's rows; join them first";
  if (!areGrouped(out.first, part->second.columns, size))
    return "pairs heads with cached heads in another way than (head / group): its " + std::to_string(heads) +
           " heads of " + std::to_string(size) + " columns begin elsewhere in the cache's " +
           std::to_string(part->second.columns);
  return "";
}

/// Batch and row axes of the left operand, which must be those of the result: heads and tokens.
std::optional<Shape> productRows(Typing &typing, graph::MatmulOp op) {
  ArrayRef<Dim> a = typing.shape(op.getLhs()), b = typing.shape(op.getRhs());
  auto batch = broadcast({a.drop_back(2), b.drop_back(2)});
  if (!batch) return std::nullopt;
  Shape left(batch->size() - (a.size() - 2));
  left.append(a.begin(), a.end() - 2);
  if (left != *batch) return std::nullopt;
  left.push_back(a[a.size() - 2]);
  return left;
}

/// Index into the right operand: its own batch axes at the product's, then two inner indices.
SmallVector<Expr, 4> rightIndex(Typing &typing, Value right, ArrayRef<Expr> rows, Expr first, Expr second) {
  SmallVector<Expr, 4> index = broadcastIndices(typing.exprs, typing.shape(right).drop_back(2), rows.drop_back());
  index.append({first, second});
  return index;
}

void inferDot(graph::MatmulOp op, Typing &typing) {
  ExprContext &exprs = typing.exprs;
  Shape a(typing.shape(op.getLhs())), b(typing.shape(op.getRhs()));
  auto rows = productRows(typing, op);
  if (!rows || !isLength(typing, b.back(), exprs.total()))
    return typing.report(op, "multiplies " + print(exprs, a) + " with " + print(exprs, b) +
                                 "; [heads, S, d] with [heads, d, P+S] was expected of query times key");
  int64_t size = *a.back().constant(), heads = columnsOf(a) / size;
  ScoreReader &scores = typing.scores();
  Expr token = exprs.variable(scores.i), key = exprs.variable(scores.j);
  HeadColumns found;
  auto element = [&](int64_t head, Expr k) {
    SmallVector<Expr, 4> at = rowIndex(exprs, *rows, head, token);
    return typing.at(op.getRhs(), rightIndex(typing, op.getRhs(), at, k, key));
  };
  std::string problem = readOperand(typing, op.getRhs(), heads, size, element, found);
  if (!problem.empty()) return typing.report(op, "multiplies queries with keys whose right operand " + problem);
  unsigned origin = exprs.newOrigin("dot");
  typing.attention.dots[origin] = {op, op.getLhs(), heads, size, found.cache, found.factor};
  Shape shape = *rows;
  shape.push_back(b.back());
  ClosedForm form = [&typing, origin, rows = *rows](Indices at) -> Expr {
    auto place = rowPlace(typing.exprs, rows, at.drop_back());
    return place ? typing.exprs.read(origin, {place->column, place->token, at.back()}) : Expr();
  };
  typing.setHistory(op, shape, form);
}

//===- 4: probabilities times value
//---------------------------------------------------------------------------------===//

/// NaN guards vanish: a visible key always exists (rule A), so a probability is a number.
Expr withoutGuards(Typing &typing, Expr e) {
  SmallVector<Expr> work{e}, guards;
  llvm::SmallPtrSet<const ExprNode *, 8> seen;
  while (!work.empty()) {
    Expr part = work.pop_back_val();
    if (!seen.insert(part.get()).second) continue;
    work.append(part->operands.begin(), part->operands.end());
    bool guard = part->op == ExprOp::Unary && part->code == unsigned(graph::UnaryKind::is_nan);
    Expr inner = guard ? part->operands[0] : Expr();
    if (inner && inner->op == ExprOp::Read && typing.attention.probabilities.contains(inner->code))
      guards.push_back(part);
  }
  for (Expr guard : guards) e = typing.exprs.replace(e, guard, typing.exprs.boolean(false));
  return e;
}

/// The probability that all heads of the left operand are, unchanged.
std::string readProbability(Typing &typing, Value left, ArrayRef<Dim> rows, int64_t heads, unsigned &origin) {
  ExprContext &exprs = typing.exprs;
  Expr token = exprs.variable(typing.scores().i), key = exprs.variable(typing.scores().j);
  for (int64_t head = 0; head < heads; ++head) {
    SmallVector<Expr, 4> at = rowIndex(exprs, rows, head, token);
    at.push_back(key);
    Expr e = typing.at(left, ArrayRef<Expr>(at).take_back(typing.shape(left).size()));
    if (e) e = withoutGuards(typing, e);
    bool plain = e && e->op == ExprOp::Read && typing.attention.probabilities.contains(e->code) &&
                 e->operands[0].is(head) && e->operands[1] == token && e->operands[2] == key &&
                 (head == 0 || e->code == origin);
    if (!plain)
      return "is no softmax over all keys, head by head: head " + std::to_string(head) + " at token i and key j is " +
             (e ? exprs.print(e) : "unknown");
    origin = e->code;
  }
  return "";
}

void lowerAttention(RowBuilder &rows, Operation *op, unsigned probability, double factor) {
  Typing &typing = rows.typing;
  const ProbabilityPart &part = typing.attention.probabilities.find(probability)->second;
  const DotPart &dot = typing.attention.dots.find(part.dot)->second;
  const AttentionForm &form = typing.attention.forms.find(op)->second;
  const CachePart &keys = typing.attention.caches.find(form.keys)->second;
  const CachePart &values = typing.attention.caches.find(form.values)->second;
  Value q = rows.rows(dot.query), k = rows.rows(keys.fresh), v = rows.rows(values.fresh);
  const CachePlace &place = rows.place(op);
  if (!q || !k || !v || !place.group) return;
  OpBuilder &builder = rows.builder;
  auto number = [&](double value) { return builder.getF32FloatAttr(float(value)); };
  FlatSymbolRefAttr sinks;
  if (!part.sinks.empty()) {
    auto type = RankedTensorType::get({int64_t(part.sinks.size())}, builder.getF32Type());
    sinks = rows.recipes.ofTable(DenseElementsAttr::get(type, ArrayRef<float>(part.sinks)), op->getLoc());
  }
  auto made = rows.create<decoder::AttentionOp>(
      op, rows.rowType(rows.width(op->getResult(0))), Type(), Type(), q, k, v, Value(), Value(), Value(), Value(),
      place.group, builder.getI64IntegerAttr(place.layer), builder.getI64IntegerAttr(dot.heads),
      builder.getI64IntegerAttr(form.kvHeads), number(part.scale * dot.factor), number(part.softcap),
      decoder::MaskAttr::get(op->getContext(), form.window),
      part.alibi.empty() ? DenseF32ArrayAttr() : builder.getDenseF32ArrayAttr(part.alibi), sinks);
  Value result = made.getResult();
  if (factor != 1) result = rows.create<decoder::ScaleOp>(op, result.getType(), result, llvm::APFloat(float(factor)));
  rows.set(op->getResult(0), result);
}

void inferWeightedSum(graph::MatmulOp op, Typing &typing) {
  ExprContext &exprs = typing.exprs;
  Shape a(typing.shape(op.getLhs())), b(typing.shape(op.getRhs()));
  auto rows = productRows(typing, op);
  auto size = b.back().constant();
  if (!rows || !size || b[b.size() - 2] != a.back() || !isLength(typing, a.back(), exprs.total()))
    return typing.report(op, "contracts " + print(exprs, a) + " with " + print(exprs, b) +
                                 "; [heads, S, P+S] with [heads, P+S, d] was expected of probabilities times value");
  int64_t heads = columnsOf(*rows);
  unsigned probability = 0;
  std::string problem = readProbability(typing, op.getLhs(), *rows, heads, probability);
  if (!problem.empty()) return typing.report(op, "contracts over all tokens, but its left operand " + problem);
  Expr token = exprs.variable(typing.scores().i), key = exprs.variable(typing.scores().j);
  HeadColumns found;
  auto element = [&](int64_t head, Expr k) {
    SmallVector<Expr, 4> at = rowIndex(exprs, *rows, head, token);
    return typing.at(op.getRhs(), rightIndex(typing, op.getRhs(), at, key, k));
  };
  problem = readOperand(typing, op.getRhs(), heads, *size, element, found);
  if (!problem.empty()) return typing.report(op, "weighs values, but its right operand " + problem);
  const ProbabilityPart &part = typing.attention.probabilities[probability];
  const DotPart &dot = typing.attention.dots[part.dot];
  const CachePart &keys = typing.attention.caches[dot.cache], &values = typing.attention.caches[found.cache];
  int64_t kvHeads = values.columns / *size;
  if (heads != dot.heads || keys.columns / dot.size != kvHeads)
    return typing.report(op, "weighs values of " + Twine(kvHeads) + " heads by the probabilities of " +
                                 Twine(keys.columns / dot.size) + " key heads");
  Shape shape = *rows;
  shape.push_back(b.back());
  typing.attention.forms[op] = {dot.cache, found.cache, kvHeads, part.window};
  typing.recognised[op] = {
      {dot.query, keys.fresh, values.fresh},
      [op, probability, factor = found.factor](RowBuilder &rows) { lowerAttention(rows, op, probability, factor); }};
  typing.setToken(op, shape);
}

//===- 3: softmax
//--------------------------------------------------------------------------------------------------===//

struct SoftmaxRule {
  void infer(graph::SoftmaxOp op, Typing &typing) const {
    const AbstractValue &input = typing[op.getInput()];
    Shape shape = input.shape;
    int64_t axis = op.getAxis() < 0 ? op.getAxis() + int64_t(shape.size()) : op.getAxis();
    if (axis < 0 || axis >= int64_t(shape.size())) return typing.report(op, "has an axis outside the rank");
    if (input.isClosed()) return typing.report(op, "normalises a value that does not depend on the tokens");
    if (input.isToken() && shape[axis].constant()) return typing.setToken(op, shape);
    if (input.isToken()) return typing.report(op, "normalises along the token axis of " + print(typing.exprs, shape));
    inferScores(op, typing, shape, axis);
  }

  static void inferScores(graph::SoftmaxOp op, Typing &typing, const Shape &shape, int64_t axis) {
    ExprContext &exprs = typing.exprs;
    auto extra = exprs.sub(shape[axis].size(exprs), exprs.total()).asInteger();
    Shape rows = shape;
    rows.erase(rows.begin() + axis);
    if (!extra || *extra < 0 || *extra > 1)
      return typing.report(op, "normalises " + print(exprs, shape) + " along " + shape[axis].print(exprs) +
                                   "; all keys, P+S, were expected (and at most one sink)");
    ProbabilityPart part;
    part.op = op;
    int64_t heads = columnsOf(rows);
    for (int64_t head = 0; head < heads; ++head) {
      std::string problem = readHead(op, typing, rows, axis, head, *extra, part);
      if (!problem.empty()) return typing.report(op, problem);
    }
    if (llvm::all_of(part.alibi, [](float slope) { return slope == 0; })) part.alibi.clear();
    if (typing.attention.dots[part.dot].heads != heads)
      return typing.report(op, "normalises " + Twine(heads) + " heads of a product of " +
                                   Twine(typing.attention.dots[part.dot].heads));
    unsigned origin = exprs.newOrigin("probability");
    typing.attention.probabilities[origin] = part;
    ClosedForm form = [&typing, rows, axis, origin](Indices at) -> Expr {
      SmallVector<Expr, 4> rest(at);
      rest.erase(rest.begin() + axis);
      auto place = rowPlace(typing.exprs, rows, rest);
      return place ? typing.exprs.read(origin, {place->column, place->token, at[axis]}) : Expr();
    };
    typing.setHistory(op, shape, form);
  }

  static Expr scoreAt(graph::SoftmaxOp op, Typing &typing, ArrayRef<Dim> rows, int64_t axis, int64_t head, Expr key) {
    SmallVector<Expr, 4> at = rowIndex(typing.exprs, rows, head, typing.exprs.variable(typing.scores().i));
    at.insert(at.begin() + axis, key);
    return typing.at(op.getInput(), at);
  }

  /// The score of one head into `part`; the reason if it is not understood.
  static std::string readHead(graph::SoftmaxOp op, Typing &typing, ArrayRef<Dim> rows, int64_t axis, int64_t head,
                              int64_t sinks, ProbabilityPart &part) {
    ExprContext &exprs = typing.exprs;
    ScoreReader &scores = typing.scores();
    Expr token = exprs.variable(scores.i), key = exprs.variable(scores.j);
    Expr score = scoreAt(op, typing, rows, axis, head, key);
    if (!score) return "normalises scores without a closed form; only data movement and elementwise ops may make them";
    Facts frame = typing.prover.tokenFacts(scores.i, scores.j);
    if (sinks) score = typing.prover.simplify(score, frame); // j < P+S: no sink
    std::optional<unsigned> dot;
    for (Expr read : exprs.reads(score)) {
      if (!typing.attention.dots.contains(read->code)) continue;
      if (dot || !read->operands[0].is(head) || read->operands[1] != token || read->operands[2] != key)
        return "normalises scores that mix products: " + exprs.print(score);
      dot = read->code;
      score = exprs.replace(score, read, scores.x);
    }
    if (!dot || (head > 0 && *dot != part.dot))
      return "normalises scores that are no product of query and key: " + exprs.print(score);
    part.dot = *dot;
    std::string problem;
    auto form = scores.read(score, problem);
    if (!form) return "normalises a score that " + problem;
    if (head == 0) part.scale = form->scale, part.softcap = form->softcap, part.window = form->window;
    if (part.scale != form->scale || part.softcap != form->softcap || part.window != form->window)
      return "normalises heads with different scales, caps or windows";
    part.alibi.push_back(float(form->slope));
    if (!sinks) return "";
    Expr element = scoreAt(op, typing, rows, axis, head, exprs.total());
    auto sink = element ? scores.sink(element, *form) : std::nullopt;
    if (!sink)
      return "has a column beside the keys that is no constant a head: " + (element ? exprs.print(element) : "unknown");
    part.sinks.push_back(float(*sink));
    return "";
  }
};

} // namespace

bool ingot::infer::inferAttentionProduct(graph::MatmulOp op, Typing &typing) {
  Value left = op.getLhs(), right = op.getRhs();
  ArrayRef<Dim> a = typing.shape(left), b = typing.shape(right);
  bool history = typing[left].isHistory() || typing[right].isHistory();
  bool pairs = typing[left].isToken() && typing[right].isToken();
  if (!history && !pairs) return false;
  if (a.size() < 2 || b.size() < 2) {
    typing.report(op, "multiplies " + print(typing.exprs, a) + " with " + print(typing.exprs, b));
  } else if (a.back() != b[b.size() - 2]) {
    typing.report(op, "contracts " + a.back().print(typing.exprs) + " with " + b[b.size() - 2].print(typing.exprs));
  } else if (typing[left].isHistory()) {
    inferWeightedSum(op, typing);
  } else if (typing[left].isToken() && a.back().constant()) {
    inferDot(op, typing);
  } else {
    typing.report(op, "multiplies " + print(typing.exprs, a) + " with keys, values or scores " +
                          print(typing.exprs, b) + "; queries or probabilities were expected on the left");
  }
  return true;
}

bool ingot::infer::reduceScores(graph::ReduceOp op, Typing &typing, const Shape &shape) {
  if (!typing[op.getInput()].isHistory()) return false;
  ArrayRef<Dim> from = typing.shape(op.getInput());
  for (auto [k, dim] : llvm::enumerate(from))
    if (llvm::is_contained(op.getAxes(), int64_t(k)) && !isLength(typing, dim, typing.exprs.total())) {
      auto extra = typing.exprs.sub(dim.size(typing.exprs), typing.exprs.total()).asInteger();
      if (extra == 1) continue;
      typing.report(op, "combines scores along " + dim.print(typing.exprs) + "; all keys, P+S, were expected");
      return true;
    }
  unsigned origin = typing.exprs.newOrigin("row");
  typing.setHistory(op, shape, [&typing, origin](Indices at) { return typing.exprs.read(origin, at); });
  return true;
}

void ingot::infer::attachScore(MLIRContext *context) { attach<graph::SoftmaxOp, SoftmaxRule>(context); }
