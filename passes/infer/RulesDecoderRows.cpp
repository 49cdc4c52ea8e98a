// The decoder dialect's own row-wise ops in import form.
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

/// The constant length of a token value's last axis; nullopt (reported) otherwise.
std::optional<int64_t> columns(Typing &typing, Operation *op, Value input) {
  if (readsHistory(typing, op)) return std::nullopt;
  ArrayRef<Dim> shape = typing.shape(input);
  auto last = shape.empty() ? std::nullopt : shape.back().constant();
  if (typing[input].isToken() && last) return last;
  typing.report(op,
                typing[input].isToken()
                    ? "works along the last axis of " + print(typing.exprs, shape) + ", which is not constant"
                    : std::string("works on a value that does not depend on the tokens; fold constants before export"));
  return std::nullopt;
}

void setLast(Typing &typing, Value result, ArrayRef<Dim> input, int64_t size) {
  Shape shape(input);
  shape.back() = typing.dim(size);
  typing.setToken(result, shape);
}

weights::RecipeOp recipeOf(Operation *op, FlatSymbolRefAttr symbol) {
  return SymbolTable::lookupNearestSymbolFrom<weights::RecipeOp>(op, symbol);
}

/// The shape of a recipe with `rank` axes; reported if there is no such recipe.
std::optional<SmallVector<int64_t>> recipeShape(Typing &typing, Operation *op, FlatSymbolRefAttr symbol, int64_t rank) {
  weights::RecipeOp recipe = recipeOf(op, symbol);
  if (recipe && recipe.getResultType().getRank() == rank)
    return SmallVector<int64_t>(recipe.getResultType().getShape());
  typing.report(op, "needs a weight recipe of rank " + Twine(rank) + " named @" + symbol.getValue());
  return std::nullopt;
}

struct EmbedRule {
  void infer(decoder::EmbedOp op, Typing &typing) const {
    auto table = recipeShape(typing, op, op.getTableAttr(), 2);
    if (!table) return;
    if (readsHistory(typing, op)) return;
    Shape shape(typing.shape(op.getIds()));
    shape.push_back(typing.dim((*table)[1]));
    if (typing[op.getIds()].isToken()) return typing.setToken(op, shape);
    typing.setClosed(op, shape, [op, &typing](Indices at) mutable -> Expr { // rows by position
      Expr place = typing.at(op.getIds(), at.drop_back());
      if (!place || !place.isAffine()) return {};
      Expr element = typing.exprs.table(op.getTableAttr(), {place, at.back()});
      return typing.exprs.mul(typing.exprs.real(op.getScale().convertToDouble()), element);
    });
  }
  void lower(decoder::EmbedOp op, RowBuilder &rows) const {
    Value ids = rows.rows(op.getIds());
    if (ids)
      rows.set(op, rows.create<decoder::EmbedOp>(op, rows.rowType(rows.width(op)), ids, op.getTableAttr(),
                                                 op.getScaleAttr()));
  }
};

struct LinearRule {
  void infer(decoder::LinearOp op, Typing &typing) const {
    auto k = columns(typing, op, op.getInput());
    auto weight = recipeShape(typing, op, op.getWeightAttr(), 2);
    if (!k || !weight) return;
    if ((*weight)[1] != *k)
      return typing.report(op, "contracts " + Twine(*k) + " columns with a weight of " + Twine((*weight)[1]));
    setLast(typing, op, typing.shape(op.getInput()), (*weight)[0]);
  }
  void lower(decoder::LinearOp op, RowBuilder &rows) const {
    Value x = rows.rows(op.getInput());
    if (!x) return;
    if (rows.width(op.getInput()) != *rows.typing.shape(op.getInput()).back().constant()) return rows.noRowForm(op);
    rows.set(op, rows.create<decoder::LinearOp>(op, rows.rowType(rows.width(op)), x, op.getWeightAttr(),
                                                op.getBiasAttr(), op.getAccuracyLevelAttr()));
  }
};

struct NormRule {
  void infer(decoder::NormOp op, Typing &typing) const {
    auto n = columns(typing, op, op.getInput());
    if (!n) return;
    for (FlatSymbolRefAttr vector : {op.getGainAttr(), op.getBiasAttr()}) {
      auto shape = vector ? recipeShape(typing, op, vector, 1) : std::nullopt;
      if (vector && !shape) return;
      if (shape && (*n % int64_t(op.getGroups()) || (*shape)[0] != *n / int64_t(op.getGroups())))
        return typing.report(op, "normalises " + Twine(*n) + " columns with a vector of " + Twine((*shape)[0]));
    }
    typing.setToken(op, Shape(typing.shape(op.getInput())));
  }
  /// The last axis is one group; columns before it (heads) are more of them.
  void lower(decoder::NormOp op, RowBuilder &rows) const {
    Value x = rows.rows(op.getInput());
    if (!x) return;
    int64_t axis = *rows.typing.shape(op.getInput()).back().constant();
    int64_t groups = op.getGroups() * (rows.width(op.getInput()) / axis);
    rows.set(op, rows.create<decoder::NormOp>(op, x.getType(), op.getKind(), x, op.getGainAttr(), op.getBiasAttr(),
                                              op.getEps(), groups));
  }
};

