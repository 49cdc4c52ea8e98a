// Graph constants as recipe ops.
#include "passes/infer/Recipes.h"
#include "dialects/graph/Graph.h"
#include "dialects/weights/NormalForm.h"
#include "mlir/IR/IRMapping.h"
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

FlatSymbolRefAttr Recipes::stack(ArrayRef<FlatSymbolRefAttr> parts, Location location) {
  if (parts.size() == 1) return parts.front();
  weights::RecipeOp recipe = open(location, (parts.front().getValue() + ".experts").str());
  OpBuilder builder = OpBuilder::atBlockEnd(&recipe.getBody().front());
  SmallVector<Value> values;
  for (FlatSymbolRefAttr part : parts) {
    IRMapping mapping;
    for (Operation &op : lookup(part).getBody().front())
      if (auto yield = dyn_cast<weights::YieldOp>(op))
        values.push_back(mapping.lookup(yield.getValue()));
      else
        builder.clone(op, mapping);
  }
  Value made = weights::concat(builder, values, 0);
  builder.create<weights::YieldOp>(location, made);
  return add(recipe);
}

//===- constants of the graph as recipe values
//---------------------------------------------------------------------===//

/// Reads one constant's ops as recipe ops. What it does not understand it tells in `problem`, of the op `culprit`.
struct Recipes::Maker {
  OpBuilder builder;
  Operation *user;
  Typing *typing;
  Operation *culprit = nullptr;
  std::string problem;

  Maker(OpBuilder builder, Operation *user, Typing *typing) : builder(builder), user(user), typing(typing) {}

  /// Each value once; chains and sums (whose parts are evaluated anew at every use) stay short.
  Value make(Value constant) {
    if (Value known = made.lookup(constant)) return known;
    if (++depth > 256) return fail(user, "computes a weight in too many steps; fold constants before export");
    Value value = makeNew(constant);
    --depth;
    return made[constant] = value;
  }

private:
  DenseMap<Value, Value> made;
  unsigned depth = 0, sums = 0;

  Value makeNew(Value constant) {
    Operation *op = constant.getDefiningOp();
    bool known = op && (!typing || (*typing)[constant].constant);
    auto shape = known ? shapeOf(constant) : std::nullopt;
    if (!shape) return fail(user, "uses a weight that is not constant; only constants of the file become weights");
    Value made = makeOp(op, *shape);
    bool reshaped = made && cast<RankedTensorType>(made.getType()).getShape() != ArrayRef(*shape);
    if (!made || reshaped)
      return fail(op, "computes a weight in a way that has no recipe yet; fold constants before export");
    return made;
  }

  Value fail(Operation *op, const Twine &text) {
    if (!culprit) culprit = op, problem = text.str();
    return {};
  }

  std::optional<SmallVector<int64_t>> shapeOf(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.hasStaticShape()) return SmallVector<int64_t>(type.getShape());
    if (!typing) return std::nullopt;
    SmallVector<int64_t> shape;
    for (const Dim &dim : typing->shape(value)) {
      if (!dim.constant()) return std::nullopt;
      shape.push_back(*dim.constant());
    }
    return int64_t(shape.size()) == type.getRank() ? std::optional(shape) : std::nullopt;
  }

  Value makeOp(Operation *op, ArrayRef<int64_t> shape) {
    Location location = op->getLoc();
    auto operand = [&](unsigned k) { return make(op->getOperand(k)); };
    auto moved = [&](auto f) {
      Value input = operand(0);
      return input ? f(input) : input;
    };
    return llvm::TypeSwitch<Operation *, Value>(op)
        .Case([&](graph::WeightOp weight) -> Value {
          return builder.create<weights::LoadOp>(location, weight.getType(), weight.getSourceAttr());
        })
        .Case([&](graph::ConstantOp literal) -> Value {
          return builder.create<weights::ConstantOp>(location, literal.getType(), literal.getValue());
        })
        .Case([&](graph::TransposeOp move) {
          return moved([&](Value input) { return weights::transpose(builder, input, move.getPermutation()); });
        })
        .Case<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp>(
            [&](Operation *) { return moved([&](Value input) { return weights::reshape(builder, input, shape); }); })
        .Case([&](graph::CastOp cast) {
          Type element = mlir::cast<RankedTensorType>(cast.getType()).getElementType();
          return moved([&](Value input) { return weights::cast(builder, input, element); });
        })
        .Case([&](graph::SliceOp slice) { return moved([&](Value input) { return cut(slice, input); }); })
        .Case([&](graph::ConcatOp concat) -> Value {
          SmallVector<Value> inputs;
          for (unsigned k = 0; k < op->getNumOperands(); ++k)
            if (!inputs.emplace_back(operand(k))) return {};
          return weights::concat(builder, inputs, concat.getAxis());
        })
        .Case([&](graph::DequantOp dequant) -> Value {
          Value quants = operand(0), scale = operand(1), zero = dequant.getZero() ? operand(2) : Value();
          if (!quants || !scale || (dequant.getZero() && !zero)) return {};
          return weights::dequantise(builder, quants, scale, zero, dequant.getAxis(), dequant.getBlock());
        })
        .Case([&](graph::BinaryOp binary) -> Value {
          if (++sums > 12) return Value();
          Value x = operand(0), y = operand(1);
          return x && y ? arithmetic(binary.getKind(), x, y, shape) : Value();
        })
        .Case([&](graph::QuantiseOp) {
          return fail(op, "quantises a weight at run time; store it quantised (fold constants before export)");
        })
        .Default([](Operation *) { return Value(); });
  }

  /// Slices with constant bounds and step 1; null for any other.
  Value cut(graph::SliceOp slice, Value input) {
    auto starts = graph::constantIntegers(slice.getStarts()), ends = graph::constantIntegers(slice.getEnds());
    if (!starts || !ends || starts->size() != slice.getAxes().size() || ends->size() != starts->size()) return {};
    for (auto [k, axis] : llvm::enumerate(slice.getAxes())) {
      int64_t size = cast<RankedTensorType>(input.getType()).getDimSize(axis);
      auto place = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
      int64_t begin = place((*starts)[k]), end = place((*ends)[k]);
      if (slice.getSteps()[k] != 1 || end < begin) return {};
      input = weights::slice(builder, input, axis, begin, end - begin);
    }
    return input;
  }

  Value arithmetic(graph::BinaryKind kind, Value x, Value y, ArrayRef<int64_t> shape) {
    using weights::Arithmetic;
    std::optional<Arithmetic> known;
    if (kind == graph::BinaryKind::add) known = Arithmetic::add;
    if (kind == graph::BinaryKind::sub) known = Arithmetic::sub;
    if (kind == graph::BinaryKind::mul) known = Arithmetic::mul;
    if (!known) return {};
    bool swap = known != Arithmetic::sub && cast<RankedTensorType>(x.getType()).getShape() != shape;
    return swap ? weights::arithmetic(builder, *known, y, x) : weights::arithmetic(builder, *known, x, y);
  }
};

