// com.microsoft's GroupQueryAttention as decoder.attention in import form, norms and rotary embedding made explicit.
// With an attention bias it is spelled in graph primitives, like every other attention.
//
// sliding_window_cache = 1 lets a host keep only the window's rows of the past. Which rows a cache keeps is the
// runtime's business here; what is attended is the window either way.
#include "compiler/import/OpTable.h"
#include "compiler/import/Rotary.h"
#include "compiler/import/ScaledDotProduct.h"
#include "dialects/decoder/Decoder.h"
#include <cmath>

using namespace mlir;
using namespace ingot;
using graph::BinaryKind;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

namespace {
struct Heads {
  int64_t query, kv, size;
};
enum Operand {
  query,
  key,
  value,
  pastKey,
  pastValue,
  seqlens,
  total,
  cosTable,
  sinTable,
  positionIds,
  attentionBias,
  headSink,
  keyScale,
  valueScale,
  queryNorm,
  keyNorm
};
struct Mask {
  int64_t window;
  float scale, softcap;
};
} // namespace

// What ONNX Runtime has added and we do not read is refused by name.
static void refuseExtensions(NodeImporter &n) {
  n.refuse(keyScale, "k_scale");
  n.refuse(valueScale, "v_scale");
  n.expect("qk_output", 0);
  n.expect("kv_cache_bit_width", 0);
  n.require(n.text("k_quant_type", "NONE") == "NONE", "a quantised key cache is not supported");
  n.require(n.text("v_quant_type", "NONE") == "NONE", "a quantised value cache is not supported");
}

static Heads readHeads(NodeImporter &n, Value q, bool packed) {
  int64_t heads = n.integer("num_heads"), kv = n.integer("kv_num_heads"), columns = n.dim(q, -1);
  if (n.failed()) return {};
  n.require(n.rank(q) == 3 && columns != kDynamic, "its query must be [B, S, n] with a static n");
  n.require(heads > 0 && kv > 0 && heads <= 65536 && heads % kv == 0, "num_heads must be a multiple of kv_num_heads");
  int64_t parts = n.failed() ? 1 : packed ? heads + 2 * kv : heads;
  n.require(columns % parts == 0, "its heads do not divide " + Twine(columns) + " columns");
  return {heads, kv, columns / parts};
}

// q, k, v of one packed operand, or three operands.
static SmallVector<Value> splitQkv(NodeImporter &n, Value q, const Heads &heads, bool packed) {
  if (!packed) return {q, n.input(key), n.input(value)};
  SmallVector<int64_t> sizes = {heads.query * heads.size, heads.kv * heads.size, heads.kv * heads.size};
  SmallVector<Type> types;
  for (int64_t size : sizes) {
    SmallVector<int64_t> shape(n.type(q).getShape());
    shape.back() = size;
    types.push_back(n.type(q).clone(shape));
  }
  auto split = n.createTyped<decoder::SplitOp>(TypeRange(types), q, ArrayRef<int64_t>(sizes), uint64_t(1));
  return split ? SmallVector<Value>(split.getResults()) : SmallVector<Value>(3);
}

// Positions of the new tokens, [B, S]: seqlens is the last valid index of each row, so token i stands at
// seqlens + 1 - S + i.
static Value newPositions(NodeImporter &n, Value q, Value lengths) {
  Type i64 = n.builder().getI64Type();
  Value count = n.create<graph::ShapeOp>(q, 1, 2);
  Value last = n.create<graph::ReshapeOp>(n.cast(lengths, i64), n.integerVector({-1, 1}), false);
  Value first = n.binary(BinaryKind::sub, n.binary(BinaryKind::add, last, n.integerVector({1})), count);
  Value scalarCount = n.reshape(count, n.integerVector({}));
  return n.binary(BinaryKind::add, first, n.create<graph::RangeOp>(n.scalar(0, i64), scalarCount, n.scalar(1, i64)));
}

