// Joins neighbouring decoder.rows into one region, so that what passes between them stays in a kernel's registers and
// scratch.
//
// Rules
// 1. A producer whose only reader is the other op moves to it. One with more readers is joined where it stands, if all
//    that the reader needs is there; not when only it depends on nothing but ids and positions: that is computed once a
//    step for all layers.
// 2. A number that crossed a border as f32 does so no more: the cast to f32 and back goes (rows are exact).
// 3. Inside, reshapes of reshapes, no-op casts and dead ops go; results, inputs and weights that nobody reads go.
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/fuse/Passes.h"

using namespace mlir;
using namespace ingot;
using decoder::RowsOp;

namespace ingot {
#define GEN_PASS_DEF_MERGEROWS
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

static Value reshaped(OpBuilder &b, Value v, RankedTensorType type) {
  if (v.getType() == type) return v;
  auto shapeType = RankedTensorType::get({type.getRank()}, b.getI64Type());
  Value shape = b.create<graph::ConstantOp>(v.getLoc(), shapeType, DenseElementsAttr::get(shapeType, type.getShape()));
  auto reshape = b.create<graph::ReshapeOp>(v.getLoc(), v, shape);
  reshape.setAllowzero(true);
  return reshape;
}

//===- inside a region --------------------------------------------------------------------------------------------===//

/// What `v` is a reshape of.
static Value beforeReshapes(Value v) {
  while (isa_and_nonnull<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp>(v.getDefiningOp()))
    v = v.getDefiningOp()->getOperand(0);
  return v;
}

/// A simpler value equal to the op's result; null if there is none.
static Value simplified(OpBuilder &b, Operation *op) {
  if (isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp>(op)) {
    Value input = op->getOperand(0), origin = beforeReshapes(input);
    if (input.getType() == op->getResult(0).getType()) return input;
    return origin == input ? Value() : reshaped(b, origin, typeOf(op->getResult(0)));
  }
  auto cast = dyn_cast<graph::CastOp>(op);
  if (!cast) return {};
  if (cast.getInput().getType() == cast.getType()) return cast.getInput();
  auto before = beforeReshapes(cast.getInput()).getDefiningOp<graph::CastOp>(); // rule 2
  if (!before || !typeOf(before.getResult()).getElementType().isF32()) return {};
  Value origin = before.getInput();
  if (typeOf(origin).getElementType() != typeOf(cast.getResult()).getElementType()) return {};
  return reshaped(b, origin, typeOf(cast.getResult()));
}

static void simplifyBody(Block &block) {
  for (bool changed = true; changed;) {
    changed = false;
    for (Operation &op : llvm::make_early_inc_range(block.without_terminator())) {
      OpBuilder b(&op);
      if (Value better = simplified(b, &op)) op.getResult(0).replaceAllUsesWith(better), changed = true;
    }
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) // the terminator is not dead
      if (isOpTriviallyDead(&op)) op.erase(), changed = true;
  }
}

/// The op again without what nobody reads. Null if nothing is left.
static RowsOp trimmed(RowsOp op) {
  Block &block = op.getBody().front();
  Operation *yield = block.getTerminator();
  SmallVector<Value> results;
  SmallVector<Type> types;
  llvm::BitVector deadYields(yield->getNumOperands());
  for (OpResult result : op.getResults()) {
    if (result.use_empty())
      deadYields.set(result.getResultNumber());
    else
      results.push_back(result), types.push_back(result.getType());
  }
  yield->eraseOperands(deadYields);
  simplifyBody(block);
  SmallVector<Value> inputs;
  SmallVector<Attribute> weights;
  llvm::BitVector deadArguments(block.getNumArguments());
  for (BlockArgument argument : block.getArguments()) {
    unsigned k = argument.getArgNumber(), count = op.getInputs().size();
    // One input stays even if nobody reads it: it tells how many rows there are.
    bool dead = argument.use_empty() && (k >= count || k + 1 < count || !inputs.empty());
    if (dead)
      deadArguments.set(k);
    else if (k < count)
      inputs.push_back(op.getInputs()[k]);
    else
      weights.push_back(op.getWeights()[k - count]);
  }
  block.eraseArguments(deadArguments);
  if (deadYields.none() && deadArguments.none()) return op;
  OpBuilder b(op);
  if (results.empty()) return op.erase(), RowsOp();
  auto made = b.create<RowsOp>(op.getLoc(), types, inputs, b.getArrayAttr(weights));
  made.getBody().takeBody(op.getBody());
  for (auto [from, to] : llvm::zip(results, made.getResults())) from.replaceAllUsesWith(to);
  op.erase();
  return made;
}

//===- joining ----------------------------------------------------------------------------------------------------===//

