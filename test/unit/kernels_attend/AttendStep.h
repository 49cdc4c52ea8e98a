// Attention steps with known answers: several sequences, pages in disorder, stale slots full of NaN.
#pragma once
#include "compiler/kernels/cpu/Attend.h"
#include "compiler/reference/numerics.h"
#include "compiler/weights/float16.h"
#include "runtime/format/abi.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace ingot::cpu {

struct Case {
  const char *name;
  uint64_t heads, kvHeads, keyDim, valueDim;
  uint64_t elementBytes;
  float softcap = 0;
  uint64_t window = 0;
  bool alibi = false, sinks = false;
  float scale = 0.125f;
  bool bf16 = false; // a cache of 2 bytes
};

inline const Case allCases[] = {
    {"smollm2", 9, 3, 64, 64, 2},
    {"mha_f32", 4, 4, 8, 8, 4},
    {"gqa_window", 8, 2, 16, 24, 2, 0, 45},
    {"mqa_softcap", 13, 1, 32, 128, 4, 5.0f},
    {"long_window", 6, 2, 24, 16, 4, 3.0f, 200},
    {"odd_dims", 2, 2, 20, 12, 2},
    {"bloom", 6, 6, 80, 80, 4, 0, 0, true, false, 0.1118f},
    {"falcon_mqa", 71, 1, 64, 64, 2, 0, 0, true},
    {"gpt_oss", 16, 2, 64, 64, 2, 0, 128, false, true},
    {"tiny_window", 4, 2, 8, 24, 4, 2.0f, 3, false, true},
    {"window_of_one", 2, 1, 12, 8, 4, 0, 1},
    {"all_at_once", 6, 2, 24, 40, 2, 7.0f, 70, true, true, -0.3f},
    {"phi", 5, 5, 96, 96, 2, 0, 2047},
    {"deepseek", 3, 3, 192, 128, 4},
    {"gemma", 4, 1, 256, 256, 2, 50.0f, 140},
    {"wide", 3, 1, 112, 112, 4},
    {"brain", 6, 2, 64, 64, 2, 0, 0, false, false, 0.125f, true},
    {"brain_odd", 4, 2, 24, 20, 2, 0, 70, true, true, 0.2f, true},
};

inline constexpr uint64_t kLayers = 2, kLayer = 1, kMaxPages = 40;

// Geometric, as people have them; no two are equal.
inline std::vector<float> slopesOf(const Case &c) {
  std::vector<float> slopes;
  for (uint64_t h = 0; h < c.heads; ++h) slopes.push_back(std::exp2(-8.0f * float(h + 1) / float(c.heads)));
  return slopes;
}

// From negligible to dominant; one is off.
inline std::vector<float> sinksOf(const Case &c) {
  std::vector<float> sinks;
  for (uint64_t h = 0; h < c.heads; ++h) sinks.push_back(float(h) * 1.7f - 3.0f);
  sinks[1] = -std::numeric_limits<float>::infinity();
  return sinks;
}

inline AttendShape shapeOf(const Case &c) {
  AttendShape shape;
  shape.kv.group = 1;
  shape.kv.layers = kLayers, shape.kv.kvHeads = c.kvHeads;
  shape.kv.keyDim = c.keyDim, shape.kv.valueDim = c.valueDim, shape.kv.elementBytes = c.elementBytes;
  shape.kv.bf16 = c.bf16;
  shape.heads = c.heads, shape.scale = c.scale, shape.softcap = c.softcap, shape.window = c.window;
  if (c.alibi) shape.slopes = slopesOf(c);
  shape.queryStride = (c.heads * c.keyDim * 4 + 63) / 64 * 64;
  shape.resultStride = (c.heads * c.valueDim * 4 + 63) / 64 * 64;
  return shape;
}

// A sequence: `past` cached tokens and `fresh` new ones, whose keys and values are already in the pages.
struct Sequence {
  uint64_t past, fresh;
  std::vector<float> keys, values; // [past + fresh][kvHeads * dim], rounded to the cache's type
};

class Step {
public:
  Step(const Case &c, std::vector<Sequence> list) : c(c), shape(shapeOf(c)), sequences(std::move(list)), random(99) {
    uint64_t pages = sequences.size() * kMaxPages;
    pool.assign(pages * shape.kv.pageBytes() + 64, 0xff); // NaN in f32 and f16
    for (uint32_t page = 0; page < pages; ++page) table.push_back(page);
    std::shuffle(table.begin(), table.end(), random);
    for (uint32_t s = 0; s < sequences.size(); ++s) fill(s);
    fillRows();
  }

  uint64_t rows() const { return position.size(); }
  uint64_t queryTiles() const { return tiles.size(); }
  uint64_t longest() const { return *std::max_element(length.begin(), length.end()); }

  // The same step without all but the first rows of its only sequence; the cache keeps what lies behind them.
  Step firstRows(uint64_t rows) const {
    Step less = *this;
    less.position.resize(rows), less.segment.resize(rows);
    less.length[0] = uint32_t(less.position.back()) + 1;
    less.tiles.resize((rows + kQueryTileRows - 1) / kQueryTileRows);
    less.tiles.back().n_rows = uint32_t(rows - less.tiles.back().first_row);
    realign(pool, less.pool), realign(queries, less.queries);
    return less;
  }

