// Forms of graph ops, and the walk over all of them.
#include "passes/infer/RowFunctions.h"
#include "dialects/graph/Graph.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;
using graph::BinaryKind, graph::UnaryKind;

static constexpr unsigned maxOps = 64;  // behind one leaf
static constexpr unsigned maxChain = 8; // between a constant and its use

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }
static bool isFloat(Value value) { return isa<FloatType>(typeOf(value).getElementType()); }

bool infer::isConstantOfModel(Value value) {
  for (unsigned i = 0; i < maxChain; ++i) {
    Operation *op = value.getDefiningOp();
    if (!op || isa<graph::WeightOp, graph::ConstantOp>(op)) return op;
    bool layout = isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp, graph::TransposeOp, graph::CastOp>(op);
    bool scalar = isa<graph::BinaryOp>(op) && llvm::any_of(op->getOperands(), [](Value v) {
                    auto constant = v.getDefiningOp<graph::ConstantOp>();
                    return constant && constant.getType().getNumElements() == 1;
                  });
    if (!layout && !scalar) return false;
    bool second =
        scalar && typeOf(op->getOperand(0)).hasStaticShape() && typeOf(op->getOperand(0)).getNumElements() == 1;
    value = op->getOperand(second ? 1 : 0);
  }
  return false;
}

/// The number that every element is.
static std::optional<double> uniform(Value value) {
  auto constant = value.getDefiningOp<graph::ConstantOp>();
  auto elements = constant ? dyn_cast<DenseElementsAttr>(constant.getValue()) : DenseElementsAttr();
  if (!elements || elements.empty() || !elements.isSplat()) return std::nullopt;
  if (isa<FloatType>(elements.getElementType())) {
    llvm::APFloat number = elements.getSplatValue<llvm::APFloat>();
    bool inexact;
    number.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &inexact);
    return number.convertToDouble();
  }
  if (elements.getElementType().isInteger(1)) return std::nullopt;
  return double(elements.getSplatValue<llvm::APInt>().getSExtValue());
}

/// A few roundings of a constant of this type.
static double rounding(Type type) {
  auto real = dyn_cast<FloatType>(type);
  return real ? 4 * std::ldexp(1.0, -int(std::min(23u, real.getFPMantissaWidth() - 1))) : 0;
}

//===- operands
//----------------------------------------------------------------------------------------------------===//

RowFunctions::Known RowFunctions::constant(Value value) {
  RankedTensorType type = typeOf(value);
  if (type.getRank() > rank || !type.hasStaticShape()) return std::nullopt;
  bool one = type.getNumElements() == 1;
  bool vector = !one && llvm::all_of(type.getShape().drop_back(), [](int64_t dim) { return dim == 1; }) &&
                (columns == ShapedType::kDynamic || columns == type.getShape().back());
  auto number = uniform(value);
  algebra.allow(rounding(type.getElementType()));
  if (number && (one || (vector && columns != ShapedType::kDynamic)))
    return Typed{algebra.literal(*number), Layout::literal};
  if (!vector || !isFloat(value) || !isConstantOfModel(value)) return std::nullopt;
  return Typed{algebra.vector(value), Layout::vector};
}

RowFunctions::Known RowFunctions::operand(Value value) {
  auto found = known.find(value);
  return found != known.end() ? Known(found->second) : constant(value);
}

std::optional<RowFunctions::Layout> RowFunctions::join(Layout a, Layout b) const {
  if (a == Layout::literal || a == b) return b;
  if (b == Layout::literal) return a;
  bool dropped = a == Layout::none || b == Layout::none;
  return dropped ? std::nullopt : std::optional(Layout::row); // row, one, vector
}

//===- ops
//---------------------------------------------------------------------------------------------------------===//