namespace {
/// Two ops becoming one: arguments by what they stand for, in the first one's shape.
class Join {
public:
  Join(OpBuilder &b, Location location) : b(b), inside(b.getContext()), location(location) {
    inside.setInsertionPointToEnd(&body.emplaceBlock());
  }

  /// Clones a region; inputs that `known` maps are values inside. The yielded values.
  SmallVector<Value> add(RowsOp op, const DenseMap<Value, Value> &known) {
    IRMapping mapping;
    Block &block = op.getBody().front();
    size_t count = op.getInputs().size();
    for (BlockArgument argument : block.getArguments()) {
      unsigned k = argument.getArgNumber();
      RankedTensorType type = typeOf(argument);
      Value value = k >= count ? weight(op.getWeights()[k - count], type) : known.lookup(op.getInputs()[k]);
      if (!value) value = input(op.getInputs()[k], type);
      mapping.map(argument, reshaped(inside, value, type));
    }
    for (Operation &inner : block.without_terminator()) inside.clone(inner, mapping);
    SmallVector<Value> yields;
    for (Value yielded : block.getTerminator()->getOperands()) yields.push_back(mapping.lookup(yielded));
    return yields;
  }

  RowsOp finish(ArrayRef<Value> yields, TypeRange types) {
    inside.create<decoder::YieldOp>(location, yields);
    auto made = b.create<RowsOp>(location, types, inputs, b.getArrayAttr(weights));
    made.getBody().takeBody(body);
    return made;
  }

private:
  Value input(Value value, RankedTensorType type) {
    auto found = llvm::find(inputs, value);
    if (found != inputs.end()) return body.getArgument(found - inputs.begin());
    inputs.push_back(value);
    return body.front().insertArgument(inputs.size() - 1, type, location);
  }
  Value weight(Attribute symbol, RankedTensorType type) {
    auto found = llvm::find(weights, symbol);
    if (found != weights.end()) return body.getArgument(inputs.size() + (found - weights.begin()));
    weights.push_back(symbol);
    return body.addArgument(type, location);
  }

  OpBuilder &b;
  OpBuilder inside;
  Location location;
  Region body;
  SmallVector<Value> inputs;
  SmallVector<Attribute> weights;
};
} // namespace

/// Both in one, where `place` stands.
static RowsOp join(RowsOp producer, RowsOp reader, Operation *place) {
  OpBuilder b(place);
  Join both(b, reader.getLoc());
  SmallVector<Value> yields = both.add(producer, DenseMap<Value, Value>());
  DenseMap<Value, Value> known;
  for (auto [result, value] : llvm::zip(producer.getResults(), yields)) known[result] = value;
  yields.append(both.add(reader, known));
  SmallVector<Value> results(producer.getResults());
  llvm::append_range(results, reader.getResults());
  RowsOp made = both.finish(yields, ValueRange(results).getTypes());
  for (auto [from, to] : llvm::zip(results, made.getResults())) from.replaceAllUsesWith(to);
  reader.erase();
  producer.erase();
  return trimmed(made);
}

static bool dependsOnIdsOnly(RowsOp op) {
  return llvm::all_of(op.getInputs(), [](Value input) { return typeOf(input).getElementType().isInteger(); });
}

/// Where the two may be joined (rule 1); null: nowhere.
static Operation *meetingPlace(RowsOp producer, RowsOp reader) {
  if (llvm::all_of(producer->getUsers(), [&](Operation *user) { return user == reader; })) return reader;
  if (dependsOnIdsOnly(producer) && !dependsOnIdsOnly(reader)) return {};
  bool ready = llvm::all_of(reader.getInputs(), [&](Value input) {
    Operation *def = input.getDefiningOp();
    return !def || def == producer || def->isBeforeInBlock(producer);
  });
  return ready ? producer.getOperation() : nullptr;
}

/// One join of `reader` with a producer; the joined op, or null.
static RowsOp joinOnce(RowsOp reader) {
  for (Value input : reader.getInputs()) {
    auto producer = input.getDefiningOp<RowsOp>();
    Operation *place = producer ? meetingPlace(producer, reader) : nullptr;
    if (place) return join(producer, reader, place);
  }
  return {};
}

static void trimAll(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (auto rows = dyn_cast<RowsOp>(op)) trimmed(rows);
}

namespace {
struct MergeRows : ingot::impl::MergeRowsBase<MergeRows> {
  void runOnOperation() override {
    if (getOperation().isDeclaration()) return;
    Block &block = getOperation().getBody().front();
    trimAll(block);
    for (Operation *op = &block.front(); op; op = op->getNextNode())
      if (auto rows = dyn_cast<RowsOp>(op)) {
        while (RowsOp joined = joinOnce(rows)) rows = joined;
        op = rows;
      }
    trimAll(block);
  }
};
} // namespace
