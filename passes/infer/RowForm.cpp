// A closed form of (position, indices) as a decoder.rows: every node of the expression becomes a graph op.
#include "passes/infer/RowRegion.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

class FormEmitter {
public:
  FormEmitter(RowRegion &region, Variable position, ArrayRef<Variable> indices, ArrayRef<int64_t> sizes)
      : region(region), position(position), indices(indices), sizes(sizes) {}

  /// The form's elements, broadcastable to the sizes; null if it has no row form.
  Value emit(Expr e) {
    auto [place, isNew] = memo.try_emplace(e);
    if (!isNew) return place->second;
    Value made = make(e);
    return memo[e] = made;
  }

private:
  RowRegion &region;
  Variable position;
  ArrayRef<Variable> indices;
  ArrayRef<int64_t> sizes;
  DenseMap<Expr, Value> memo;
  DenseMap<Variable, Value> variables;

  Type i64() { return region.builder.getI64Type(); }
  Type f32() { return region.builder.getF32Type(); }
  Type i1() { return region.builder.getI1Type(); }
  static Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

  Value splat(Attribute value, Type element) {
    auto type = RankedTensorType::get(SmallVector<int64_t>(sizes.size(), 1), element);
    return region.constant(DenseElementsAttr::get(type, value));
  }
  Value integer(int64_t value) { return splat(region.builder.getI64IntegerAttr(value), i64()); }
  Value real(double value) { return splat(region.builder.getFloatAttr(f32(), value), f32()); }

  Value variable(Variable v) {
    if (v == position)
      return region.cast(region.argument(region.rows.stepPositions(), SmallVector<int64_t>(sizes.size(), 1)), i64());
    auto found = llvm::find(indices, v);
    if (found == indices.end()) return {}; // P, S, or a variable that nobody binds
    size_t axis = found - indices.begin();
    SmallVector<int64_t> shape(sizes.size(), 1);
    shape[axis] = sizes[axis];
    return region.create<graph::IotaOp>(RankedTensorType::get(shape, i64()), region.integers(shape), axis);
  }

  Value binary(graph::BinaryKind kind, Value a, Value b) {
    if (!a || !b) return {};
    if (elementOf(a) != elementOf(b)) a = region.cast(a, f32()), b = region.cast(b, f32());
    return region.create<graph::BinaryOp>(kind, a, b);
  }
  Value compare(graph::CompareKind kind, Value a, Value b) {
    if (!a || !b) return {};
    if (elementOf(a) != elementOf(b)) a = region.cast(a, f32()), b = region.cast(b, f32());
    return region.create<graph::CompareOp>(kind, a, b);
  }

  Value affine(Expr e) {
    Value sum;
    for (auto [v, factor] : e->terms) {
      auto known = variables.find(v); // not in `memo`: the form `v` alone is this very expression
      Value term = known != variables.end() ? known->second : variables[v] = variable(v);
      if (!term) return {};
      if (factor != 1) term = binary(graph::BinaryKind::mul, term, integer(factor));
      sum = sum ? binary(graph::BinaryKind::add, sum, term) : term;
    }
    if (!sum) return integer(e->constant);
    return e->constant ? binary(graph::BinaryKind::add, sum, integer(e->constant)) : sum;
  }

  Value select(Expr e) {
    Value condition = emit(e->operands[0]), yes = emit(e->operands[1]), no = emit(e->operands[2]);
    if (!condition || !yes || !no) return {};
    if (elementOf(yes) != elementOf(no)) yes = region.cast(yes, f32()), no = region.cast(no, f32());
    return region.create<graph::SelectOp>(condition, yes, no);
  }

  Value unary(Expr e) {
    Value x = emit(e->operands[0]);
    if (!x || isRounding(e->code)) return x; // activations are f32
    if (e->code == TruncatedToInteger) return region.cast(x, i64());
    if (e->code >= WrappedToInteger) {
      bool isUnsigned = e->code >= WrappedToInteger + UnsignedWrap;
      unsigned width = e->code - WrappedToInteger - (isUnsigned ? UnsignedWrap : 0);
      auto sign = isUnsigned ? IntegerType::Unsigned : IntegerType::Signless;
      return region.cast(region.cast(x, IntegerType::get(region.from->getContext(), width, sign)), i64());
    }
    if (e->code > unsigned(graph::UnaryKind::is_inf)) return {};
    return region.create<graph::UnaryOp>(graph::UnaryKind(e->code), x);
  }

  /// The shape and element type of a table; null if it is no array.
  RankedTensorType tableType(Attribute table) {
    if (auto elements = dyn_cast<ElementsAttr>(table)) return dyn_cast<RankedTensorType>(elements.getShapedType());
    auto symbol = dyn_cast<FlatSymbolRefAttr>(table);
    if (!symbol) return {};
    if (auto recipe = region.rows.recipes.lookup(symbol)) return recipe.getResultType();
    auto source =
        region.rows.typing.main->getParentOfType<ModuleOp>().lookupSymbol<weights::SourceOp>(symbol.getAttr());
    return source ? dyn_cast<RankedTensorType>(source.getType()) : RankedTensorType();
  }

