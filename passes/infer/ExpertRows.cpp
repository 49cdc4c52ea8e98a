// Rows of a router's assignments, in the order of slots.
#include "passes/infer/ExpertRows.h"
#include "dialects/graph/NodeLocation.h"
#include "passes/infer/RowRegion.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

/// Rows [T, slots * n], or [T, n] if they are the same for every slot.
struct SlotRows {
  Value rows;
  bool shared = false;
};

class Emission {
public:
  Emission(RowBuilder &rows, Experts &experts, Operation *op, Router &router)
      : rows(rows), typing(rows.typing), experts(experts), op(op), router(router), indices(rows.rows(router.indices)) {}

  /// The rows of values that are the same but for the expert they belong to: all experts', or one value of a sorted
  /// list.
  SlotRows emit(ArrayRef<Value> values);

  RowBuilder &rows;
  Typing &typing;
  Experts &experts;
  Operation *op;
  Router &router;
  Value indices;

  /// The inner shape of a world's value with the world's axis as `slots` or, where shared, 1.
  SmallVector<int64_t> shapeOf(Value value, bool shared);

private:
  SlotRows make(ArrayRef<Value> values);
  SlotRows product(ArrayRef<Value> values);
  SlotRows pointwise(ArrayRef<Value> values);
  SlotRows slice(ArrayRef<Value> values);
  SlotRows join(ArrayRef<Value> values);
  /// Blames the sink, which is live, for what stands at `at`.
  SlotRows fail(Operation *at, const Twine &problem) {
    typing.report(op, "adds up what experts make, but " + graph::describeNode(at->getLoc()) + " " + problem);
    return {};
  }
  SmallVector<Value> operandsOf(ArrayRef<Value> values, unsigned k);
  Value constant(RowRegion &region, ArrayRef<Value> values);
  FlatSymbolRefAttr stacked(ArrayRef<Value> constants, bool matrix,
                            llvm::function_ref<Value(OpBuilder &, Value)> finish);

  llvm::DenseMap<Value, SlotRows> memo;
};

SmallVector<int64_t> Emission::shapeOf(Value value, bool shared) {
  SmallVector<int64_t> shape;
  World *world = experts.worldOf(value);
  for (const Dim &dim : typing.shape(value))
    shape.push_back(dim == world->length ? shared ? 1 : router.slots : dim.constant().value_or(1));
  return shape;
}

SmallVector<Value> Emission::operandsOf(ArrayRef<Value> values, unsigned k) {
  SmallVector<Value> operands;
  for (Value value : values) operands.push_back(value.getDefiningOp()->getOperand(k));
  return operands;
}

SlotRows Emission::emit(ArrayRef<Value> values) {
  if (auto known = memo.find(values.front()); known != memo.end()) return known->second;
  SlotRows made = make(values);
  return memo[values.front()] = made;
}

/// All experts must spell the same ops.
SlotRows Emission::make(ArrayRef<Value> values) {
  Value first = values.front();
  Operation *model = first.getDefiningOp();
  if (const PickedRows *picked = experts.pickedRows(first)) {
    for (Value value : values) {
      const PickedRows *other = experts.pickedRows(value);
      if (!other || other->source != picked->source || other->shared != picked->shared)
        return fail(value.getDefiningOp(), "gives an expert other rows than the others get");
    }
    return {rows.rows(picked->source), picked->shared};
  }
  if (Value source = experts.cutFrom(first)) {
    for (Value value : values)
      if (experts.cutFrom(value) != source)
        return fail(value.getDefiningOp(), "gives an expert other rows than the others get");
    return emit(source);
  }
  for (Value value : values) {
    Operation *own = value.getDefiningOp();
    bool same = own->getName() == model->getName() && own->getNumOperands() == model->getNumOperands() &&
                (isa<decoder::LinearOp>(own) || own->getAttrDictionary() == model->getAttrDictionary());
    if (!same) return fail(own, "is done for one expert and not for another");
  }
  if (isa<graph::MatmulOp, decoder::LinearOp>(model)) return product(values);
  if (isa<graph::SliceOp>(model)) return slice(values);
  if (isa<graph::ConcatOp>(model)) return join(values);
  bool moves = isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp, graph::ExpandOp, graph::TransposeOp>(model);
  if (!moves) return pointwise(values);
  // The world's axis comes first on both sides: only an inner permutation, or a repetition, would change rows.
  SlotRows input = emit(operandsOf(values, 0));
  auto transpose = dyn_cast<graph::TransposeOp>(model);
  SmallVector<int64_t> order;
  if (transpose)
    for (int64_t axis : transpose.getPermutation())
      if (!typing.shape(transpose.getInput())[axis].isOne()) order.push_back(axis);
  if (columnsOf(typing.shape(first)) != columnsOf(typing.shape(model->getOperand(0))) || !llvm::is_sorted(order))
    return fail(model, "repeats or permutes the columns of routed rows");
  return input;
}