  // The row results, all row strides' padding included, of launch(args). Slots: queries, results, layer, sinks,
  // `partials`.
  template <class Launch> std::vector<uint8_t> run(uint64_t splits, void *partials, Launch launch) {
    std::vector<uint8_t> result(rows() * shape.resultStride + 64, 0);
    ingot_kv_view views[2] = {{}, {aligned(pool), table.data(), kMaxPages}};
    ingot_batch batch = {};
    batch.n_tokens = batch.n_rows = rows();
    batch.n_segs = sequences.size(), batch.n_q_tiles = tiles.size(), batch.n_splits = splits;
    batch.position = position.data(), batch.q_tile = tiles.data(), batch.kv = views;
    batch.segment = segment.data(), batch.kv_len = length.data();
    std::vector<float> sinks = sinksOf(c);
    uint64_t args[] = {uint64_t(&batch),          rows(), uint64_t(aligned(queries)),
                       uint64_t(aligned(result)), kLayer, uint64_t(sinks.data()),
                       uint64_t(partials)};
    launch(reinterpret_cast<ingot_args *>(args));
    return {aligned(result), aligned(result) + rows() * shape.resultStride};
  }

  // Rows whose [heads * valueDim] values are wrong(expected, result).
  template <class Wrong> size_t count(const std::vector<uint8_t> &result, Wrong wrong) {
    numerics::AttentionShape reference{.heads = c.heads,
                                       .kvHeads = c.kvHeads,
                                       .keyDim = c.keyDim,
                                       .valueDim = c.valueDim,
                                       .scale = shape.scale,
                                       .softcap = c.softcap,
                                       .window = c.window};
    std::vector<float> slopes = slopesOf(c), sinks = sinksOf(c);
    if (c.alibi) reference.slopes = slopes.data();
    if (c.sinks) reference.sinks = sinks.data();
    std::vector<float> expected(c.heads * c.valueDim);
    size_t row = 0, bad = 0;
    for (const Sequence &s : sequences)
      for (uint64_t i = 0; i < s.fresh; ++i, ++row) {
        auto *q = reinterpret_cast<const float *>(aligned(queries) + row * shape.queryStride);
        numerics::attention(reference, q, s.keys.data(), s.values.data(), s.past + i, expected.data());
        bad += wrong(expected, reinterpret_cast<const float *>(&result[row * shape.resultStride]));
      }
    return bad;
  }

  // In the pages of the first sequence, all kv heads: value `column` at `position` becomes
  // infinite. The reference does not know of it.
  void spoilValue(uint64_t position, uint64_t column) {
    for (uint64_t h = 0; h < c.kvHeads; ++h) {
      uint8_t *to = valueAddress(0, position, h) + column * c.elementBytes;
      put(to, std::numeric_limits<float>::infinity());
    }
  }

private:
  // A copied vector may begin elsewhere between two lines.
  static void realign(const std::vector<uint8_t> &from, std::vector<uint8_t> &to) {
    const uint8_t *first = reinterpret_cast<const uint8_t *>((uintptr_t(from.data()) + 63) & ~uintptr_t(63));
    std::copy_n(first, from.size() - 64, aligned(to));
  }

  static uint8_t *aligned(std::vector<uint8_t> &v) {
    return reinterpret_cast<uint8_t *>((uintptr_t(v.data()) + 63) & ~uintptr_t(63));
  }

  float put(uint8_t *to, float v) {
    if (c.elementBytes == 4) return memcpy(to, &v, 4), v;
    uint16_t half = c.bf16 ? bfloatFromFloat(v) : halfFromFloat(v);
    return memcpy(to, &half, 2), c.bf16 ? floatFromBfloat(half) : floatFromHalf(half);
  }

  uint8_t *headAddress(uint32_t s, uint64_t position, uint64_t h) {
    const KvLayout &kv = shape.kv;
    return aligned(pool) + table[s * kMaxPages + position / kPageTokens] * kv.pageBytes() + kLayer * kv.layerBytes() +
           h * kv.headBytes();
  }
  uint8_t *valueAddress(uint32_t s, uint64_t position, uint64_t h) {
    return headAddress(s, position, h) + shape.kv.valuesOffset() + position % kPageTokens * shape.kv.valueRowBytes();
  }

  void fill(uint32_t s) {
    std::normal_distribution<float> normal;
    Sequence &sequence = sequences[s];
    const KvLayout &kv = shape.kv;
    for (uint64_t p = 0; p < sequence.past + sequence.fresh; ++p)
      for (uint64_t h = 0; h < c.kvHeads; ++h) {
        uint8_t *head = headAddress(s, p, h);
        uint64_t t = p % kPageTokens;
        for (uint64_t d = 0; d < c.keyDim; ++d)
          sequence.keys.push_back(
              put(head + t / 16 * kv.keyBlockBytes() + d * kv.keyDimBytes() + t % 16 * kv.elementBytes,
                  2 * normal(random)));
        for (uint64_t d = 0; d < c.valueDim; ++d)
          sequence.values.push_back(put(valueAddress(s, p, h) + d * kv.elementBytes, normal(random)));
      }
  }

  void fillRows() {
    std::normal_distribution<float> normal;
    for (uint32_t s = 0; s < sequences.size(); ++s) {
      length.push_back(uint32_t(sequences[s].past + sequences[s].fresh));
      for (uint64_t i = 0; i < sequences[s].fresh; ++i) {
        if (i % kQueryTileRows == 0) tiles.push_back({s, uint32_t(position.size()), 0, 0});
        ++tiles.back().n_rows;
        position.push_back(int32_t(sequences[s].past + i));
        segment.push_back(int32_t(s));
      }
    }
    queries.resize(position.size() * shape.queryStride + 64);
    auto *q = reinterpret_cast<float *>(aligned(queries));
    for (uint64_t i = 0; i < position.size() * shape.queryStride / 4; ++i) q[i] = normal(random);
  }

  const Case &c;
  AttendShape shape;
  std::vector<Sequence> sequences;
  std::mt19937 random;
  std::vector<uint8_t> pool, queries;
  std::vector<uint32_t> table, length;
  std::vector<int32_t> position, segment;
  std::vector<ingot_q_tile> tiles;
};

} // namespace ingot::cpu
