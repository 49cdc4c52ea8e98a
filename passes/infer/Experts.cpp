// Typing of what a router's choice leads to; emission is in ExpertRows.cpp.
#include "passes/infer/Experts.h"
#include "passes/infer/ExpertRows.h"
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

static bool isFloat(Value value) { return isa<FloatType>(cast<RankedTensorType>(value.getType()).getElementType()); }

const PickedRows *Experts::pickedRows(Value value) const {
  auto found = picked.find(value);
  return found == picked.end() ? nullptr : &found->second;
}

bool Experts::infer(Operation *op, llvm::function_ref<void()> rule) {
  if (isa<graph::NonzeroOp>(op) && typing[op->getOperand(0)].isToken()) return startPicked(op);
  if (isa<graph::TopkOp>(op) && typing[op->getOperand(0)].isToken()) return startSorted(op);
  for (Value operand : op->getOperands())
    if (World *world = worldOf(operand)) return routed(op, world, rule), true;
  if (isa<graph::MatmulOp>(op) && llvm::all_of(op->getOperands(), [&](Value v) { return typing[v].isToken(); }))
    return gatheredProduct(op);
  auto binary = dyn_cast<graph::BinaryOp>(op);
  if ((binary && binary.getKind() == graph::BinaryKind::add) || isa<decoder::AddOp>(op))
    if (llvm::any_of(op->getOperands(), [&](Value v) { return mixtures.contains(v); }))
      return rule(), addMixtures(op), true;
  return false;
}

//===- routers ----------------------------------------------------------------------------------------------------===//

/// The router that a value is made of: the first topk on the way back to the tokens.
Router *Experts::routerOf(Value value) {
  llvm::SmallPtrSet<Operation *, 16> seen;
  SmallVector<Value> work{value};
  graph::TopkOp found;
  while (!work.empty() && seen.size() < 64) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op || !seen.insert(op).second) continue;
    found = dyn_cast<graph::TopkOp>(op);
    if (found) break;
    for (Value operand : op->getOperands())
      if (typing[operand].isToken()) work.push_back(operand);
  }
  if (!found) return nullptr;
  Value indices = found.getIndices();
  for (Router &router : routers)
    if (router.indices == indices) return &router;
  ArrayRef<Dim> shape = typing.shape(indices), scores = typing.shape(found.getInput());
  bool rows = found.getAxis() + 1 == shape.size() && llvm::is_contained(shape, typing.freshDim());
  auto slots = rows ? constantProduct(shape.take_back(1)) : std::nullopt;
  auto experts = rows ? constantProduct(scores.take_back(1)) : std::nullopt;
  bool plain = slots && experts && *slots >= 1 && columnsOf(shape) == *slots && columnsOf(scores) == *experts;
  if (!plain) return nullptr;
  ExprContext &exprs = typing.exprs;
  Router router{indices, *slots, *experts, {}, {}, {}};
  auto below = [&](StringRef name, Expr bound) {
    return bound.is(1) ? exprs.integer(0) : exprs.variable(exprs.newVariable(name, bound));
  };
  router.t = exprs.variable(exprs.newVariable("t", exprs.fresh()));
  router.k = below("k", exprs.integer(*slots));
  router.e = below("e", exprs.integer(*experts));
  return &routers.emplace_back(router);
}

/// The element of `value` at `indices`, which hold the router's t and k, as a form over its e; null if it is none.
Expr Experts::routedForm(Router &router, Value value, Indices indices) {
  ExprContext &exprs = typing.exprs;
  View view(typing, router.indices);
  Expr form = typing.at(value, indices);
  SmallVector<Expr, 4> own;
  for (const Dim &dim : typing.shape(router.indices))
    own.push_back(dim.isOne() ? exprs.integer(0) : dim == typing.freshDim() ? router.t : router.k);
  return form ? exprs.replace(form, typing.at(router.indices, own), router.e) : form;
}