//===- what differs by expert -------------------------------------------------------------------------------------===//

/// One recipe of all experts' constants, one below the other.
FlatSymbolRefAttr Emission::stacked(ArrayRef<Value> constants, bool matrix,
                                    llvm::function_ref<Value(OpBuilder &, Value)> finish) {
  SmallVector<FlatSymbolRefAttr> parts;
  for (Value value : constants) {
    auto part = matrix ? rows.recipes.ofMatrix(typing, value, op, finish) : rows.recipes.of(typing, value, op, finish);
    if (!part) return {};
    parts.push_back(part);
  }
  return rows.recipes.stack(parts, op->getLoc());
}

SlotRows Emission::product(ArrayRef<Value> values) {
  SlotRows input = emit(operandsOf(values, 0));
  if (!input.rows || !indices) return {};
  Operation *model = values.front().getDefiningOp();
  if (int64_t(values.size()) != router.experts) return fail(model, "multiplies the rows of all experts by one matrix");
  FlatSymbolRefAttr weight, bias;
  if (auto linear = dyn_cast<decoder::LinearOp>(model)) {
    SmallVector<FlatSymbolRefAttr> weights, biases;
    for (Value value : values) {
      auto own = value.getDefiningOp<decoder::LinearOp>();
      if (own.getBias().has_value() != linear.getBias().has_value() ||
          rows.recipes.lookup(own.getWeightAttr()).getResultType() !=
              rows.recipes.lookup(linear.getWeightAttr()).getResultType())
        return fail(own, "has another weight than the other experts");
      weights.push_back(own.getWeightAttr());
      if (own.getBias()) biases.push_back(own.getBiasAttr());
    }
    weight = rows.recipes.stack(weights, op->getLoc());
    if (!biases.empty()) bias = rows.recipes.stack(biases, op->getLoc());
  } else {
    SmallVector<Value> matrices = operandsOf(values, 1);
    for (Value matrix : matrices)
      if (typing.shape(matrix) != typing.shape(matrices.front())) return fail(model, "has experts of different sizes");
    auto shape = typing.shape(matrices.front());
    int64_t k = *shape[shape.size() - 2].constant(), n = *shape.back().constant();
    weight = stacked(matrices, true, [&](OpBuilder &builder, Value value) {
      return Recipes::transpose(builder, Recipes::reshape(builder, value, {k, n}), {1, 0});
    });
  }
  if (!weight) return {};
  int64_t columns = router.slots * *typing.shape(values.front()).back().constant();
  Value made = rows.create<decoder::ExpertLinearOp>(op, rows.rowType(columns), input.rows, indices, weight, bias,
                                                    rows.builder.getI64IntegerAttr(router.experts));
  return {made, false};
}

