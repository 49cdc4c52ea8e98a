// com.microsoft's Attention (packed projection inside, one past tensor [2, B, H, P, d]) and MultiHeadAttention, as
// graph primitives. What ONNX Runtime hides with its lowest float in a causal mask is -inf here.
#include "compiler/import/Linear.h"
#include "compiler/import/OpTable.h"
#include "compiler/import/ScaledDotProduct.h"

using namespace mlir;
using namespace ingot;
using graph::BinaryKind, graph::CompareKind;

static constexpr int64_t kDynamic = ShapedType::kDynamic;

// Columns [begin, begin + size) of the last dim.
static Value columns(NodeImporter &n, Value x, int64_t begin, int64_t size) {
  return n.create<graph::SliceOp>(x, n.integerVector({begin}), n.integerVector({begin + size}),
                                  ArrayRef<int64_t>{n.rank(x) - 1}, ArrayRef<int64_t>{1});
}

// Element `index` of dim `axis`, which goes.
static Value pick(NodeImporter &n, Value x, int64_t index, int64_t axis) {
  return n.create<graph::GatherOp>(x, n.scalar(double(index), n.builder().getI64Type()), axis);
}

// A mask of integers over keys: [B, T] or [B, S, T], or the number of real keys a row, [B].
static Value maskBias(NodeImporter &n, Value mask, Value keys, float hidden) {
  if (!mask || n.failed()) return {};
  Type f32 = n.builder().getF32Type(), i64 = n.builder().getI64Type();
  Value visible;
  if (!n.require(!n.isFloat(mask), "its mask must be of integers")) return {};
  if (n.rank(mask) == 1) {
    n.require(n.dim(mask, 0) != kDynamic && (n.dim(mask, 0) == n.dim(keys, 0) || n.dim(mask, 0) == 1),
              "a mask of lengths must have a static dim equal to the batch");
    Value count = n.unsqueeze(n.cast(mask, i64), {1});
    visible = n.create<graph::CompareOp>(CompareKind::lt, iota(n, extentOf(n, keys, 2)), count);
  } else {
    n.require(n.rank(mask) == 2 || n.rank(mask) == 3, "a mask of rank " + Twine(n.rank(mask)) + " is not supported");
    visible = n.create<graph::CompareOp>(CompareKind::gt, n.cast(mask, i64), n.scalar(0, i64));
  }
  if (n.failed()) return {};
  Value bias = biasOf(n, visible, f32, hidden);
  return n.unsqueeze(bias, n.rank(bias) == 2 ? SmallVector<int64_t>{1, 2} : SmallVector<int64_t>{1});
}

namespace {
struct Parts {
  Value q, k, v, past; // [B, H, S, d]; keys and values with the past; the past keys, if any
  Value mask, bias;
};
} // namespace

static Value masked(NodeImporter &n, const Parts &parts) {
  float hidden = n.real("mask_filter_value", -10000.0f), scale = n.real("scale", 0.0f);
  bool causal = n.flag("unidirectional", false);
  if (n.failed()) return {};
  ScaledDotProduct attention{parts.q, parts.k, parts.v};
  attention.scale = scale;
  attention.bias = parts.bias ? n.cast(parts.bias, n.builder().getF32Type()) : Value();
  if (causal) {
    Value offset = parts.past ? extentOf(n, parts.past, 2) : n.integerVector({0});
    Value visible = causalMask(n, extentOf(n, parts.q, 2), extentOf(n, parts.k, 2), offset);
    attention.bias = sumOf(n, attention.bias, biasOf(n, visible, n.builder().getF32Type()));
  }
  attention.bias = sumOf(n, attention.bias, maskBias(n, parts.mask, parts.k, hidden));
  return mergeHeads(n, attend(n, attention));
}

// Widths of q, k and v among `total` columns.
static SmallVector<int64_t> hiddenSizes(NodeImporter &n, int64_t total, int64_t heads) {
  SmallVector<int64_t> sizes = n.integers("qkv_hidden_sizes");
  if (sizes.empty() && total != kDynamic) sizes.assign(3, total / 3);
  bool good = sizes.size() == 3 && heads > 0;
  for (size_t i = 0; good && i < 3; ++i) good = sizes[i] > 0 && sizes[i] <= INT32_MAX && sizes[i] % heads == 0;
  n.require(good && sizes[0] + sizes[1] + sizes[2] == total && sizes[0] == sizes[1],
            "its q, k and v do not fit its weight's columns and num_heads");
  return sizes;
}