struct AnglesRule {
  /// cos and sin side by side: a table element at the position, whatever made the position.
  void infer(decoder::AnglesOp op, Typing &typing) const {
    if (op.getFreq()) return typing.report(op, "has its closed form before infer");
    auto cos = recipeShape(typing, op, op.getCosAttr(), 2), sin = recipeShape(typing, op, op.getSinAttr(), 2);
    if (!cos || !sin) return;
    if (*cos != *sin) return typing.report(op, "has cosine and sine tables of different shapes");
    Value positions = op.getPositions();
    if (!typing[positions].isClosed()) return typing.report(op, "rotates by positions that depend on the tokens");
    int64_t half = (*cos)[1];
    Shape shape(typing.shape(positions));
    shape.push_back(typing.dim(2 * half));
    auto form = [op, &typing, positions, half](Indices indices) mutable -> Expr {
      ExprContext &exprs = typing.exprs;
      Expr position = typing.at(positions, indices.drop_back()), d = indices.back();
      if (!position || !position.isAffine()) return {};
      return exprs.select(exprs.less(d, exprs.integer(half)), exprs.table(op.getCosAttr(), {position, d}),
                          exprs.table(op.getSinAttr(), {position, exprs.sub(d, exprs.integer(half))}));
    };
    typing.setClosed(op, shape, form);
  }
};

struct RopeRule {
  void infer(decoder::RopeOp op, Typing &typing) const {
    auto n = columns(typing, op, op.getInput());
    if (!n) return;
    if (!typing[op.getAngles()].isClosed()) return typing.report(op, "rotates by angles that depend on the tokens");
    ArrayRef<Dim> angles = typing.shape(op.getAngles());
    auto turned = angles.empty() ? std::nullopt : angles.back().constant();
    if (op.getHeads() < 1 || *n % op.getHeads() || !turned || *turned > *n / int64_t(op.getHeads()))
      return typing.report(op, "turns " + print(typing.exprs, angles) + " angles of " + Twine(op.getHeads()) +
                                   " heads in " + Twine(*n) + " columns");
    typing.setToken(op, Shape(typing.shape(op.getInput())));
  }
  void lower(decoder::RopeOp op, RowBuilder &rows) const {
    Value x = rows.rows(op.getInput());
    if (!x) return;
    // Columns before the last axis are more heads.
    int64_t heads = op.getHeads() * (rows.width(op.getInput()) / *rows.typing.shape(op.getInput()).back().constant());
    if (Value angles = rows.angles(op.getAngles(), op))
      rows.set(op, rows.create<decoder::RopeOp>(op, x.getType(), x, angles, heads, op.getInterleaved()));
  }
};

/// act, scale, softcap: any shape.
template <typename Op> struct MapRule {
  void infer(Op op, Typing &typing) const {
    if (columns(typing, op, op.getInput())) typing.setToken(op, Shape(typing.shape(op.getInput())));
  }
  void lower(Op op, RowBuilder &rows) const {
    Value x = rows.rows(op.getInput());
    if (!x) return;
    auto attributes = op->getAttrs();
    rows.set(op, rows.create<Op>(op, TypeRange(x.getType()), ValueRange(x), attributes));
  }
};

/// add, mul: both operands of one shape.
template <typename Op> struct PairRule {
  void infer(Op op, Typing &typing) const {
    if (!columns(typing, op, op.getLhs()) || !columns(typing, op, op.getRhs())) return;
    if (Shape(typing.shape(op.getLhs())) != Shape(typing.shape(op.getRhs())))
      return typing.report(op, "joins " + print(typing.exprs, typing.shape(op.getLhs())) + " and " +
                                   print(typing.exprs, typing.shape(op.getRhs())));
    typing.setToken(op, Shape(typing.shape(op.getLhs())));
  }
  void lower(Op op, RowBuilder &rows) const {
    Value x = rows.rows(op.getLhs()), y = rows.rows(op.getRhs());
    if (x && y) rows.set(op, rows.create<Op>(op, x.getType(), x, y));
  }
};

struct SplitRule {
  void infer(decoder::SplitOp op, Typing &typing) const {
    auto n = columns(typing, op, op.getInput());
    if (!n) return;
    int64_t sum = 0;
    for (int64_t size : op.getSizes()) sum += size;
    if (sum != *n || op.getAlign() != 1)
      return typing.report(op, "splits " + Twine(*n) + " columns into parts of " + Twine(sum));
    Shape input(typing.shape(op.getInput()));
    for (auto [result, size] : llvm::zip(op.getResults(), op.getSizes())) setLast(typing, result, input, size);
  }
  void lower(decoder::SplitOp op, RowBuilder &rows) const {
    Value x = rows.rows(op.getInput());
    if (!x) return;
    if (rows.width(op.getInput()) != *rows.typing.shape(op.getInput()).back().constant()) return rows.noRowForm(op);
    SmallVector<Type> types;
    for (int64_t size : op.getSizes()) types.push_back(rows.rowType(size));
    auto split = rows.create<decoder::SplitOp>(op, types, x, op.getSizes());
    for (auto [from, to] : llvm::zip(op.getResults(), split.getResults())) rows.set(from, to);
  }
};

} // namespace

void ingot::infer::attachDecoderRows(MLIRContext *context) {
  attach<decoder::EmbedOp, EmbedRule>(context);
  attach<decoder::LinearOp, LinearRule>(context);
  attach<decoder::NormOp, NormRule>(context);
  attach<decoder::AnglesOp, AnglesRule>(context);
  attach<decoder::RopeOp, RopeRule>(context);
  attach<decoder::SplitOp, SplitRule>(context);
  attach<decoder::ActOp, MapRule<decoder::ActOp>>(context);
  attach<decoder::ScaleOp, MapRule<decoder::ScaleOp>>(context);
  attach<decoder::SoftcapOp, MapRule<decoder::SoftcapOp>>(context);
  attach<decoder::AddOp, PairRule<decoder::AddOp>>(context);
  attach<decoder::MulOp, PairRule<decoder::MulOp>>(context);
}