/// A closed operand inside a region: the same for all experts, or the one that each slot's index names.
Value Emission::constant(RowRegion &region, ArrayRef<Value> values) {
  bool same = llvm::all_equal(values);
  if (!same && constantProduct(typing.shape(values.front())) == 1) { // equal numbers, one constant each
    SmallVector<Expr, 4> zero(typing.shape(values.front()).size(), typing.exprs.integer(0));
    Expr number = typing.at(values.front(), zero);
    same = number && number.isLiteral() && llvm::all_of(values, [&](Value v) { return typing.at(v, zero) == number; });
  }
  if (same) return region.operand(values.front());
  auto shape = typing.shape(values.front());
  auto size = constantProduct(shape);
  bool constants = llvm::all_of(values, [&](Value v) { return typing[v].constant && typing.shape(v) == shape; });
  if (!size || !constants || shape.size() > 1 || int64_t(values.size()) != router.experts || !indices) {
    typing.report(op, "adds up what experts make with a value that differs by expert; only constants of one shape may");
    return {};
  }
  auto table = stacked(values, false,
                       [&](OpBuilder &builder, Value value) { return Recipes::reshape(builder, value, {1, *size}); });
  if (!table) return {};
  Value all = region.weight(table, {router.experts, *size});
  Value index = region.cast(region.argument(indices, {router.slots}), region.builder.getI64Type());
  auto type = RankedTensorType::get({router.slots, *size}, region.builder.getF32Type());
  return region.create<graph::GatherOp>(type, all, index, int64_t(0));
}

//===- what is the same for all -----------------------------------------------------------------------------------===//

SlotRows Emission::pointwise(ArrayRef<Value> values) {
  Operation *model = values.front().getDefiningOp();
  SmallVector<SlotRows> inputs;
  bool shared = true, narrow = false;
  for (unsigned k = 0; k < model->getNumOperands(); ++k) {
    auto operands = operandsOf(values, k);
    inputs.push_back(experts.worldOf(operands.front()) ? emit(operands) : SlotRows());
    if (!experts.worldOf(operands.front())) continue;
    if (!inputs.back().rows) return {};
    shared &= inputs.back().shared;
  }
  for (unsigned k = 0; k < model->getNumOperands(); ++k)
    narrow |= !inputs[k].rows && !llvm::all_equal(operandsOf(values, k));
  shared &= !narrow; // an expert's own constant
  if (auto act = dyn_cast<decoder::ActOp>(model))
    return {rows.create<decoder::ActOp>(op, inputs[0].rows.getType(), act.getKind(), inputs[0].rows), shared};
  auto cast = dyn_cast<graph::CastOp>(model);
  auto isFloat = [](Value v) { return isa<FloatType>(mlir::cast<RankedTensorType>(v.getType()).getElementType()); };
  if (cast && isFloat(cast.getInput()) && isFloat(cast.getResult())) return inputs[0];

  RowRegion region(rows, op);
  SmallVector<Value> operands;
  for (unsigned k = 0; k < model->getNumOperands(); ++k) {
    Value graphValue = model->getOperand(k);
    if (inputs[k].rows) {
      Value inside = region.argument(inputs[k].rows, shapeOf(graphValue, inputs[k].shared));
      Type element = mlir::cast<RankedTensorType>(graphValue.getType()).getElementType();
      operands.push_back(region.cast(inside, isFloat(graphValue) ? region.builder.getF32Type() : element));
    } else {
      operands.push_back(constant(region, operandsOf(values, k)));
    }
    if (!operands.back()) return {};
  }
  OperationState state(op->getLoc(), model->getName());
  state.addOperands(operands);
  state.addAttributes(model->getAttrs());
  Value result = values.front();
  Type element = mlir::cast<RankedTensorType>(result.getType()).getElementType();
  state.addTypes(
      RankedTensorType::get(shapeOf(result, shared), isFloat(result) ? region.builder.getF32Type() : element));
  return {region.finish(region.builder.create(state)->getResults())[0], shared};
}

/// Columns begin, begin + step, ... of every slot.
SlotRows Emission::slice(ArrayRef<Value> values) {
  auto model = values.front().getDefiningOp<graph::SliceOp>();
  auto starts = typing.integers(model.getStarts(), model), ends = typing.integers(model.getEnds(), model);
  SlotRows input = emit(operandsOf(values, 0));
  if (!starts || !ends || !input.rows) return {};
  SmallVector<int64_t> from, to;
  World *world = experts.worldOf(model.getInput());
  for (auto [k, axis] : llvm::enumerate(model.getAxes())) {
    auto start = (*starts)[k].asInteger(), end = (*ends)[k].asInteger();
    if (!start || !end || typing.shape(model.getInput())[axis] == world->length) return fail(model, "cuts routed rows");
    from.push_back(*start), to.push_back(*end);
  }
  for (Value value : values) { // every expert cuts alike
    auto own = value.getDefiningOp<graph::SliceOp>();
    if (typing.integers(own.getStarts(), own) != starts || typing.integers(own.getEnds(), own) != ends)
      return fail(own, "cuts an expert's rows in another way");
  }
  RowRegion region(rows, op);
  OperationState state(op->getLoc(), model->getName());
  state.addOperands({region.argument(input.rows, shapeOf(model.getInput(), input.shared)), region.integers(from),
                     region.integers(to)});
  state.addAttributes(model->getAttrs());
  state.addTypes(RankedTensorType::get(shapeOf(model.getResult(), input.shared), region.builder.getF32Type()));
  return {region.finish(region.builder.create(state)->getResults())[0], input.shared};
}

