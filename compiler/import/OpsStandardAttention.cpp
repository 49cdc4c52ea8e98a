// ONNX's own Attention (opset 23 on) and TensorScatter, its cache update, as graph primitives: the function body of the
// standard, with one scale on the scores instead of its root on both sides.
#include "compiler/import/OpTable.h"
#include "compiler/import/ScaledDotProduct.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind, graph::CompareKind;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

namespace {
enum Operand { query, key, value, mask, pastKey, pastValue, nonPad };
} // namespace

// attn_mask as something to add. From opset 24 on it may be shorter than the keys; what it does not cover is hidden.
static Value maskBias(NodeImporter &n, Value keys) {
  Value given = n.optional(mask);
  if (!given || n.failed()) return {};
  Type f32 = n.builder().getF32Type();
  Value bias = n.isFloat(given) ? given : biasOf(n, given, f32);
  n.require(n.isFloat(given) || n.element(given).isInteger(1), "attn_mask must be boolean or of floats");
  if (n.opset < 24 || n.failed() || n.rank(given) == 0) return bias;
  int64_t columns = n.dim(given, -1), wanted = n.dim(keys, 2);
  bool dynamic = columns == kDynamic || wanted == kDynamic;
  if (columns == wanted && !dynamic) return bias;
  if (dynamic && columns != 1 && !n.has(nonPad)) return bias; // only an external cache is wider than its mask
  Value missing = n.binary(BinaryKind::sub, extentOf(n, keys, 2), extentOf(n, given, -1));
  SmallVector<Value> pads = {n.integerVector({0}), missing};
  if (n.failed()) return {};
  Value hidden = n.scalar(-std::numeric_limits<double>::infinity(), n.element(bias));
  return n.create<graph::PadOp>(bias, n.create<graph::ConcatOp>(ValueRange(pads), 0), hidden,
                                ArrayRef<int64_t>{n.rank(bias) - 1}, graph::PadMode::constant);
}

// How many keys precede the first query, as something that broadcasts to [B, H, S, T].
static Value causalOffset(NodeImporter &n, Value q, Value past, Value lengths) {
  if (past) return extentOf(n, past, 2);
  if (!lengths) return n.integerVector({0});
  Value offset = n.binary(BinaryKind::sub, n.cast(lengths, n.builder().getI64Type()), extentOf(n, q, 2));
  return n.unsqueeze(offset, {1, 2, 3});
}

// Keys at or beyond nonpad_kv_seqlen are padding: [B, 1, 1, T].
static Value paddingBias(NodeImporter &n, Value keys, Value lengths) {
  if (!lengths) return {};
  Value count = n.unsqueeze(n.cast(lengths, n.builder().getI64Type()), {1});
  Value real = n.create<graph::CompareOp>(CompareKind::lt, iota(n, extentOf(n, keys, 2)), count);
  return n.unsqueeze(biasOf(n, real, n.builder().getF32Type()), {1, 2});
}

// Biases of different float types meet in f32.
static Value widened(NodeImporter &n, Value bias) {
  return bias && n.element(bias).isF64() ? bias : n.cast(bias, n.builder().getF32Type());
}

static void importAttention(NodeImporter &n) {
  Value q = n.input(query), k = n.input(key), v = n.input(value), pastK = n.optional(pastKey);
  Value pastV = n.optional(pastValue), lengths = n.optional(nonPad);
  bool causal = n.flag("is_causal", false), flat = n.rank(q) == 3;
  int64_t heads = n.integer("q_num_heads", 0), kvHeads = n.integer("kv_num_heads", 0);
  int64_t mode = n.integer("qk_matmul_output_mode", 0);
  ScaledDotProduct attention;
  attention.scale = n.real("scale", 0.0f);
  attention.softcap = n.real("softcap", 0.0f);
  if (n.hasAttribute("softmax_precision")) (void)n.elementOf(n.integer("softmax_precision")); // ours is f32 at least
  if (n.failed()) return;
  bool ranked = n.rank(k) == n.rank(q) && n.rank(v) == n.rank(q) && (flat || n.rank(q) == 4);
  n.require(ranked, "its q, k and v must all be [B, S, n] or all [B, heads, S, d]");
  n.require(bool(pastK) == bool(pastV), "past_key and past_value must come together");
  n.require(!lengths || (!pastK && n.rank(lengths) == 1), "nonpad_kv_seqlen must be a vector, without a past");
  n.require(mode >= 0 && mode <= 3, "qk_matmul_output_mode must be 0 to 3");
  if (n.failed()) return;
  if (flat) q = splitHeads(n, q, heads), k = splitHeads(n, k, kvHeads), v = splitHeads(n, v, kvHeads);
  Value keys = appendToPast(n, pastK, k), values = appendToPast(n, pastV, v);
  if (n.failed()) return;
  attention.q = q, attention.k = keys, attention.v = values;
  attention.bias = widened(n, maskBias(n, keys));
  if (causal) {
    Value visible = causalMask(n, extentOf(n, q, 2), extentOf(n, keys, 2), causalOffset(n, q, pastK, lengths));
    attention.bias = sumOf(n, attention.bias, biasOf(n, visible, n.builder().getF32Type()));
  }
  attention.bias = sumOf(n, attention.bias, paddingBias(n, keys, lengths));
  AttentionScores scores;
  Value y = attend(n, attention, &scores);
  n.set(0, flat ? mergeHeads(n, y) : y);
  n.set(1, keys);
  n.set(2, values);
  Value places[] = {scores.raw, scores.capped, scores.biased, scores.probabilities};
  if (n.wants(3)) n.set(3, n.cast(places[mode], n.element(q)));
}

// update written over the cache along `axis`, from write_indices[b] on. circular: positions wrap at the cache's end.
static void importTensorScatter(NodeImporter &n) {
  Value cache = n.input(0), update = n.input(1), indices = n.optional(2);
  int64_t rank = n.rank(cache), axis = n.axis(n.integer("axis", -2), rank);
  std::string mode = n.text("mode", "linear");
  Type i64 = n.builder().getI64Type();
  if (n.failed()) return;
  n.require(mode == "linear" || mode == "circular", "mode must be linear or circular");
  n.require(axis > 0 && n.rank(update) == rank,
            "its axis must not be the batch, and its update needs the cache's rank");
  n.require(!indices || n.rank(indices) == 1, "write_indices must be a vector");
  if (n.failed()) return;
  auto along = [&](Value x, int64_t at) { // a vector along dim `at` of the cache's rank
    SmallVector<int64_t> axes;
    for (int64_t i = 0; i < rank; ++i)
      if (i != at) axes.push_back(i);
    return n.unsqueeze(x, axes);
  };
  Value position = along(iota(n, extentOf(n, update, axis)), axis);
  if (indices) position = n.binary(BinaryKind::add, position, along(n.cast(indices, i64), 0));
  if (mode == "circular") position = n.binary(BinaryKind::mod, position, extentOf(n, cache, axis));
  position = n.create<graph::ExpandOp>(position, n.shapeOf(update));
  n.set(0, n.create<graph::ScatterElementsOp>(cache, position, update, axis, graph::ScatterReduction::none));
}

void ingot::addStandardAttentionOps(OpTable &table) {
  table.add("", "Attention", importAttention, 23);
  table.add("", "TensorScatter", importTensorScatter, 24);
}
