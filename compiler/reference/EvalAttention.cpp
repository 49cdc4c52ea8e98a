// decoder.attention in import form: past and new keys side by side, then causal softmax attention per query.
#include "compiler/reference/Evaluator.h"
#include "compiler/reference/numerics.h"
#include "dialects/decoder/Decoder.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;

// [B, kv_heads, P + S, d] of past [B, kv_heads, P, d] and new rows [B, S, kv_heads * d], in the past's element type.
static bool append(Evaluator &e, const Array *past, const Array &fresh, int64_t heads, Array &all) {
  int64_t batch = fresh.shape[0], count = fresh.shape[1], d = fresh.shape[2] / heads, held = past ? past->shape[2] : 0;
  if (past && (past->rank() != 4 || past->shape[0] != batch || past->shape[1] != heads || past->shape[3] != d))
    return e.fail("the past does not fit the new keys");
  all = makeArray(past ? past->element : fresh.element, {batch, heads, held + count, d});
  forEachIndex(all.shape, [&](ArrayRef<int64_t> i, size_t flat) {
    bool old = i[2] < held;
    size_t from = old ? size_t(((i[0] * heads + i[1]) * held + i[2]) * d + i[3])
                      : size_t(((i[0] * count + i[2] - held) * heads + i[1]) * d + i[3]);
    all.reals[flat] = roundTo(all.element, old ? past->reals[from] : fresh.reals[from]);
  });
  return true;
}

namespace {
struct Problem {
  mutable decoder::AttentionOp op; // accessors of ops are not const
  const Array &q, &k, &v;          // [B, S, heads * d], [B, kv_heads, T, d]
  int64_t heads, kvHeads, keyDim, valueDim, past;
  std::vector<float> slopes, sinks; // one a head; empty: none
};
} // namespace

// softmax(cap(scale * q.k)) v of one head of one query, over the keys it sees.
static void attendPlain(const Problem &p, int64_t b, int64_t s, int64_t h, Array &y) {
  int64_t kv = h / (p.heads / p.kvHeads), total = p.k.shape[2], last = p.past + s, window = p.op.getMask().getWindow();
  int64_t first = window > 0 ? std::max<int64_t>(0, last - window + 1) : 0;
  const double *q = p.q.reals.data() + (b * p.q.shape[1] + s) * p.heads * p.keyDim + h * p.keyDim;
  double scale = p.op.getScale().convertToFloat(), cap = p.op.getSoftcap().convertToFloat();
  double high = -std::numeric_limits<double>::infinity(), sum = 0;
  std::vector<double> weight(last + 1, 0.0), out(p.valueDim, 0.0);
  for (int64_t j = first; j <= last; ++j) {
    const double *k = p.k.reals.data() + ((b * p.kvHeads + kv) * total + j) * p.keyDim;
    double score = 0;
    for (int64_t i = 0; i < p.keyDim; ++i) score += q[i] * k[i];
    score *= scale;
    weight[j] = cap > 0 ? cap * std::tanh(score / cap) : score;
    if (!p.slopes.empty()) weight[j] += p.slopes[h] * double(j - last);
    high = std::max(high, weight[j]);
  }
  if (!p.sinks.empty()) high = std::max(high, double(p.sinks[h])), sum = std::exp(p.sinks[h] - high);
  for (int64_t j = first; j <= last; ++j) sum += weight[j] = std::exp(weight[j] - high);
  for (int64_t j = first; j <= last; ++j)
    for (int64_t i = 0; i < p.valueDim; ++i)
      out[i] += weight[j] / sum * p.v.reals[((b * p.kvHeads + kv) * total + j) * p.valueDim + i];
  size_t begin = size_t((b * p.q.shape[1] + s) * p.heads + h) * size_t(p.valueDim);
  for (int64_t i = 0; i < p.valueDim; ++i) y.reals[begin + i] = roundTo(y.element, out[i]);
}

// numerics.h wants keys as rows [position][kv_heads * d].
static std::vector<float> cacheRows(const Array &all, int64_t b) {
  int64_t heads = all.shape[1], total = all.shape[2], d = all.shape[3];
  std::vector<float> rows(size_t(heads * total * d));
  for (int64_t h = 0; h < heads; ++h)
    for (int64_t j = 0; j < total; ++j)
      for (int64_t i = 0; i < d; ++i)
        rows[(j * heads + h) * d + i] = float(all.reals[((b * heads + h) * total + j) * d + i]);
  return rows;
}