/// nonzero(index == x): rows [axes, n] of the assignments of expert x.
bool Experts::startPicked(Operation *op) {
  Value mask = op->getOperand(0);
  Router *router = routerOf(mask);
  if (!router) return false;
  ExprContext &exprs = typing.exprs;
  SmallVector<Expr, 4> indices;
  for (const Dim &dim : typing.shape(mask)) {
    if (dim != typing.freshDim() && dim.constant().value_or(-1) != router->slots && !dim.isOne()) return false;
    indices.push_back(dim == typing.freshDim() ? router->t : dim.isOne() ? exprs.integer(0) : router->k);
  }
  Expr form = routedForm(*router, mask, indices);
  if (form) form = exprs.toBool(form);
  int64_t expert = 0;
  while (expert < router->experts && form != exprs.equal(router->e, exprs.integer(expert))) ++expert;
  if (!form || expert == router->experts || columnsOf(typing.shape(mask)) != router->slots) {
    typing.report(op, "picks tokens where " + exprs.print(form) +
                          "; only where a router's index is one expert is "
                          "understood");
    return true;
  }
  Dim length(exprs, exprs.variable(exprs.newVariable("picked")));
  Expr position = exprs.variable(exprs.newVariable("m"));
  World *world = &allWorlds.emplace_back(World{router, length, position, expert, nullptr, 0, 0});
  setRagged(op->getResult(0), world, {typing.dim(int64_t(indices.size())), length},
            [position, indices](Indices at) -> Expr {
              auto axis = at[0].asInteger();
              bool known = axis && *axis >= 0 && *axis < int64_t(indices.size()) && at[1] == position;
              return known ? indices[*axis] : Expr();
            });
  return true;
}

/// topk of all S * slots indices with k = S * slots: the assignments sorted by expert.
bool Experts::startSorted(Operation *op) {
  auto topk = cast<graph::TopkOp>(op);
  Shape shape(typing.shape(topk.getInput()));
  if (shape.size() != 1 || shape[0].constant()) return false;
  Router *router = routerOf(topk.getInput());
  ExprContext &exprs = typing.exprs;
  if (!router) return false;
  Expr assignment = exprs.add(exprs.mul(router->t, exprs.integer(router->slots)), router->k);
  auto count = typing.integers(topk.getK(), op);
  if (!count || count->size() != 1 || count->front() != shape[0].size(exprs) || columnsOf(shape) != router->slots ||
      routedForm(*router, topk.getInput(), assignment) != router->e)
    return false;
  Expr position = exprs.variable(exprs.newVariable("m"));
  World *world = &allWorlds.emplace_back(World{router, shape[0], position, -1, nullptr, 0, 0});
  world->ascending = !topk.getLargest();
  world->counts = exprs.newOrigin("count"), world->bounds = exprs.newOrigin("bound");
  auto form = [position](Expr value) {
    return [position, value](Indices at) { return at[0] == position ? value : Expr(); };
  };
  setRagged(topk.getValues(), world, shape, form(router->e));
  setRagged(topk.getIndices(), world, shape, form(assignment));
  return true;
}

//===- values of a world ------------------------------------------------------------------------------------------===//

void Experts::setRagged(Value value, World *world, Shape shape, ClosedForm form) {
  worlds[value] = world;
  if (isFloat(value) && llvm::is_contained(shape, world->length))
    for (const Dim &dim : shape) {
      if (dim == world->length) break;
      if (!dim.isOne()) {
        typing.report(value.getDefiningOp(), "moves the axis of routed rows behind another");
        break;
      }
    }
  typing.setHistory(value, std::move(shape), form ? std::move(form) : ClosedForm([](Indices) { return Expr(); }));
}

/// The element at the world's position; `rest`: the indices of other axes that are not 1. Null without a closed form.
Expr Experts::at(World *world, Value value, ArrayRef<Expr> rest) {
  SmallVector<Expr, 4> indices;
  for (const Dim &dim : typing.shape(value)) {
    if (dim == world->length)
      indices.push_back(world->position);
    else if (dim.isOne())
      indices.push_back(typing.exprs.integer(0));
    else if (rest.empty())
      return {};
    else
      indices.push_back(rest.front()), rest = rest.drop_front();
  }
  return typing.at(value, indices);
}