// RMS norms over each head of q and k, before the rotary embedding.
static void applyNorms(NodeImporter &n, SmallVectorImpl<Value> &qkv, const Heads &heads) {
  float eps = n.real("qk_norm_epsilon", 1e-6f);
  int64_t groups[] = {heads.query, heads.kv};
  size_t operands[] = {queryNorm, keyNorm};
  for (size_t i = 0; i < 2; ++i) {
    Value gain = n.optional(operands[i]);
    if (!gain || n.failed()) continue;
    n.require(n.rank(gain) == 1 && n.dim(gain, 0) == heads.size && n.isWeight(gain),
              "its norms of q and k must be weights of head_size values");
    auto recipe = n.recipe(gain, n.inputName(operands[i]));
    if (n.failed()) return;
    auto kind = decoder::NormKindAttr::get(&n.context(), decoder::NormKind::rms);
    qkv[i] = n.createOne<decoder::NormOp>(qkv[i].getType(), kind, qkv[i], recipe, FlatSymbolRefAttr(),
                                          n.builder().getF32FloatAttr(eps), n.builder().getI64IntegerAttr(groups[i]));
  }
}

static void applyRotary(NodeImporter &n, SmallVectorImpl<Value> &qkv, const Heads &heads, Value lengths) {
  bool interleaved = n.flag("rotary_interleaved", false);
  Value given = n.optional(positionIds);
  bool rotary = n.flag("do_rotary", false);
  if (!rotary) { // tables are allowed and unused
    (void)n.optional(cosTable);
    (void)n.optional(sinTable);
    return;
  }
  Value positions = given ? given : newPositions(n, qkv[0], lengths);
  qkv[0] = rotateAt(n, qkv[0], positions, cosTable, sinTable, heads.query, interleaved);
  qkv[1] = rotateAt(n, qkv[1], positions, cosTable, sinTable, heads.kv, interleaved);
}

// A logit a head that joins the softmax: the weight given, or zeros for smooth_softmax.
static Value readSinks(NodeImporter &n, const Heads &heads) {
  bool smooth = n.integer("smooth_softmax", 0) == 1; // -1 and 0: off
  Value given = n.optional(headSink);
  if (n.failed() || (!given && !smooth)) return {};
  n.require(!given || (n.rank(given) == 1 && n.dim(given, 0) == heads.query && n.isFloat(given)),
            "its head_sink must have num_heads values");
  if (n.failed() || given) return given;
  auto type = RankedTensorType::get({heads.query}, n.builder().getF32Type());
  return n.literal(DenseElementsAttr::get(type, 0.0f));
}

// [B, kv_heads, T, d] of the past's type, or of the key's without a past.
static Type presentType(NodeImporter &n, Value past, Value fresh, const Heads &heads) {
  Type element = n.element(past ? past : fresh);
  return RankedTensorType::get({n.dim(past ? past : fresh, 0), heads.kv, kDynamic, heads.size}, element);
}

static bool isPast(NodeImporter &n, Value past, const Heads &heads) {
  auto is = [&](int64_t axis, int64_t size) { return n.dim(past, axis) == size || n.dim(past, axis) == kDynamic; };
  return !past || (n.rank(past) == 4 && is(1, heads.kv) && is(3, heads.size));
}

static Mask readMask(NodeImporter &n, const Heads &heads) {
  Mask mask = {n.integer("local_window_size", -1), n.real("scale", 0.0f), n.real("softcap", 0.0f)};
  bool windowed = n.flag("sliding_window_cache", false);
  n.require(mask.window == -1 || (mask.window > 0 && mask.window < INT32_MAX),
            "local_window_size must be -1 or positive");
  n.require(!windowed || mask.window > 0, "sliding_window_cache needs a local_window_size");
  if (mask.scale == 0) mask.scale = 1.0f / std::sqrt(float(heads.size));
  return mask;
}

