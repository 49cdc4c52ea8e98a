// Attention of the numerics contract: softmax over tiles of 128 absolute positions.
#include "compiler/reference/numerics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ingot::numerics {
namespace {

constexpr size_t tileTokens = 128;

// Keys [begin, end) of one tile as one head sees them.
struct Tile {
  size_t begin, end;
};

// Running or per-tile softmax: largest score, sum of exponentials, weighted values.
struct Partial {
  float m = -std::numeric_limits<float>::infinity(), l = 0;
  std::vector<float> o;
};

float score(const AttentionShape &shape, size_t head, const float *q, const float *key, size_t j, size_t position) {
  float s = 0;
  for (size_t d = 0; d < shape.keyDim; ++d) s = std::fma(q[d], key[d], s);
  s = s * shape.scale;
  if (shape.softcap != 0) s = softcap(s, shape.softcap);
  if (shape.slopes)
    s = std::fma(shape.slopes[head], static_cast<float>(static_cast<int64_t>(j) - static_cast<int64_t>(position)), s);
  return s;
}

Partial attendTile(const AttentionShape &shape, size_t head, const float *q, const float *k, const float *v, Tile tile,
                   size_t position) {
  size_t kv = head / (shape.heads / shape.kvHeads);
  float p[tileTokens] = {};
  Partial out{.o = std::vector<float>(shape.valueDim, 0.0f)};
  size_t origin = tile.begin / tileTokens * tileTokens;
  for (size_t j = tile.begin; j < tile.end; ++j) {
    p[j - origin] = score(shape, head, q, k + (j * shape.kvHeads + kv) * shape.keyDim, j, position);
    if (out.m < p[j - origin]) out.m = p[j - origin];
  }
  for (size_t j = tile.begin; j < tile.end; ++j) p[j - origin] = exp(p[j - origin] - out.m);
  out.l = rowSum(p, tileTokens);
  for (size_t j = tile.begin; j < tile.end; ++j)
    for (size_t d = 0; d < shape.valueDim; ++d)
      out.o[d] = std::fma(p[j - origin], v[(j * shape.kvHeads + kv) * shape.valueDim + d], out.o[d]);
  return out;
}

void combine(Partial &sum, const Partial &tile) {
  float m = sum.m < tile.m ? tile.m : sum.m;
  float alpha = exp(sum.m - m), beta = exp(tile.m - m);
  sum.l = std::fma(sum.l, alpha, tile.l * beta);
  for (size_t d = 0; d < sum.o.size(); ++d) sum.o[d] = std::fma(sum.o[d], alpha, tile.o[d] * beta);
  sum.m = m;
}

// A sink is one more (m, l) = (sink, 1) without values.
void joinSink(Partial &sum, float sink) {
  float m = sum.m < sink ? sink : sum.m;
  float alpha = exp(sum.m - m);
  sum.l = std::fma(sum.l, alpha, exp(sink - m));
  for (float &o : sum.o) o *= alpha;
}

} // namespace

void attention(const AttentionShape &shape, const float *q, const float *k, const float *v, size_t position,
               float *out) {
  size_t first = shape.window && position + 1 > shape.window ? position + 1 - shape.window : 0;
  for (size_t head = 0; head < shape.heads; ++head) {
    Partial sum{.o = std::vector<float>(shape.valueDim, 0.0f)};
    for (size_t origin = first / tileTokens * tileTokens; origin <= position; origin += tileTokens) {
      Tile tile{std::max(origin, first), std::min(origin + tileTokens, position + 1)};
      combine(sum, attendTile(shape, head, q + head * shape.keyDim, k, v, tile, position));
    }
    if (shape.sinks) joinSink(sum, shape.sinks[head]);
    float inverse = 1.0f / sum.l;
    for (size_t d = 0; d < shape.valueDim; ++d) out[head * shape.valueDim + d] = sum.o[d] * inverse;
  }
}

} // namespace ingot::numerics
