// Abstract values, on-demand closed forms, reports.
#include "passes/infer/Typing.h"
#include "dialects/graph/Graph.h"
#include "dialects/graph/NodeLocation.h"
#include "dialects/weights/Weights.h"
#include "passes/infer/Experts.h"
#include "passes/infer/IndexFunction.h"

using namespace mlir;
using namespace ingot::infer;

// Closed forms recurse along glue; real graphs stay far below.
static constexpr unsigned MaxDepth = 2000;

static StringRef nameOf(DictionaryAttr attributes, StringRef fallback) {
  if (attributes)
    if (auto name = attributes.getAs<StringAttr>("graph.name")) return name.getValue();
  return fallback;
}

StringRef ingot::infer::argumentName(func::FuncOp main, unsigned index) {
  return nameOf(main.getArgAttrDict(index), "unnamed");
}
StringRef ingot::infer::resultName(func::FuncOp main, unsigned index) {
  return nameOf(main.getResultAttrDict(index), "unnamed");
}

//===- the pass over the function
//----------------------------------------------------------------------------------===//

void Typing::run() {
  for (Operation &op : main.getBody().front().without_terminator()) type(op);
}

void Typing::typeMoved(Operation &op) {
  bool outer = muted;
  type(op);
  muted = outer;
}

void Typing::type(Operation &op) {
  bool shapeOnly = isa<graph::ShapeOp>(op);
  bool poisoned = !shapeOnly && llvm::any_of(op.getOperands(), [&](Value v) { return values[v].poisoned; });
  bool unknown =
      llvm::any_of(op.getOperands(), [&](Value v) { return values[v].kind == AbstractValue::Kind::Unknown; });
  muted = poisoned || unknown;
  if (!unknown) {
    if (!experts) experts = std::make_shared<Experts>(*this);
    auto rule = [&] {
      if (auto known = dyn_cast<IndexFunction>(op))
        known.inferValues(*this);
      else
        report(&op, "is not understood");
    };
    if (!experts->infer(&op, rule)) rule();
  }
  auto own = reports.find(&op);
  bool failed = own != reports.end() && own->second.fatal;
  for (Value result : op.getResults()) {
    if (!values.count(result)) setUnknown(result);
    values[result].poisoned |= muted || failed;
  }
  muted = false;
}

void Typing::setClosed(Value value, Shape shape, ClosedForm form, bool constant) {
  values[value] = {AbstractValue::Kind::Closed, std::move(shape), std::move(form), constant, false};
}

void Typing::setToken(Value value, Shape shape, ClosedForm form) {
  unsigned fresh = 0;
  std::string odd;
  for (const Dim &dim : shape)
    for (Expr factor : dim.factors()) {
      if (factor == exprs.fresh())
        ++fresh;
      else if (!factor.asInteger())
        odd = exprs.print(factor);
    }
  Operation *maker = value.getDefiningOp();
  auto isPicked = [&](Value v) { return values[v].selected; };
  if (maker && llvm::any_of(maker->getOperands(), isPicked)) {
    bool whole = llvm::any_of(maker->getOperands(), [&](Value v) { return values[v].isToken() && !isPicked(v); });
    if (whole || fresh || !odd.empty()) report(maker, "joins the last token's row with other tokens' rows");
    return setSelected(value, std::move(shape));
  }
  if (fresh == 0 && odd.empty() && maker &&
      llvm::any_of(maker->getOperands(), [&](Value v) { return values[v].perRow; }))
    return setPerRow(value, std::move(shape));
  if (Operation *op = value.getDefiningOp(); op && (fresh != 1 || !odd.empty())) {
    std::string text = print(exprs, shape);
    if (!odd.empty())
      report(op,
             "makes " + text + " out of tokens: an axis of length " + odd + " outside attention breaks the chunk law");
    else if (fresh == 0)
      report(op, "mixes tokens: its result " + text + " has no token axis S left");
    else
      report(op, "pairs tokens with each other: its result " + text + " has two token axes S");
  }
  values[value] = {AbstractValue::Kind::Token, std::move(shape), std::move(form), false, false};
}

void Typing::setSelected(Value value, Shape shape) {
  values[value] = {AbstractValue::Kind::Token, std::move(shape), {}, false, false};
  values[value].selected = true;
}