bool Experts::isZero(Value value) {
  const AbstractValue &abstract = typing[value];
  if (!abstract.isClosed()) return false;
  SmallVector<Expr, 4> indices;
  for (size_t i = 0; i < abstract.shape.size(); ++i)
    indices.push_back(typing.exprs.variable(typing.exprs.newVariable("i")));
  Expr element = typing.at(value, indices);
  return element && (element.asReal() == 0.0 || element.is(0));
}

static bool isPointwise(Operation *op) {
  return isa<graph::UnaryOp, graph::BinaryOp, graph::CompareOp, graph::SelectOp, graph::CastOp>(op);
}
static bool isMove(Operation *op) {
  return isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp, graph::TransposeOp, graph::ExpandOp,
             graph::SliceOp>(op);
}

void Experts::routed(Operation *op, World *world, llvm::function_ref<void()> rule) {
  for (Value operand : op->getOperands()) {
    World *other = worldOf(operand);
    bool segments = isa<graph::ConcatOp>(op) && other && other->sorted && other->sorted == world->sorted;
    bool cuts = isa<graph::GatherOp, graph::GatherNDOp>(op) && other && other->sorted == world;
    if (other && other != world && !segments && !cuts)
      return typing.report(op, "joins rows that a router picked for different experts");
  }
  if (isa<graph::ShapeOp>(op)) return rule();
  bool tokens = llvm::any_of(op->getOperands(), [&](Value v) { return typing[v].isToken(); });
  if ((isPointwise(op) || isMove(op)) && !tokens) {
    rule();
    Value result = op->getResult(0);
    if (typing.isReported(op)) return;
    return setRagged(result, world, typing[result].shape, typing[result].form);
  }
  if (auto act = dyn_cast<decoder::ActOp>(op))
    return setRagged(act.getResult(), world, Shape(typing.shape(act.getInput())));
  if (isa<graph::MatmulOp, decoder::LinearOp>(op)) return product(op, world);
  if (isa<graph::GatherOp, graph::GatherNDOp>(op)) return gather(op, world, rule);
  if (isa<graph::ScatterElementsOp, graph::ScatterNDOp>(op)) return scatter(op, world);
  if (isa<graph::CumsumOp>(op)) return cumulate(op, world);
  if (isa<graph::RangeOp>(op)) return segment(op, world);
  if (isa<graph::ConcatOp>(op)) return join(op, world);
  typing.report(op, "works on the rows that a router picked in a way that is not understood; only what treats each row "
                    "alike is");
}

/// Rows times a constant matrix.
void Experts::product(Operation *op, World *world) {
  Value input = op->getOperand(0);
  Shape shape(typing.shape(input));
  bool rows = !shape.empty() && shape.back().constant() && shape.back() != world->length && worldOf(input);
  if (auto linear = dyn_cast<decoder::LinearOp>(op); linear && rows) {
    shape.back() = typing.dim(linear.getResult().getType().getShape().back());
    return setRagged(linear.getResult(), world, shape);
  }
  Value matrix = op->getNumOperands() > 1 ? op->getOperand(1) : Value();
  ArrayRef<Dim> by = matrix ? typing.shape(matrix) : ArrayRef<Dim>();
  bool fits = rows && by.size() >= 2 && typing[matrix].constant && constantProduct(by.drop_back(2)) == 1 &&
              by.size() <= shape.size() && by[by.size() - 2] == shape.back();
  if (!fits) return typing.report(op, "multiplies routed rows by what is no constant matrix");
  shape.back() = by.back();
  setRagged(op->getResult(0), world, shape);
}

//===- into a world -----------------------------------------------------------------------------------------------===//