RowFunctions::Known RowFunctions::unary(Operation *op) {
  Known x = operand(op->getOperand(0));
  if (!x) return std::nullopt;
  auto result = [&](RowAlgebra::Form form) { return form ? Known(Typed{*form, x->layout}) : std::nullopt; };
  switch (cast<graph::UnaryOp>(op).getKind()) {
  case UnaryKind::neg:
    return result(algebra.add({}, x->terms, -1));
  case UnaryKind::reciprocal:
    return result(algebra.power(x->terms, -1));
  case UnaryKind::sqrt:
    return result(algebra.power(x->terms, 0.5));
  case UnaryKind::exp:
    return result(algebra.apply(AtomKind::exp, x->terms));
  case UnaryKind::erf:
    return result(algebra.apply(AtomKind::erf, x->terms));
  case UnaryKind::sigmoid:
    return result(algebra.apply(AtomKind::sigmoid, x->terms));
  case UnaryKind::relu:
    return result(algebra.apply(AtomKind::relu, x->terms));
  case UnaryKind::tanh:
    return result(algebra.tanh(x->terms));
  default:
    return std::nullopt;
  }
}

RowFunctions::Known RowFunctions::binary(Operation *op) {
  Known a = operand(op->getOperand(0)), b = operand(op->getOperand(1));
  auto layout = a && b ? join(a->layout, b->layout) : std::nullopt;
  if (!layout || *layout == Layout::literal || *layout == Layout::vector) return std::nullopt;
  auto result = [&](RowAlgebra::Form form) { return form ? Known(Typed{*form, *layout}) : std::nullopt; };
  switch (cast<graph::BinaryOp>(op).getKind()) {
  case BinaryKind::add:
    return result(algebra.add(a->terms, b->terms));
  case BinaryKind::sub:
    return result(algebra.add(a->terms, b->terms, -1));
  case BinaryKind::mul:
    return result(algebra.multiply(a->terms, b->terms));
  case BinaryKind::div: {
    auto inverse = algebra.power(b->terms, -1);
    return inverse ? result(algebra.multiply(a->terms, *inverse)) : std::nullopt;
  }
  case BinaryKind::pow: {
    auto exponent = RowAlgebra::asLiteral(b->terms);
    return exponent ? result(algebra.power(a->terms, *exponent)) : std::nullopt;
  }
  case BinaryKind::max:
    if (a->terms.empty()) std::swap(a, b); // relu is max(x, 0)
    return b->terms.empty() ? result(algebra.apply(AtomKind::relu, a->terms)) : std::nullopt;
  default:
    return std::nullopt;
  }
}

RowFunctions::Known RowFunctions::reduce(Operation *op) {
  auto reduce = cast<graph::ReduceOp>(op);
  Known x = operand(reduce.getInput());
  bool sum = reduce.getKind() == graph::ReduceKind::sum, mean = reduce.getKind() == graph::ReduceKind::mean;
  if (!x || x->layout != Layout::row || reduce.getAxes() != ArrayRef<int64_t>{rank - 1}) return std::nullopt;
  if (!mean && !(sum && columns > 0)) return std::nullopt;
  RowAlgebra::Form form = algebra.mean(x->terms);
  if (!form) return std::nullopt;
  return Typed{algebra.add({}, *form, sum ? double(columns) : 1), reduce.getKeepdims() ? Layout::one : Layout::none};
}

/// Casts between floats, and what puts the reduced axis back or takes it away.
RowFunctions::Known RowFunctions::moved(Operation *op) {
  Known x = operand(op->getOperand(0));
  if (!x || !isFloat(op->getOperand(0)) || !isFloat(op->getResult(0))) return std::nullopt;
  if (isa<graph::CastOp>(op)) return x;
  bool last = false;
  if (auto unsqueeze = dyn_cast<graph::UnsqueezeOp>(op)) last = unsqueeze.getAxes() == ArrayRef<int64_t>{rank - 1};
  if (auto squeeze = dyn_cast<graph::SqueezeOp>(op)) last = squeeze.getAxes() == ArrayRef<int64_t>{rank - 1};
  bool puts = isa<graph::UnsqueezeOp>(op);
  if (!last || x->layout != (puts ? Layout::none : Layout::one)) return std::nullopt;
  return Typed{x->terms, puts ? Layout::one : Layout::none};
}

RowFunctions::Known RowFunctions::formOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, Known>(op)
      .Case([&](graph::UnaryOp) { return unary(op); })
      .Case([&](graph::BinaryOp) { return binary(op); })
      .Case([&](graph::ReduceOp) { return reduce(op); })
      .Case<graph::CastOp, graph::UnsqueezeOp, graph::SqueezeOp>([&](Operation *) { return moved(op); })
      .Default([](Operation *) { return std::nullopt; });
}