void Typing::setPerRow(Value value, Shape shape) {
  values[value] = {AbstractValue::Kind::Token, std::move(shape), {}, false, false};
  values[value].perRow = true;
}

void Typing::setHistory(Value value, Shape shape, ClosedForm form) {
  values[value] = {AbstractValue::Kind::History, std::move(shape), std::move(form), false, false};
}

void Typing::setUnknown(Value value) {
  values[value] = {};
  values[value].poisoned = true;
}

//===- closed forms
//------------------------------------------------------------------------------------------------===//

View::View(Typing &typing, Value root) : typing(typing), root(root) {
  if (!typing.viewOrigin) typing.viewOrigin = typing.exprs.newOrigin("x");
  typing.view = this;
}

View::~View() { typing.view = nullptr; }

Expr Typing::at(Value value, Indices indices) {
  const AbstractValue &abstract = (*this)[value];
  if (view && value == view->root && llvm::all_of(indices, [](Expr index) { return bool(index); }))
    return exprs.read(*viewOrigin, indices);
  bool token = abstract.isToken();
  if (!abstract.form || (token && !view)) return {};
  std::vector<unsigned> key;
  for (Expr index : indices) {
    if (!index || index->op == ExprOp::Undefined) return {};
    key.push_back(index->id);
  }
  auto &forms = token ? view->memo : memo;
  auto &known = forms[value];
  if (auto place = known.find(key); place != known.end()) return place->second;
  if (depth >= MaxDepth) {
    if (Operation *op = value.getDefiningOp()) report(op, "has a closed form nested too deeply to follow");
    return {};
  }
  ++depth;
  ClosedForm form = abstract.form; // a copy: evaluation may grow the map that holds it
  Expr element = form(indices);
  --depth;
  forms[value][key] = element;
  return element;
}

/// The least constant that a comparison in `e` holds against P, S or their sum; 0: none.
static int64_t leastThreshold(Expr e) {
  int64_t least = 0;
  SmallVector<Expr> work{e};
  llvm::SmallPtrSet<const ExprNode *, 16> seen;
  while (!work.empty()) {
    Expr part = work.pop_back_val();
    if (!seen.insert(part.get()).second) continue;
    work.append(part->operands.begin(), part->operands.end());
    if (part->op != ExprOp::AtMostZero) continue;
    int64_t constant = std::abs(part->operands[0]->constant);
    if (constant > 1 && (!least || constant < least)) least = constant;
  }
  return least;
}

/// A shape that an exporter clamps to a table's length (min(P + S, 128)) is plain within it; the context stays there.
Expr Typing::unclamped(Expr e) {
  int64_t positions = e ? leastThreshold(e) : 0;
  if (!positions) return e;
  auto within = [&](int64_t limit) {
    Facts facts = prover.tokenFacts(scores().i, scores().j);
    facts.assumeAtMostZero(exprs.sub(exprs.total(), exprs.integer(limit)));
    return facts;
  };
  Expr plain = prover.simplify(e, within(positions - 1)); // at the very end both sides of a clamp agree
  if (!plain.isAffine() || !prover.equal(e, plain, within(positions))) return e;
  limitPositions(positions);
  return plain;
}

std::optional<SmallVector<Expr, 4>> Typing::integers(Value value, Operation *user) {
  const AbstractValue &abstract = (*this)[value];
  if (!abstract.isClosed()) {
    report(user, "takes a shape or bound that depends on the tokens; only functions of S and P are understood");
    return std::nullopt;
  }
  std::optional<int64_t> length = abstract.shape.size() <= 1 ? constantProduct(abstract.shape) : std::nullopt;
  if (!length || *length > 64) {
    report(user, "takes a shape or bound of shape " + print(exprs, abstract.shape) + "; a short vector was expected");
    return std::nullopt;
  }
  SmallVector<Expr, 4> result;
  for (int64_t k = 0; k < *length; ++k) {
    SmallVector<Expr, 1> index(abstract.shape.size(), exprs.integer(k));
    Expr element = at(value, index);
    if (element && !element.isAffine()) element = unclamped(element);
    if (!element || !element.isAffine()) {
      report(user, "takes a shape or bound with the closed form " + exprs.print(element) +
                       ", which is not affine in S and P");
      return std::nullopt;
    }
    result.push_back(element);
  }
  return result;
}