/// Rows of a token value by a proved index into its axis of tokens, or of all assignments.
void Experts::pick(Operation *op, World *world, Value source, ArrayRef<Dim> axes, ArrayRef<Expr> index, Shape shape) {
  Router &router = *world->router;
  ExprContext &exprs = typing.exprs;
  Expr assignment = exprs.add(exprs.mul(router.t, exprs.integer(router.slots)), router.k);
  bool byToken = index.size() == 1 && axes[0] == typing.freshDim() && index[0] == router.t;
  bool bySlot = index.size() == 1 && axes[0].factors().size() == 2 && axes[0].factors()[0] == exprs.fresh() &&
                axes[0].factors()[1].is(router.slots) && index[0] == assignment;
  bySlot |= index.size() == 2 && axes[0] == typing.freshDim() && axes[1].constant() == router.slots &&
            index[0] == router.t && index[1] == router.k;
  if (!byToken && !bySlot)
    return typing.report(op, "gathers routed rows by the index " + exprs.print(index.empty() ? Expr() : index[0]) +
                                 ", which is neither the token nor the token and its slot");
  // Regrouping changes no rows, and every expert may do it anew.
  while (Operation *made = source.getDefiningOp()) {
    bool regroups = isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp>(made);
    if (!regroups || !typing[made->getOperand(0)].isToken()) break;
    source = made->getOperand(0);
  }
  picked[op->getResult(0)] = {source, byToken && !bySlot};
  setRagged(op->getResult(0), world, std::move(shape));
}

void Experts::gather(Operation *op, World *world, llvm::function_ref<void()> rule) {
  Value input = op->getOperand(0), indices = op->getOperand(1);
  ArrayRef<Dim> from = typing.shape(input), by = typing.shape(indices);
  auto simple = dyn_cast<graph::GatherOp>(op);
  auto nd = dyn_cast<graph::GatherNDOp>(op);
  size_t axis = simple ? simple.getAxis() : 0, count = 1;
  if (nd) {
    if (nd.getBatchDims() || by.empty()) return typing.report(op, "gathers routed rows by tuples with batch axes");
    count = by.back().constant().value_or(0), by = by.drop_back();
  }
  if (!count || axis + count > from.size())
    return typing.report(op, "gathers routed rows along an axis that is not there");
  if (World *own = worldOf(input)) {
    if (!worldOf(indices) && typing[indices].isClosed()) { // columns of integers, such as nonzero's
      rule();
      return setRagged(op->getResult(0), own, typing[op->getResult(0)].shape, typing[op->getResult(0)].form);
    }
    return gatherRows(op, own, input, indices, axis);
  }
  if (!typing[input].isToken()) return typing.report(op, "looks a table up by a router's rows");
  Shape shape(from.take_front(axis));
  shape.append(by.begin(), by.end());
  shape.append(from.begin() + axis + count, from.end());
  SmallVector<Expr, 2> index;
  for (size_t i = 0; i < count; ++i) {
    Expr which = typing.exprs.integer(int64_t(i));
    index.push_back(at(world, indices, nd && count > 1 ? ArrayRef(which) : ArrayRef<Expr>()));
  }
  if (constantProduct(from.take_front(axis)) != 1) return typing.report(op, "gathers routed rows of an inner axis");
  pick(op, world, input, from.slice(axis, count), index, shape);
}

/// Out of a sorted list: one expert's segment of it, or all of it in the order of assignments.
void Experts::gatherRows(Operation *op, World *world, Value input, Value indices, size_t axis) {
  ArrayRef<Dim> from = typing.shape(input);
  if (axis >= from.size() || from[axis] != world->length)
    return typing.report(op, "gathers routed rows across an axis");
  World *to = worldOf(indices);
  Shape shape(from);
  if (to && to->sorted == world && at(to, indices) == world->position) {
    shape[axis] = to->length;
    cuts[op->getResult(0)] = input;
    return setRagged(op->getResult(0), to, shape);
  }
  while (isa_and_nonnull<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp>(indices.getDefiningOp()))
    indices = indices.getDefiningOp()->getOperand(0);
  if (inverses.lookup(indices) != world || !isFloat(input))
    return typing.report(op, "takes routed rows in an order that is not understood");
  typing.setToken(op->getResult(0), shape);
  Recognised known;
  llvm::SetVector<Value> needs;
  collectNeeds(input, needs);
  known.needs.append(needs.begin(), needs.end());
  known.lower = [this, op, input, world](RowBuilder &rows) { lowerSorted(rows, *this, op, *world->router, input); };
  typing.recognised[op] = std::move(known);
}