static void attendContract(const Problem &p, Array &y) {
  numerics::AttentionShape shape = {size_t(p.heads), size_t(p.kvHeads), size_t(p.keyDim), size_t(p.valueDim),
                                    p.op.getScale().convertToFloat()};
  shape.softcap = p.op.getSoftcap().convertToFloat();
  shape.window = size_t(p.op.getMask().getWindow());
  if (!p.slopes.empty()) shape.slopes = p.slopes.data();
  if (!p.sinks.empty()) shape.sinks = p.sinks.data();
  int64_t count = p.q.shape[1], width = p.heads * p.keyDim, out = p.heads * p.valueDim;
  for (int64_t b = 0; b < p.q.shape[0]; ++b) {
    std::vector<float> k = cacheRows(p.k, b), v = cacheRows(p.v, b), row(static_cast<size_t>(out));
    for (int64_t s = 0; s < count; ++s) {
      const double *from = p.q.reals.data() + (b * count + s) * width;
      std::vector<float> q(from, from + width);
      numerics::attention(shape, q.data(), k.data(), v.data(), size_t(p.past + s), row.data());
      for (int64_t i = 0; i < out; ++i) y.reals[(b * count + s) * out + i] = roundTo(y.element, row[i]);
    }
  }
}

// Slopes and sinks of the op, one a head each.
static bool readPerHead(Evaluator &e, Problem &p) {
  if (p.op.getAlibi()) p.slopes = p.op.getAlibi()->vec();
  if (p.op.getSinks()) {
    auto sinks = e.recipe(*p.op.getSinks());
    if (!sinks) return false;
    if (!sinks->isReal()) return e.fail("the sinks are no real numbers");
    p.sinks.assign(sinks->reals.begin(), sinks->reals.end());
  }
  bool fits = (!p.op.getAlibi() || int64_t(p.slopes.size()) == p.heads) &&
              (!p.op.getSinks() || int64_t(p.sinks.size()) == p.heads);
  return fits || e.fail("slopes and sinks must be one a head");
}

// The graph's claims about lengths, which infer proves, are checked here on values.
static bool checkLengths(Evaluator &e, const Array *seqlens, const Array *total, int64_t length) {
  for (size_t i = 0; seqlens && i < seqlens->size(); ++i)
    if (seqlens->integers[i] != length - 1)
      return e.fail("seqlens_k is " + Twine(seqlens->integers[i]) + " where past and new tokens make " +
                    Twine(length - 1));
  if (total && (total->size() != 1 || total->integers[0] != length))
    return e.fail("total_sequence_length is not the number of past and new tokens, " + Twine(length));
  return true;
}

bool ingot::reference::evaluateAttention(Evaluator &e, Operation *operation, ArrayRef<Array> in,
                                         std::vector<Array> &out, bool &known) {
  auto op = dyn_cast<decoder::AttentionOp>(operation);
  if (!op) return known = false;
  if (op.getCache()) return e.fail("attention over a cache group is beyond import form");
  size_t next = 3;
  auto optional = [&](Value operand) { return operand ? &in[next++] : nullptr; };
  const Array *pastK = optional(op.getPastKey()), *pastV = optional(op.getPastValue());
  const Array *seqlens = optional(op.getSeqlens()), *total = optional(op.getTotal());
  int64_t heads = int64_t(op.getHeads()), kvHeads = int64_t(op.getKvHeads());
  for (size_t i = 0; i < 3; ++i)
    if (in[i].rank() != 3 || in[i].shape[0] != in[0].shape[0] || in[i].shape[1] != in[0].shape[1] ||
        in[i].shape[2] % (i ? kvHeads : heads))
      return e.fail("q, k and v must be [B, S, heads * d]");
  Array k, v, y;
  if (!append(e, pastK, in[1], kvHeads, k) || !append(e, pastV, in[2], kvHeads, v)) return false;
  if (k.shape[2] != v.shape[2] || k.shape[3] * heads != in[0].shape[2]) return e.fail("q, k and v do not fit together");
  Problem problem{op, in[0], k, v, heads, kvHeads, k.shape[3], v.shape[3], k.shape[2] - in[0].shape[1], {}, {}};
  if (!readPerHead(e, problem) || !checkLengths(e, seqlens, total, k.shape[2])) return false;
  y = makeArray(getElementTypeOrSelf(op.getResult().getType()), {in[0].shape[0], in[0].shape[1], heads * v.shape[3]});
  if (e.isContract())
    attendContract(problem, y);
  else
    for (int64_t b = 0; b < in[0].shape[0]; ++b)
      for (int64_t s = 0; s < in[0].shape[1]; ++s)
        for (int64_t h = 0; h < heads; ++h) attendPlain(problem, b, s, h, y);
  out.push_back(std::move(y));
  if (op.getPresentKey()) out.push_back(std::move(k));
  if (op.getPresentValue()) out.push_back(std::move(v));
  return true;
}
