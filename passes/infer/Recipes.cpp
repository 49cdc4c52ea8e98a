// Graph constants as recipe ops.
#include "passes/infer/Recipes.h"
#include "dialects/graph/Graph.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

static std::string bodyText(weights::RecipeOp recipe) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (Operation &op : recipe.getBody().front()) {
    for (Value operand : op.getOperands())
      os << std::distance(recipe.getBody().front().begin(), operand.getDefiningOp()->getIterator()) << ' ';
    os << op.getName() << op.getAttrDictionary() << op.getResultTypes() << '\n';
  }
  return text;
}

Recipes::Recipes(ModuleOp module) : module(module), symbols(module) {
  for (auto recipe : module.getOps<weights::RecipeOp>())
    byBody.insert({bodyText(recipe), FlatSymbolRefAttr::get(recipe.getSymNameAttr())});
}

weights::RecipeOp Recipes::lookup(FlatSymbolRefAttr symbol) {
  return symbols.lookup<weights::RecipeOp>(symbol.getValue());
}

//===- symbols
//-----------------------------------------------------------------------------------------------------===//

weights::RecipeOp Recipes::open(Location location, StringRef hint) {
  OpBuilder builder(module.getContext());
  auto recipe = builder.create<weights::RecipeOp>(location, hint);
  recipe.getBody().emplaceBlock();
  return recipe;
}

FlatSymbolRefAttr Recipes::add(weights::RecipeOp recipe) {
  std::string body = bodyText(recipe);
  if (auto known = byBody.find(body); known != byBody.end()) {
    recipe.erase();
    return known->second;
  }
  // Before the functions, in order of first use.
  auto functions = module.getOps<func::FuncOp>();
  Block::iterator place = functions.empty() ? module.getBody()->end() : (*functions.begin())->getIterator();
  symbols.insert(recipe, place);
  return byBody[body] = FlatSymbolRefAttr::get(recipe.getSymNameAttr());
}

static StringRef hintFor(Value constant) {
  while (Operation *op = constant.getDefiningOp()) {
    if (auto weight = dyn_cast<graph::WeightOp>(op)) return weight.getSource();
    if (op->getNumOperands() == 0) break;
    constant = op->getOperand(0);
  }
  return "constant";
}

FlatSymbolRefAttr Recipes::of(Typing &typing, Value constant, Operation *user, Finish finish) {
  weights::RecipeOp recipe = open(user->getLoc(), (hintFor(constant) + ".recipe").str());
  OpBuilder builder = OpBuilder::atBlockEnd(&recipe.getBody().front());
  Value made = build(builder, typing, constant, user);
  if (!made) return recipe.erase(), FlatSymbolRefAttr();
  made = finish(builder, made);
  builder.create<weights::YieldOp>(user->getLoc(), made);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(recipe.getBody().front())))
    if (isOpTriviallyDead(&op)) op.erase();
  return add(recipe);
}

FlatSymbolRefAttr Recipes::of(Typing &typing, Value constant, Operation *user) {
  return of(typing, constant, user, [](OpBuilder &, Value value) { return value; });
}

FlatSymbolRefAttr Recipes::ofTable(Attribute table, Location location) {
  auto symbol = dyn_cast<FlatSymbolRefAttr>(table);
  if (symbol && lookup(symbol)) return symbol;
  weights::RecipeOp recipe = open(location, symbol ? (symbol.getValue() + ".recipe").str() : "table");
  OpBuilder builder = OpBuilder::atBlockEnd(&recipe.getBody().front());
  Value made;
  if (symbol)
    made = builder.create<weights::LoadOp>(location, symbols.lookup<weights::SourceOp>(symbol.getValue()).getType(),
                                           symbol);
  else
    made = builder.create<weights::ConstantOp>(location, cast<ElementsAttr>(table).getShapedType(),
                                               cast<ElementsAttr>(table));
  builder.create<weights::YieldOp>(location, made);
  return add(recipe);
}

//===- recipe ops
//--------------------------------------------------------------------------------------------------===//

Value Recipes::transpose(OpBuilder &builder, Value input, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> whole(permutation);
  if (auto inner = input.getDefiningOp<weights::TransposeOp>()) {
    for (int64_t &axis : whole) axis = inner.getPermutation()[axis];
    input = inner.getInput();
  }
  if (llvm::is_sorted(whole)) return input;
  auto type = cast<RankedTensorType>(input.getType());
  SmallVector<int64_t> shape;
  for (int64_t axis : whole) shape.push_back(type.getDimSize(axis));
  return builder.create<weights::TransposeOp>(input.getLoc(), type.clone(shape), input,
                                              builder.getDenseI64ArrayAttr(whole));
}

Value Recipes::reshape(OpBuilder &builder, Value input, ArrayRef<int64_t> shape) {
  if (auto inner = input.getDefiningOp<weights::ReshapeOp>()) input = inner.getInput();
  auto type = cast<RankedTensorType>(input.getType());
  if (type.getShape() == shape) return input;
  return builder.create<weights::ReshapeOp>(input.getLoc(), type.clone(shape), input);
}

static std::optional<SmallVector<int64_t>> staticShape(Typing &typing, Value value) {
  SmallVector<int64_t> shape;
  for (const Dim &dim : typing.shape(value)) {
    if (!dim.constant()) return std::nullopt;
    shape.push_back(*dim.constant());
  }
  return shape;
}

Value Recipes::build(OpBuilder &builder, Typing &typing, Value constant, Operation *user) {
  Operation *op = constant.getDefiningOp();
  if (op && typing[constant].constant && staticShape(typing, constant)) return buildOp(builder, typing, op, user);
  typing.report(user, "uses a weight that is not constant; only constants of the file become weights");
  return {};
}

Value Recipes::buildOp(OpBuilder &builder, Typing &typing, Operation *op, Operation *user) {
  Location location = op->getLoc();
  auto operand = [&](unsigned k) { return build(builder, typing, op->getOperand(k), user); };
  SmallVector<int64_t> shape = *staticShape(typing, op->getResult(0));
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](graph::WeightOp weight) -> Value {
        return builder.create<weights::LoadOp>(location, weight.getType(), weight.getSourceAttr());
      })
      .Case([&](graph::ConstantOp literal) -> Value {
        return builder.create<weights::ConstantOp>(location, literal.getType(), literal.getValue());
      })
      .Case([&](graph::TransposeOp move) -> Value {
        Value input = operand(0);
        return input ? transpose(builder, input, move.getPermutation()) : input;
      })
      .Case<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp>([&](Operation *) -> Value {
        Value input = operand(0);
        return input ? reshape(builder, input, shape) : input;
      })
      .Case([&](graph::CastOp cast) -> Value {
        Value input = operand(0);
        if (!input) return input;
        auto type = RankedTensorType::get(shape, mlir::cast<RankedTensorType>(cast.getType()).getElementType());
        return type == input.getType() ? input : builder.create<weights::CastOp>(location, type, input).getResult();
      })
      .Case([&](graph::ConcatOp concat) -> Value {
        SmallVector<Value> inputs;
        for (unsigned k = 0; k < op->getNumOperands(); ++k)
          if (!inputs.emplace_back(operand(k))) return {};
        auto type = cast<RankedTensorType>(inputs[0].getType()).clone(shape);
        return builder.create<weights::ConcatOp>(location, type, inputs, concat.getAxis());
      })
      .Default([&](Operation *) -> Value {
        typing.report(op, "computes a weight in a way that has no recipe yet; fold constants before export");
        return {};
      });
}