//===- sorted lists -----------------------------------------------------------------------------------------------===//

/// Counts are whole numbers: casts to integers of 32 bits and more change nothing (narrower ones wrap).
static Expr withoutCasts(Expr e) {
  auto changesNothing = [](Expr x) {
    return x->op == ExprOp::ToReal || (x->op == ExprOp::Unary && x->code == TruncatedToInteger);
  };
  while (e && changesNothing(e)) e = e->operands[0];
  return e;
}

/// Cumulated counts by expert.
void Experts::cumulate(Operation *op, World *world) {
  auto cumsum = cast<graph::CumsumOp>(op);
  ExprContext &exprs = typing.exprs;
  Expr i = exprs.variable(exprs.newVariable("i"));
  ArrayRef<Dim> shape = typing.shape(cumsum.getInput());
  bool plain = shape.size() == 1 && shape[0].constant() == world->router->experts && !cumsum.getExclusive() &&
               !cumsum.getReverse() && withoutCasts(typing.at(cumsum.getInput(), i)) == exprs.read(world->counts, i);
  if (!plain)
    return typing.report(op, "adds up along routed rows; only the counts of each expert may be, not " +
                                 exprs.print(typing.at(cumsum.getInput(), i)));
  setRagged(cumsum.getResult(), world, Shape(shape),
            [&exprs, origin = world->bounds](Indices at) { return exprs.read(origin, at); });
}

/// The positions from one cumulated count to the next: an expert's segment of the sorted list.
void Experts::segment(Operation *op, World *world) {
  ExprContext &exprs = typing.exprs;
  auto element = [&](Value v) {
    bool scalar = typing.shape(v).empty();
    return withoutCasts(typing.at(v, scalar ? ArrayRef<Expr>() : ArrayRef<Expr>(exprs.integer(0))));
  };
  auto range = cast<graph::RangeOp>(op);
  Expr start = element(range.getOperand(0)), limit = element(range.getOperand(1)), step = element(range.getOperand(2));
  auto bound = [&](int64_t expert) {
    return expert < 0 ? exprs.integer(0) : exprs.read(world->bounds, exprs.integer(expert));
  };
  int64_t expert = 0;
  while (expert < world->router->experts && !(start == bound(expert - 1) && limit == bound(expert))) ++expert;
  if (!world->ascending || !step || !step.is(1) || expert == world->router->experts || world->expert >= 0)
    return typing.report(op, "is a range of routed rows from " + exprs.print(start) + " to " + exprs.print(limit) +
                                 ", which is not one expert's");
  Dim length(exprs, exprs.variable(exprs.newVariable("segment")));
  Expr own = exprs.variable(exprs.newVariable("m"));
  World *part = &allWorlds.emplace_back(World{world->router, length, own, expert, world, 0, 0});
  setRagged(op->getResult(0), part, {length},
            [own, position = world->position](Indices at) { return at[0] == own ? position : Expr(); });
}

/// The segments of all experts in order are the sorted list.
void Experts::join(Operation *op, World *world) {
  auto concat = cast<graph::ConcatOp>(op);
  Shape shape(typing.shape(concat.getInputs()[0]));
  size_t axis = concat.getAxis();
  if (axis < shape.size() && shape[axis] != world->length) { // columns of one world
    Expr length = typing.exprs.integer(0);
    for (Value input : concat.getInputs()) {
      Shape other(typing.shape(input));
      if (!worldOf(input) || other.size() != shape.size() || !other[axis].constant())
        return typing.report(op, "joins routed rows with others");
      length = typing.exprs.add(length, other[axis].size(typing.exprs));
    }
    shape[axis] = Dim(typing.exprs, length);
    return setRagged(concat.getResult(), world, shape);
  }
  bool whole = world->sorted && int64_t(concat.getInputs().size()) == world->router->experts && axis < shape.size();
  for (auto [e, input] : llvm::enumerate(concat.getInputs())) {
    World *part = worldOf(input);
    Shape other(typing.shape(input));
    whole = whole && part && part->expert == int64_t(e) && other.size() == shape.size() && other[axis] == part->length;
    if (!whole) break;
    other[axis] = shape[axis];
    whole &= other == shape;
  }
  if (!whole) return typing.report(op, "joins routed rows that are not those of every expert in order");
  shape[axis] = world->sorted->length;
  setRagged(concat.getResult(), world->sorted, shape);
}