FlatSymbolRefAttr Recipes::make(Maker &maker, Value constant, Finish finish) {
  Location location = maker.user->getLoc();
  weights::RecipeOp recipe = open(location, (hintFor(constant) + ".recipe").str());
  maker.builder.setInsertionPointToEnd(&recipe.getBody().front());
  Value made = maker.make(constant);
  if (made) made = finish(maker.builder, made);
  if (!made) return recipe.erase(), FlatSymbolRefAttr();
  maker.builder.create<weights::YieldOp>(location, made);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(recipe.getBody().front())))
    if (isOpTriviallyDead(&op)) op.erase();
  return add(recipe);
}

FlatSymbolRefAttr Recipes::ofConstant(Value constant, Operation *user, Finish finish) {
  Maker maker(OpBuilder(module.getContext()), user, nullptr);
  return make(maker, constant, finish);
}

FlatSymbolRefAttr Recipes::of(Typing &typing, Value constant, Operation *user, Finish finish) {
  Maker maker(OpBuilder(module.getContext()), user, &typing);
  auto recipe = make(maker, constant, finish);
  if (maker.culprit) typing.report(maker.culprit, maker.problem);
  return recipe;
}

FlatSymbolRefAttr Recipes::of(Typing &typing, Value constant, Operation *user) {
  return of(typing, constant, user, [](OpBuilder &, Value value) { return value; });
}

FlatSymbolRefAttr Recipes::ofMatrix(Typing &typing, Value constant, Operation *user, Finish finish) {
  return of(typing, constant, user, [&](OpBuilder &builder, Value value) {
    value = finish(builder, value);
    return value ? weights::onGrid(builder, value) : value;
  });
}

FlatSymbolRefAttr Recipes::ofMatrix(Typing &typing, Value constant, Operation *user) {
  return ofMatrix(typing, constant, user, [](OpBuilder &, Value value) { return value; });
}

FlatSymbolRefAttr Recipes::ofTable(Attribute table, Location location) {
  auto symbol = dyn_cast<FlatSymbolRefAttr>(table);
  if (symbol && lookup(symbol)) return symbol;
  return ofTable(table, location, [](OpBuilder &, Value made) { return made; });
}

FlatSymbolRefAttr Recipes::ofTable(Attribute table, Location location, Finish finish) {
  auto symbol = dyn_cast<FlatSymbolRefAttr>(table);
  weights::RecipeOp recipe = open(location, symbol ? (symbol.getValue() + ".recipe").str() : "table");
  OpBuilder builder = OpBuilder::atBlockEnd(&recipe.getBody().front());
  Value made;
  if (symbol)
    made = builder.create<weights::LoadOp>(location, symbols.lookup<weights::SourceOp>(symbol.getValue()).getType(),
                                           symbol);
  else
    made = builder.create<weights::ConstantOp>(location, cast<ElementsAttr>(table).getShapedType(),
                                               cast<ElementsAttr>(table));
  builder.create<weights::YieldOp>(location, finish(builder, made));
  return add(recipe);
}

//===- recipe ops -------------------------------------------------------------------------------------------------===//

Value Recipes::transpose(OpBuilder &builder, Value input, ArrayRef<int64_t> permutation) {
  return weights::transpose(builder, input, permutation);
}

Value Recipes::reshape(OpBuilder &builder, Value input, ArrayRef<int64_t> shape) {
  return weights::reshape(builder, input, shape);
}