/// The segments of all experts, or columns side by side.
SlotRows Emission::join(ArrayRef<Value> values) {
  auto model = values.front().getDefiningOp<graph::ConcatOp>();
  World *world = experts.worldOf(model.getResult()), *part = experts.worldOf(model.getInputs()[0]);
  if (part->sorted == world) return values.size() == 1 ? emit(SmallVector<Value>(model.getInputs())) : SlotRows();
  return fail(model, "joins columns of routed rows, which has no row form yet");
}

} // namespace

/// sum over the slots: rows [T, n].
static Value sumOfSlots(RowBuilder &rows, Operation *op, const Router &router, Value slots) {
  int64_t n = cast<RankedTensorType>(slots.getType()).getDimSize(1) / router.slots;
  if (router.slots == 1) return slots;
  RowRegion region(rows, op);
  Value all = region.argument(slots, {router.slots, n});
  auto type = RankedTensorType::get({n}, region.builder.getF32Type());
  Value sum = region.create<graph::ReduceOp>(type, graph::ReduceKind::sum, all, ArrayRef<int64_t>{0}, false);
  return region.finish(sum)[0];
}

void ingot::infer::lowerMixture(RowBuilder &rows, Experts &experts, Operation *op, const Mixture &mixture) {
  Router &router = *mixture.router;
  SmallVector<Value> values;
  for (auto [expert, value] : mixture.parts) values.push_back(value);
  bool sorted = mixture.parts.count(-1);
  if (sorted ? mixture.parts.size() != 1 : int64_t(values.size()) != router.experts)
    return rows.typing.report(op, "adds up the results of " + Twine(values.size()) + " of " + Twine(router.experts) +
                                      " experts; every expert must take part");
  SlotRows slots = Emission(rows, experts, op, router).emit(values);
  if (!slots.rows) return;
  if (slots.shared) return rows.typing.report(op, "adds up rows that no expert has worked on");
  Value sum = sumOfSlots(rows, op, router, slots.rows);
  Value base = mixture.base ? rows.rows(mixture.base) : Value();
  if (mixture.base && !base) return;
  rows.set(op->getResult(0), base ? rows.create<decoder::AddOp>(op, sum.getType(), base, sum).getResult() : sum);
}

void ingot::infer::lowerSorted(RowBuilder &rows, Experts &experts, Operation *op, Router &router, Value sorted) {
  SlotRows slots = Emission(rows, experts, op, router).emit(sorted);
  if (!slots.rows) return;
  if (slots.shared) return rows.typing.report(op, "sorts rows that no expert has worked on");
  rows.set(op->getResult(0), slots.rows);
}

void ingot::infer::lowerGathered(RowBuilder &rows, Operation *op, const GatheredProduct &product) {
  Value x = rows.rows(product.input), indices = rows.rows(product.indices);
  if (!x || !indices) return;
  int64_t e = product.experts, n = product.outer, k = product.inner;
  auto weight = rows.recipes.ofMatrix(rows.typing, product.stack, op, [&](OpBuilder &builder, Value value) {
    if (!product.rowMajor) value = Recipes::transpose(builder, value, {0, 2, 1});
    return Recipes::reshape(builder, value, {e * n, k});
  });
  if (!weight) return;
  int64_t slots = cast<RankedTensorType>(indices.getType()).getDimSize(1);
  rows.set(op->getResult(0),
           rows.create<decoder::ExpertLinearOp>(op, rows.rowType(slots * n), x, indices, weight, FlatSymbolRefAttr(),
                                                rows.builder.getI64IntegerAttr(e)));
}