// The same in graph primitives. Query i stands at seqlens + 1 - S + i, which infer proves to be P + i.
static void spellOut(NodeImporter &n, ArrayRef<Value> qkv, Value pastK, Value pastV, Value lengths, const Heads &heads,
                     const Mask &mask, Value bias, Value sinks) {
  Value k = appendToPast(n, pastK, splitHeads(n, qkv[1], heads.kv));
  Value v = appendToPast(n, pastV, splitHeads(n, qkv[2], heads.kv));
  if (n.failed()) return;
  Type i64 = n.builder().getI64Type();
  Value last = n.create<graph::ReshapeOp>(n.cast(lengths, i64), n.integerVector({-1, 1, 1, 1}), false);
  Value queries = extentOf(n, qkv[0], 1);
  Value offset = n.binary(BinaryKind::sub, n.binary(BinaryKind::add, last, n.integerVector({1})), queries);
  Value visible = causalMask(n, queries, extentOf(n, k, 2), offset, mask.window);
  ScaledDotProduct attention{splitHeads(n, qkv[0], heads.query), k, v, mask.scale, mask.softcap};
  attention.bias = sumOf(n, n.cast(bias, n.builder().getF32Type()), biasOf(n, visible, n.builder().getF32Type()));
  attention.sinks = sinks;
  n.set(0, mergeHeads(n, attend(n, attention)));
  n.set(1, k);
  n.set(2, v);
}

static void importGroupQueryAttention(NodeImporter &n) {
  refuseExtensions(n);
  bool packed = !n.has(key);
  Value q = n.input(query), pastK = n.optional(pastKey), pastV = n.optional(pastValue);
  Value lengths = n.input(seqlens), totalLength = n.input(total), bias = n.optional(attentionBias);
  Heads heads = readHeads(n, q, packed);
  if (n.failed()) return;
  auto qkv = splitQkv(n, q, heads, packed);
  applyNorms(n, qkv, heads);
  applyRotary(n, qkv, heads, lengths);
  Mask mask = readMask(n, heads);
  Value sinks = readSinks(n, heads);
  if (n.failed()) return;
  n.require(n.rank(qkv[1]) == 3 && n.dim(qkv[1], -1) == heads.kv * heads.size && n.type(qkv[2]) == n.type(qkv[1]),
            "its keys and values must be [B, S, kv_num_heads * head_size]");
  n.require(bool(pastK) == bool(pastV) && isPast(n, pastK, heads) && isPast(n, pastV, heads),
            "its past must be [B, kv_num_heads, P, head_size]");
  n.require(!sinks || n.isWeight(sinks), "its head_sink must be a weight of the model");
  if (n.failed()) return;
  if (bias) return spellOut(n, qkv, pastK, pastV, lengths, heads, mask, bias, sinks);
  auto attr = decoder::MaskAttr::get(&n.context(), std::max<int64_t>(mask.window, 0));
  Type keyType = n.wants(1) ? presentType(n, pastK, qkv[1], heads) : Type();
  Type valueType = n.wants(2) ? presentType(n, pastV, qkv[2], heads) : Type();
  auto sinkRecipe = n.recipe(sinks, n.inputName(headSink).empty() ? "zeros" : n.inputName(headSink));
  auto op = n.createTyped<decoder::AttentionOp>(qkv[0].getType(), keyType, valueType, qkv[0], qkv[1], qkv[2], pastK,
                                                pastV, lengths, totalLength, FlatSymbolRefAttr(), IntegerAttr(),
                                                uint64_t(heads.query), uint64_t(heads.kv), llvm::APFloat(mask.scale),
                                                llvm::APFloat(mask.softcap), attr, DenseF32ArrayAttr(), sinkRecipe);
  if (!op) return;
  n.set(0, op.getResult());
  n.set(1, op.getPresentKey());
  n.set(2, op.getPresentValue());
}

void ingot::addAttentionOps(OpTable &table) {
  table.add("com.microsoft", "GroupQueryAttention", importGroupQueryAttention);
}