//===- the ops behind a leaf
//---------------------------------------------------------------------------------------===//

void RowFunctions::follow(Value value, SmallVectorImpl<Operation *> &pending) {
  for (Operation *user : value.getUsers())
    if (user->getBlock() == block &&
        isa<graph::UnaryOp, graph::BinaryOp, graph::ReduceOp, graph::CastOp, graph::UnsqueezeOp, graph::SqueezeOp>(
            user) &&
        !llvm::is_contained(pending, user))
      pending.push_back(user);
}

/// Users in the block's order: an operand that is not known by then never will be.
RowFunctions::RowFunctions(Value leaf, Block *block)
    : leaf(leaf), columns(typeOf(leaf).getShape().back()), block(block), rank(typeOf(leaf).getRank()) {
  known[leaf] = {algebra.row(), Layout::row};
  SmallVector<Operation *> pending;
  follow(leaf, pending);
  for (unsigned visited = 0; !pending.empty() && visited < maxOps; ++visited) {
    auto *next = std::min_element(pending.begin(), pending.end(),
                                  [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    Operation *op = *next;
    pending.erase(next);
    visit(op);
    if (known.count(op->getResult(0))) follow(op->getResult(0), pending);
  }
}

void RowFunctions::visit(Operation *op) {
  if (known.count(op->getResult(0)) || typeOf(op->getResult(0)).getRank() > rank) return;
  Known form = formOf(op);
  if (!form) return;
  known[op->getResult(0)] = *form;
  ops.push_back(op);
  if (form->layout == Layout::row) functions.push_back({op, form->terms});
}

//===- rewriting
//---------------------------------------------------------------------------------------------------===//

static void rewriteBehind(Value leaf, Block &block,
                          llvm::function_ref<RowRewrite(RowFunctions &, Operation *, const Terms &)> recognise) {
  RowFunctions forms(leaf, &block);
  llvm::MapVector<Operation *, RowRewrite> recognised;
  for (auto &[op, terms] : forms.functions)
    if (RowRewrite rewrite = recognise(forms, op, terms)) recognised[op] = std::move(rewrite);
  llvm::SmallDenseSet<Value> replaced;
  for (auto &[op, rewrite] : recognised) {
    bool inner =
        !op->use_empty() && llvm::all_of(op->getUsers(), [&](Operation *user) { return recognised.contains(user); });
    if (inner || (isa<graph::CastOp>(op) && replaced.contains(op->getOperand(0)))) continue;
    OpBuilder builder(op);
    Value made = rewrite(builder, op->getLoc(), op->getResult(0).getType());
    op->getResult(0).replaceAllUsesWith(made);
    replaced.insert(made);
  }
  for (Operation *op : llvm::reverse(forms.ops))
    if (isOpTriviallyDead(op)) op->erase();
}

static bool isActivation(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getRank() > 0 && isa<FloatType>(type.getElementType()) && type.getShape().back() != 1 &&
         !value.use_empty() && !isConstantOfModel(value);
}

/// What a region of graph.if takes from around it.
static llvm::SmallSetVector<Value, 8> capturedBy(Block &block) {
  llvm::SmallSetVector<Value, 8> captured;
  for (Operation &op : block)
    for (Value operand : op.getOperands())
      if (operand.getParentBlock() != &block) captured.insert(operand);
  return captured;
}

void infer::rewriteRowFunctions(func::FuncOp function,
                                llvm::function_ref<RowRewrite(RowFunctions &, Operation *, const Terms &)> recognise) {
  function.walk([&](Block *block) {
    auto rewrite = [&](Value leaf) {
      if (isActivation(leaf)) rewriteBehind(leaf, *block, recognise);
    };
    for (BlockArgument argument : block->getArguments()) rewrite(argument);
    for (Value value : capturedBy(*block)) rewrite(value);
    for (Operation &op : *block)
      for (Value result : op.getResults()) rewrite(result);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
      if (isOpTriviallyDead(&op)) op.erase();
  });
}