//===- out of a world ---------------------------------------------------------------------------------------------===//

void Experts::scatter(Operation *op, World *world) {
  Value data = op->getOperand(0), indices = op->getOperand(1), updates = op->getOperand(2), result = op->getResult(0);
  auto elements = dyn_cast<graph::ScatterElementsOp>(op);
  auto nd = dyn_cast<graph::ScatterNDOp>(op);
  auto reduction = elements ? elements.getReduction() : nd.getReduction();
  size_t axis = elements ? elements.getAxis() : 0;
  Shape shape(typing.shape(data)), by(typing.shape(indices)), from(typing.shape(updates));
  ExprContext &exprs = typing.exprs;
  Router &router = *world->router;
  Expr assignment = exprs.add(exprs.mul(router.t, exprs.integer(router.slots)), router.k);
  bool single = elements || (by.size() == 2 && by[1].isOne());
  SmallVector<Expr, 4> columns;
  if (elements)
    for (const Dim &dim : by)
      if (!dim.isOne() && dim != world->length) columns.push_back(exprs.variable(exprs.newVariable("c")));
  Expr index = single && worldOf(indices) ? at(world, indices, columns) : Expr();
  if (!index || axis >= shape.size())
    return typing.report(op, "scatters routed rows to places that are not understood");

  // How many assignments each expert has.
  bool add = reduction == graph::ScatterReduction::add;
  if (world->expert < 0 && shape.size() == 1 && shape[0].constant() == router.experts && add && isZero(data) &&
      typing[updates].isClosed() && isOne(updates) && isExpert(router, index)) {
    return setRagged(result, world, shape,
                     [&exprs, origin = world->counts](Indices at) { return exprs.read(origin, at); });
  }
  // The inverse of the sorted order.
  if (world->expert < 0 && shape.size() == 1 && shape[0].size(exprs) == world->length.size(exprs) &&
      index == assignment && !add && !worldOf(updates) && typing[updates].isClosed() &&
      typing.at(updates, world->position) == world->position) {
    inverses[result] = world;
    return setRagged(result, world, {world->length});
  }
  Shape target(shape);
  if (target[axis] == typing.freshDim()) target[axis] = world->length;
  bool rows = worldOf(updates) == world && isFloat(updates) && target == from && index == router.t &&
              shape[axis] == typing.freshDim() && constantProduct(ArrayRef(shape).take_front(axis)) == 1;
  if (!rows) return typing.report(op, "scatters routed rows to places that are not understood");
  if (!add && (reduction != graph::ScatterReduction::none || world->expert < 0 || !isZero(data)))
    return typing.report(op, "overwrites where the experts' results must be added up");
  Mixture mixture{&router, {{world->expert, updates}}, {}, {}};
  if (auto before = mixtures.find(data); before != mixtures.end()) {
    Mixture sum = before->second;
    if (sum.router != &router || !sum.parts.insert({world->expert, updates}).second)
      return typing.report(op, "adds an expert's results twice");
    mixture = std::move(sum);
  } else if (!isZero(data)) {
    if (!typing[data].isToken()) return typing.report(op, "adds experts' results to what is no token value");
    mixture.base = data, mixture.needs.insert(data);
  }
  collectNeeds(updates, mixture.needs);
  mixture.needs.insert(router.indices);
  typing.setToken(result, shape);
  setMixture(op, std::move(mixture));
}

bool Experts::isOne(Value value) {
  SmallVector<Expr, 4> indices;
  for (size_t i = 0; i < typing.shape(value).size(); ++i)
    indices.push_back(typing.exprs.variable(typing.exprs.newVariable("i")));
  Expr element = typing.at(value, indices);
  return element && (element.asReal() == 1.0 || element.is(1));
}