static constexpr int64_t Boundless = int64_t(1) << 30;

int64_t Typing::longestContext() const {
  int64_t limit = contextLimit ? contextLimit : Boundless;
  return positionLimit ? std::min(limit, positionLimit) : limit;
}

int64_t Typing::boundContext() {
  int64_t limit = longestContext();
  if (limit < Boundless) limitPositions(limit);
  return limit;
}

//===- scores
//------------------------------------------------------------------------------------------------------===//

/// A look-up in a table row that is a line, at literal indices but the last; null for any other.
Expr Typing::readLine(Expr table) {
  ArrayRef<Expr> at = table->operands;
  SmallVector<int64_t, 4> row;
  for (Expr index : at.drop_back(at.empty() ? 0 : 1)) {
    auto literal = index.asInteger();
    if (!literal) return {};
    row.push_back(*literal);
  }
  auto data = at.empty() ? std::nullopt : readConstant(main->getParentOfType<ModuleOp>(), modelFile, table->table);
  auto line = data ? readLineTable(*data, row) : std::nullopt;
  if (!line) return {};
  return exprs.add(exprs.real(line->offset), exprs.mul(exprs.real(line->slope), exprs.toReal(at.back())));
}

Expr Typing::readMask(Expr table) {
  auto [place, first] = masks.insert({table->table, std::nullopt});
  if (first)
    if (auto data = readConstant(main->getParentOfType<ModuleOp>(), modelFile, table->table))
      place->second = readMaskTable(*data);
  if (!place->second) return readLine(table);
  if (table->operands.size() < 2) return {};
  limitPositions(place->second->positions);
  auto elements = dyn_cast<ElementsAttr>(table->table);
  auto source = dyn_cast<FlatSymbolRefAttr>(table->table);
  auto named = source ? main->getParentOfType<ModuleOp>().lookupSymbol<weights::SourceOp>(source.getAttr())
                      : weights::SourceOp();
  Type type = elements ? elements.getElementType() : cast<RankedTensorType>(named.getType()).getElementType();
  ArrayRef<Expr> at = table->operands;
  return maskElement(exprs, *place->second, at[at.size() - 2], at[at.size() - 1], type);
}

ScoreReader &Typing::scores() {
  if (!scoreReader)
    scoreReader = std::make_unique<ScoreReader>(exprs, prover, [this](Expr table) { return readMask(table); });
  return *scoreReader;
}

//===- reports
//-----------------------------------------------------------------------------------------------------===//

void Typing::report(Operation *op, const Twine &problem) {
  if (!muted) reports.insert({op, {problem.str(), true}});
}

void Typing::complain(Operation *op, const Twine &problem) {
  if (!muted) reports.insert({op, {problem.str(), false}});
}

llvm::DenseSet<Operation *> ingot::infer::liveOps(const Typing &typing, ArrayRef<Value> roots) {
  llvm::DenseSet<Operation *> live;
  SmallVector<Value> work(roots);
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op || !live.insert(op).second) continue;
    if (isa<graph::ShapeOp>(op) && typing[op->getResult(0)].isClosed()) continue;
    if (auto known = typing.recognised.find(op); known != typing.recognised.end()) {
      work.append(known->second.needs.begin(), known->second.needs.end());
      continue;
    }
    work.append(op->operand_begin(), op->operand_end());
  }
  return live;
}

LogicalResult Typing::flush(ArrayRef<Value> roots) {
  llvm::DenseSet<Operation *> live = liveOps(*this, roots);
  bool failed = false;
  for (Operation &op : main.getBody().front()) {
    auto problem = reports.find(&op);
    if (problem == reports.end() || !(live.contains(&op) || op.hasTrait<OpTrait::IsTerminator>())) continue;
    std::string node = graph::describeNode(op.getLoc());
    if (node.empty()) node = ("'" + op.getName().getStringRef() + "'").str();
    mlir::emitError(op.getLoc()) << node << " " << problem->second.problem;
    failed = true;
  }
  return failure(failed);
}