static void importAttention(NodeImporter &n) {
  n.expect("do_rotary", 0);
  n.expect("past_present_share_buffer", 0);
  n.ignore("rotary_embedding_dim");
  n.refuse(6, "past_sequence_length");
  int64_t heads = n.integer("num_heads");
  Value x = n.input(0), w = n.input(1), past = n.optional(4);
  if (n.failed() || !n.require(n.rank(x) == 3 && n.rank(w) == 2, "needs [B, S, n] and a matrix")) return;
  auto sizes = hiddenSizes(n, n.dim(w, 1), heads);
  Value qkv = project(n, x, w, false, n.optional(2), 1, 2);
  if (n.failed()) return;
  auto head = [&](int64_t begin, int64_t size) { return splitHeads(n, columns(n, qkv, begin, size), heads); };
  Parts parts;
  parts.q = head(0, sizes[0]);
  Value k = head(sizes[0], sizes[1]), v = head(sizes[0] + sizes[1], sizes[2]);
  n.require(!past || n.rank(past) == 5, "its past must be [2, B, heads, P, d]");
  if (n.failed()) return;
  parts.past = past ? pick(n, past, 0, 0) : Value();
  parts.k = appendToPast(n, parts.past, k);
  parts.v = past ? appendToPast(n, pick(n, past, 1, 0), v) : v;
  parts.mask = n.optional(3), parts.bias = n.optional(5);
  n.set(0, masked(n, parts));
  if (!n.wants(1) || n.failed()) return;
  SmallVector<Value> both = {n.unsqueeze(parts.k, {0}), n.unsqueeze(parts.v, {0})};
  if (!n.failed()) n.set(1, n.create<graph::ConcatOp>(ValueRange(both), 0));
}

// q, k and v as [B, heads, S, d] of three operands [B, S, n], of a packed query [B, S, heads, 3, d], of keys and values
// packed [B, S, heads, 2, d], or of keys and values that have their heads split already.
static Parts splitOperands(NodeImporter &n, int64_t heads) {
  Value q = n.input(0), k = n.optional(1), v = n.optional(2), bias = n.optional(3);
  Parts parts;
  if (n.failed()) return parts;
  auto byHead = [&](Value x) { return n.create<graph::TransposeOp>(x, ArrayRef<int64_t>{0, 2, 1, 3}); };
  auto biased = [&](Value x, int64_t begin) {
    return bias ? n.binary(BinaryKind::add, x, columns(n, bias, begin, n.dim(x, -1))) : x;
  };
  bool packed = n.rank(q) == 5 && !k && !v, packedKeys = k && n.rank(k) == 5 && !v && n.rank(q) == 3;
  bool split = k && v && n.rank(k) == 4 && n.rank(v) == 4 && n.rank(q) == 3;
  bool flat = k && v && n.rank(q) == 3 && n.rank(k) == 3 && n.rank(v) == 3;
  n.require(packed || packedKeys || split || flat, "its query, key and value do not have supported shapes");
  n.require(flat || !bias, "a bias beside packed or split keys is not supported");
  n.require(!bias || n.rank(bias) == 1, "its bias must be a vector");
  if (n.failed()) return parts;
  int64_t width = n.dim(q, -1), keyWidth = flat ? n.dim(k, -1) : 0;
  n.require(!bias || (width != kDynamic && keyWidth != kDynamic && n.dim(v, -1) != kDynamic &&
                      n.dim(bias, 0) == width + keyWidth + n.dim(v, -1)),
            "its bias does not fit its operands");
  if (n.failed()) return parts;
  if (packed) {
    parts.q = byHead(pick(n, q, 0, 3)), parts.k = byHead(pick(n, q, 1, 3)), parts.v = byHead(pick(n, q, 2, 3));
  } else if (packedKeys) {
    parts.q = splitHeads(n, q, heads), parts.k = byHead(pick(n, k, 0, 3)), parts.v = byHead(pick(n, k, 1, 3));
  } else if (split) {
    parts.q = splitHeads(n, q, heads), parts.k = k, parts.v = v;
  } else {
    parts.q = splitHeads(n, biased(q, 0), heads);
    parts.k = splitHeads(n, biased(k, width), heads);
    parts.v = splitHeads(n, biased(v, width + keyWidth), heads);
  }
  return parts;
}

static void importMultiHeadAttention(NodeImporter &n) {
  n.refuse(8, "past_sequence_length");
  n.refuse(9, "cache_indirection");
  int64_t heads = n.integer("num_heads");
  Parts parts = splitOperands(n, heads);
  Value pastV = n.optional(7);
  parts.past = n.optional(6), parts.mask = n.optional(4), parts.bias = n.optional(5);
  if (n.failed()) return;
  n.require(n.dim(parts.q, 1) == heads, "its heads do not fit num_heads");
  n.require(bool(pastV) == bool(parts.past) && (!pastV || (n.rank(pastV) == 4 && n.rank(parts.past) == 4)),
            "its past must be two tensors [B, heads, P, d]");
  if (n.failed()) return;
  parts.k = appendToPast(n, parts.past, parts.k), parts.v = appendToPast(n, pastV, parts.v);
  n.set(0, masked(n, parts));
  n.set(1, parts.k);
  n.set(2, parts.v);
}

void ingot::addContribAttentionOps(OpTable &table) {
  table.add("com.microsoft", "Attention", importAttention);
  table.add("com.microsoft", "MultiHeadAttention", importMultiHeadAttention);
}