/// Whether a form over e is e itself, for every expert there is.
bool Experts::isExpert(Router &router, Expr form) {
  if (form == router.e) return true;
  if (router.e.asInteger()) return form.is(0);
  Variable e = router.e->terms[0].first;
  for (int64_t expert = 0; expert < router.experts; ++expert)
    if (!typing.exprs.substitute(form, {{e, typing.exprs.integer(expert)}}).is(expert)) return false;
  return true;
}

void Experts::addMixtures(Operation *op) {
  Value a = op->getOperand(0), b = op->getOperand(1);
  auto left = mixtures.find(a), right = mixtures.find(b);
  if (left == mixtures.end()) std::swap(left, right), std::swap(a, b);
  if (!typing[op->getResult(0)].isToken() || typing.shape(op->getResult(0)) != typing.shape(a)) return;
  Mixture sum = left->second;
  if (right == mixtures.end()) {
    if (isZero(b)) setMixture(op, std::move(sum));
    return;
  }
  const Mixture &other = right->second;
  if (other.router != sum.router || (sum.base && other.base)) return;
  for (auto [expert, value] : other.parts)
    if (!sum.parts.insert({expert, value}).second) return;
  if (other.base) sum.base = other.base;
  sum.needs.insert(other.needs.begin(), other.needs.end());
  setMixture(op, std::move(sum));
}

void Experts::setMixture(Operation *op, Mixture mixture) {
  Recognised known;
  known.needs.append(mixture.needs.begin(), mixture.needs.end());
  known.lower = [this, op](RowBuilder &rows) {
    lowerMixture(rows, *this, op, mixtures.find(op->getResult(0))->second);
  };
  typing.recognised[op] = std::move(known);
  mixtures[op->getResult(0)] = std::move(mixture);
}

/// The token values that a world's value is made of.
void Experts::collectNeeds(Value value, llvm::SetVector<Value> &needs) {
  llvm::DenseSet<Value> seen;
  SmallVector<Value> work{value};
  while (!work.empty()) {
    Value next = work.pop_back_val();
    World *world = worldOf(next);
    if (!world || !seen.insert(next).second) continue;
    needs.insert(world->router->indices);
    if (const PickedRows *rows = pickedRows(next))
      needs.insert(rows->source);
    else
      work.append(next.getDefiningOp()->operand_begin(), next.getDefiningOp()->operand_end());
  }
}

//===- weights gathered by token ----------------------------------------------------------------------------------===//

namespace {
/// W[index]: a stack of constant matrices [experts, .., ..] gathered by a router's indices.
struct GatheredMatrices {
  Value stack, indices;
  bool transposed = false;
};
} // namespace

static std::optional<GatheredMatrices> gatheredMatrices(Typing &typing, Value value) {
  GatheredMatrices found;
  while (Operation *op = value.getDefiningOp()) {
    size_t rank = typing.shape(value).size();
    auto move = dyn_cast<graph::TransposeOp>(op);
    bool swaps = move && rank >= 2;
    for (size_t i = 0; swaps && i < rank; ++i)
      swaps = move.getPermutation()[i] == int64_t(i + 2 < rank ? i : i + 2 == rank ? rank - 1 : rank - 2);
    if (swaps)
      found.transposed = !found.transposed;
    else if (!isa<graph::CastOp>(op) || !isFloat(op->getOperand(0)))
      break;
    value = op->getOperand(0);
  }
  Operation *op = value.getDefiningOp();
  auto gather = dyn_cast_or_null<graph::GatherOp>(op);
  auto nd = dyn_cast_or_null<graph::GatherNDOp>(op);
  bool first =
      (gather && gather.getAxis() == 0) || (nd && !nd.getBatchDims() && !typing.shape(nd.getIndices()).empty() &&
                                            typing.shape(nd.getIndices()).back().isOne());
  if (!first) return std::nullopt;
  found.stack = op->getOperand(0), found.indices = op->getOperand(1);
  if (!typing[found.stack].constant || typing.shape(found.stack).size() != 3) return std::nullopt;
  return found;
}

