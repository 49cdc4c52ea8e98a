// decoder.attention in import form: its claims about lengths are proved, its past is a cache.
//
// Rules (design section 3, K and A)
// 1. query, key and value are token values; past_key and past_value are caches of kv_heads heads.
// 2. `seqlens`, where given, is P+S-1: the index of the last key. `total`, where given, is P+S.
// 3. Without a past the graph has no past input at all: then the cache is added (Convention.h, C7).
#include "passes/infer/Rules.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

/// A claim about lengths, given as a scalar or a vector of one element.
void proveLength(decoder::AttentionOp op, Typing &typing, Value claim, Expr truth, StringRef name, StringRef meaning) {
  if (!claim) return;
  ExprContext &exprs = typing.exprs;
  if (constantProduct(typing.shape(claim)) != 1)
    return typing.complain(op,
                           name + " has the shape " + print(exprs, typing.shape(claim)) + "; one length was expected");
  Expr found = typing.at(claim, SmallVector<Expr, 2>(typing.shape(claim).size(), exprs.integer(0)));
  if (found == truth) return;
  typing.complain(op, name + " is " + exprs.print(found) + " but must be " + exprs.print(truth) + ", " + meaning +
                          ", with P cached and S new tokens and a mask of ones");
}

/// Heads lie in the last axis, [.., S, heads * d], or in their own, [.., heads, S, d].
std::optional<int64_t> headSize(Typing &typing, Value value, int64_t heads) {
  int64_t columns = 1;
  for (const Dim &dim : typing.shape(value))
    if (auto size = dim.constant()) columns *= *size;
  if (!typing[value].isToken() || heads < 1 || columns % heads) return std::nullopt;
  return columns / heads;
}

struct AttentionRule {
  void infer(decoder::AttentionOp op, Typing &typing) const {
    auto query = headSize(typing, op.getQuery(), op.getHeads()), key = headSize(typing, op.getKey(), op.getKvHeads());
    auto value = headSize(typing, op.getValue(), op.getKvHeads());
    if (!query || !key || !value || query != key)
      return typing.report(op, "has query " + print(typing.exprs, typing.shape(op.getQuery())) + " and key " +
                                   print(typing.exprs, typing.shape(op.getKey())) + ", which are not rows of " +
                                   Twine(op.getHeads()) + " and " + Twine(op.getKvHeads()) + " heads of one size");
    provePast(op, typing);
    ExprContext &exprs = typing.exprs;
    Expr total = exprs.total();
    proveLength(op, typing, op.getSeqlens(), exprs.sub(total, exprs.integer(1)), "seqlens",
                "the index of the last key");
    proveLength(op, typing, op.getTotal(), total, "total", "the number of keys");
    Shape shape(typing.shape(op.getQuery()));
    if (auto last = shape.back().constant(); *key != *value && last) shape.back() = typing.dim(*last / *key * *value);
    typing.setToken(op.getResult(), shape);
    AttentionForm form{0, 0, int64_t(op.getKvHeads()), op.getMask().getWindow()};
    form.keys = setHalf(op, typing, op.getPastKey(), op.getKey(), op.getPresentKey(), *key);
    form.values = setHalf(op, typing, op.getPastValue(), op.getValue(), op.getPresentValue(), *value);
    typing.attention.forms[op] = form;
  }

  /// The cache of one half, and its present.
  static unsigned setHalf(decoder::AttentionOp op, Typing &typing, Value past, Value fresh, Value present,
                          int64_t size) {
    int64_t heads = op.getKvHeads();
    auto argument = dyn_cast_or_null<BlockArgument>(past);
    Type type = cast<RankedTensorType>((past ? past : fresh).getType()).getElementType();
    CachePart part{op, argument, 0, heads * size, fresh, type};
    if (present) setCache(typing, present, {Dim(), typing.dim(heads), typing.totalDim(), typing.dim(size)}, part);
    return cacheOf(typing, part);
  }

  static void provePast(decoder::AttentionOp op, Typing &typing) {
    if (!op.getPastKey() && !typing.exprs.remembersPast()) return;
    if (!op.getPastKey())
      return typing.complain(
          op, "attends to the S new tokens only: it has no past, so a second step would forget the first; "
              "export the model with past key-value inputs");
    for (auto [past, size] : {std::pair(op.getPastKey(), op.getKey()), std::pair(op.getPastValue(), op.getValue())}) {
      const AbstractValue &value = typing[past];
      int64_t heads = op.getKvHeads(), columns = columnsOf(typing.shape(size));
      learnSizes(typing, value.shape, {Dim(), typing.dim(heads), typing.pastDim(), typing.dim(columns / heads)});
      bool fits = value.isHistory() && isa<BlockArgument>(past) && value.shape.size() == 4 &&
                  value.shape[1].constant() == heads && value.shape[2] == typing.pastDim() &&
                  value.shape[3].constant() == columns / heads;
      if (!fits)
        typing.complain(op, "has a past " + print(typing.exprs, value.shape) + " that is no graph input [1, " +
                                Twine(heads) + ", P, d]; it must come straight from the input");
    }
  }

  void lower(decoder::AttentionOp op, RowBuilder &rows) const {
    Value q = rows.rows(op.getQuery()), k = rows.rows(op.getKey()), v = rows.rows(op.getValue());
    if (!q || !k || !v) return;
    const CachePlace &place = rows.place(op);
    if (!place.group) return; // its pairing was reported
    auto made = rows.create<decoder::AttentionOp>(
        op, rows.rowType(rows.width(op.getResult())), Type(), Type(), q, k, v, Value(), Value(), Value(), Value(),
        place.group, rows.builder.getI64IntegerAttr(place.layer), op.getHeadsAttr(), op.getKvHeadsAttr(),
        op.getScaleAttr(), op.getSoftcapAttr(), op.getMaskAttr(), op.getAlibiAttr(), op.getSinksAttr());
    rows.set(op.getResult(), made.getResult());
  }
};

} // namespace

void ingot::infer::attachAttention(MLIRContext *context) { attach<decoder::AttentionOp, AttentionRule>(context); }