  /// The largest index that does not run with the position limits how many positions there may be.
  void limit(Expr index, int64_t extent) {
    if (!index.isAffine()) return;
    int64_t factor = 0, rest = index->constant;
    for (auto [v, coefficient] : index->terms) {
      auto found = llvm::find(indices, v);
      if (v == position)
        factor = coefficient;
      else if (found != indices.end() && coefficient > 0)
        rest += coefficient * (sizes[found - indices.begin()] - 1);
    }
    if (factor > 0) region.rows.tables.limit(std::max<int64_t>(0, (extent - 1 - rest) / factor + 1));
  }

  Value table(Expr e) {
    RankedTensorType type = tableType(e->table);
    if (!type || !type.hasStaticShape() || type.getRank() != int64_t(e->operands.size()) || type.getEncoding())
      return {};
    Value place;
    for (auto [index, extent] : llvm::zip(e->operands, type.getShape())) {
      Value at = emit(index);
      if (!at || !elementOf(at).isInteger(64)) return {};
      limit(index, extent);
      place = place ? binary(graph::BinaryKind::add, binary(graph::BinaryKind::mul, place, integer(extent)), at) : at;
    }
    if (!place) return {};
    Value flat = tableValue(e->table, type);
    return flat ? region.create<graph::GatherOp>(flat, place, 0) : Value();
  }

  Value tableValue(Attribute table, RankedTensorType type) {
    Type element = type.getElementType();
    auto dense = dyn_cast<DenseElementsAttr>(table);
    Value whole;
    if (dense && !isa<FloatType>(element)) {
      whole = region.constant(dense);
    } else {
      auto recipe = region.rows.recipes.ofTable(table, region.from->getLoc());
      if (!recipe) return {};
      whole = region.weight(recipe, type.getShape());
      if (!isa<FloatType>(element)) whole = region.cast(whole, element);
    }
    return region.create<graph::ReshapeOp>(whole, region.integers({type.getNumElements()}));
  }

  Value both(graph::BinaryKind kind, Expr e) { return binary(kind, emit(e->operands[0]), emit(e->operands[1])); }

  Value make(Expr e) {
    switch (e->op) {
    case ExprOp::Affine:
      return affine(e);
    case ExprOp::Real:
      return real(e->real);
    case ExprOp::Bool:
      return splat(region.builder.getIntegerAttr(i1(), *e.asBool()), i1());
    case ExprOp::AtMostZero:
      return compare(graph::CompareKind::le, emit(e->operands[0]), integer(0));
    case ExprOp::IsZero:
      return compare(graph::CompareKind::eq, emit(e->operands[0]), integer(0));
    case ExprOp::Less:
      return compare(graph::CompareKind::lt, emit(e->operands[0]), emit(e->operands[1]));
    case ExprOp::Equal:
      return compare(graph::CompareKind::eq, emit(e->operands[0]), emit(e->operands[1]));
    case ExprOp::And:
      return both(graph::BinaryKind::logical_and, e);
    case ExprOp::Or:
      return both(graph::BinaryKind::logical_or, e);
    case ExprOp::Not: {
      Value x = emit(e->operands[0]);
      return x ? region.create<graph::UnaryOp>(graph::UnaryKind::logical_not, x) : x;
    }
    case ExprOp::Select:
      return select(e);
    case ExprOp::Add:
      return both(graph::BinaryKind::add, e);
    case ExprOp::Sub:
      return both(graph::BinaryKind::sub, e);
    case ExprOp::Mul:
      return both(graph::BinaryKind::mul, e);
    case ExprOp::Div:
      return both(graph::BinaryKind::div, e);
    case ExprOp::FloorDiv:
      return floorDiv(e);
    case ExprOp::Mod:
      return modulo(emit(e->operands[0]), e);
    case ExprOp::ToReal: {
      Value x = emit(e->operands[0]);
      return x ? region.cast(x, f32()) : x;
    }
    case ExprOp::Unary:
      return unary(e);
    case ExprOp::Table:
      return table(e);
    default: // Read, Undefined: not of this step's positions
      return {};
    }
  }

  /// `mod` has the divisor's sign, so (a - a mod n) / n is exact.
  Value modulo(Value a, Expr e) { return a ? binary(graph::BinaryKind::mod, a, divisor(e)) : a; }
  Value floorDiv(Expr e) {
    Value a = emit(e->operands[0]);
    if (!a) return {};
    return binary(graph::BinaryKind::div, binary(graph::BinaryKind::sub, a, modulo(a, e)), divisor(e));
  }
  Value divisor(Expr e) { return emit(e->operands[1]); }
};

} // namespace

Value RowRegion::ofForm(RowBuilder &rows, Expr form, Variable token, ArrayRef<Variable> indices,
                        ArrayRef<int64_t> sizes, Operation *user) {
  if (!form || !rows.stepPositions()) return {};
  ExprContext &exprs = rows.typing.exprs;
  Variable q = exprs.newVariable("q");
  Expr atPosition = exprs.substitute(form, {{token, exprs.sub(exprs.variable(q), exprs.past())}});
  if (exprs.mentions(atPosition, ExprContext::P) || exprs.mentions(atPosition, ExprContext::S)) return {};
  RowRegion region(rows, user);
  Value made = FormEmitter(region, q, indices, sizes).emit(atPosition);
  if (!made) return {};
  auto type = mlir::cast<RankedTensorType>(made.getType());
  if (type.getShape() != sizes)
    made = region.create<graph::ExpandOp>(RankedTensorType::get(sizes, type.getElementType()), made,
                                          region.integers(sizes));
  return region.finish(made)[0];
}