/// x as it is before it is repeated for every slot, or x itself.
static Value beforeRepeating(Typing &typing, Router &router, Value x, int64_t columns) {
  ExprContext &exprs = typing.exprs;
  Value source = x;
  while (columnsOf(typing.shape(source)) != columns) {
    Operation *op = source.getDefiningOp();
    if (!op || !isa<graph::ExpandOp, graph::ReshapeOp, graph::UnsqueezeOp, graph::SqueezeOp, graph::TransposeOp>(op))
      return x;
    source = op->getOperand(0);
    if (!typing[source].isToken()) return x;
  }
  Expr column = exprs.variable(exprs.newVariable("c", exprs.integer(columns)));
  auto place = [&](Value value, int64_t slot) {
    ArrayRef<Dim> shape = typing.shape(value);
    auto index = rowIndex(exprs, shape, slot * columns, router.t);
    auto axis = llvm::find_if(llvm::reverse(shape), [&](const Dim &dim) { return dim.constant() == columns; });
    if (axis == shape.rend()) return SmallVector<Expr, 4>();
    index[shape.rend() - axis - 1] = column;
    return index;
  };
  View view(typing, source);
  for (int64_t slot = 0; slot < router.slots; ++slot) {
    auto at = place(x, slot), from = place(source, 0);
    Expr repeated = at.empty() || from.empty() ? Expr() : typing.at(x, at);
    if (!repeated || repeated != typing.at(source, from)) return x;
  }
  return source;
}

/// matmul(W[index], x) with a column, or matmul(x, W[index]) with a row of x a slot: an expert linear.
bool Experts::gatheredProduct(Operation *op) {
  auto left = gatheredMatrices(typing, op->getOperand(0)), right = gatheredMatrices(typing, op->getOperand(1));
  if (left.has_value() == right.has_value()) return false;
  GatheredMatrices &matrices = left ? *left : *right;
  Value x = op->getOperand(left ? 1 : 0);
  Router *router = routerOf(matrices.indices);
  if (!router) return false;
  auto stack = typing.shape(matrices.stack);
  auto experts = stack[0].constant(), rows = stack[1].constant(), columns = stack[2].constant();
  if (!experts || !rows || !columns || *experts < router->experts) return false;
  // Of the stack's two inner axes the contracted one: the last if the matrix is on the left.
  bool lastContracts = bool(left) != matrices.transposed;
  int64_t inner = lastContracts ? *columns : *rows, outer = lastContracts ? *rows : *columns;
  // One column (left) or row (right) a slot, and the same batch axes.
  Shape shape(typing.shape(x)), batch(typing.shape(op->getOperand(left ? 0 : 1)));
  size_t axis = shape.size() - (left ? 2 : 1), single = shape.size() - (left ? 1 : 2);
  bool vectors = shape.size() >= 2 && shape.size() == batch.size() && shape[single].isOne() &&
                 shape[axis].constant() == inner && ArrayRef(shape).drop_back(2) == ArrayRef(batch).drop_back(2) &&
                 columnsOf(shape) == router->slots * inner &&
                 columnsOf(typing.shape(matrices.indices)) == router->slots;
  if (vectors)
    for (int64_t slot = 0; slot < router->slots; ++slot) {
      auto index = rowIndex(typing.exprs, typing.shape(matrices.indices), slot, router->t);
      Router at = *router;
      if (!router->k.asInteger()) at.k = typing.exprs.integer(slot);
      vectors &= routedForm(at, matrices.indices, index) == router->e;
    }
  if (!vectors) return false;
  shape[axis] = typing.dim(outer);
  typing.setToken(op->getResult(0), shape);
  Value source = beforeRepeating(typing, *router, x, inner);
  Recognised known;
  known.needs = {source, router->indices};
  GatheredProduct product{matrices.stack, router->indices, source, *experts, outer, inner, lastContracts};
  known.lower = [op, product](RowBuilder &rows) { lowerGathered(rows, op, product); };
  typing.recognised[op] = std::move(known);
  return true;
}
