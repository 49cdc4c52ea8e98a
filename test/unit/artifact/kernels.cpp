#include "test/unit/artifact/kernels.h"

#include <algorithm>

namespace ingot::test {
namespace {

float *floats(const ingot_args *args, int slot) { return reinterpret_cast<float *>(args->slot[slot]); }

// Rows of a rows grid's item: tile * units + unit.
struct Tile {
  uint64_t first, last, unit;
  Tile(uint64_t item, uint64_t units, uint64_t per, uint64_t rows)
      : first(item / units * per), last(std::min(first + per, rows)), unit(item % units) {}
};

float *cached(const ingot_batch &batch, uint32_t segment, uint64_t position, uint64_t layer, uint64_t page_tokens) {
  const ingot_kv_view &kv = batch.kv[0];
  uint64_t page = kv.block_table[segment * kv.table_stride + position / page_tokens];
  uint8_t *base = kv.pool + page * (toy_layers * page_tokens * 64);
  return reinterpret_cast<float *>(base) + (layer * page_tokens + position % page_tokens) * toy_hidden;
}

int32_t embed(const ingot_args *args, uint64_t begin, uint64_t end, void *) {
  const ingot_batch &batch = *args->batch;
  for (uint64_t item = begin; item < end; ++item) {
    Tile tile(item, 1, 4, args->rows);
    for (uint64_t r = tile.first; r < tile.last; ++r)
      for (uint32_t i = 0; i < toy_hidden; ++i)
        floats(args, 0)[r * 16 + i] = floats(args, 1)[batch.token[r] * 16 + i] + float(batch.position[r]) * 0.03125f;
  }
  return 0;
}

int32_t prepare(const ingot_args *args, uint64_t begin, uint64_t end, void *scratch) {
  static_cast<uint8_t *>(scratch)[99] = 1; // the scratch that the plan asks for is there
  for (uint64_t item = begin; item < end; ++item) {
    Tile tile(item, 1, 2, args->rows);
    for (uint64_t r = tile.first; r < tile.last; ++r)
      for (uint32_t i = 0; i < toy_hidden; ++i)
        floats(args, 2)[r * 16 + i] = floats(args, 0)[r * 16 + i] * 0.5f + 0.25f;
  }
  return 0;
}

// Variants differ in rows an item: 1 row for a single one, else 8.
int32_t linear(const ingot_args *args, uint64_t begin, uint64_t end, void *) {
  uint64_t per = args->rows == 1 ? 1 : 8;
  for (uint64_t item = begin; item < end; ++item) {
    Tile tile(item, 4, per, args->rows);
    for (uint64_t r = tile.first; r < tile.last; ++r)
      for (uint64_t o = tile.unit * 4; o < tile.unit * 4 + 4; ++o) {
        float sum = 0;
        for (uint32_t i = 0; i < toy_hidden; ++i) sum += floats(args, 2)[r * 16 + i] * floats(args, 3)[o * 16 + i];
        floats(args, 1)[r * 16 + o] = sum;
      }
  }
  return 0;
}

int32_t append(const ingot_args *args, uint64_t begin, uint64_t end, void *) {
  const ingot_batch &batch = *args->batch;
  for (uint64_t item = begin; item < end; ++item) {
    Tile tile(item, 1, 4, args->rows);
    for (uint64_t r = tile.first; r < tile.last; ++r) {
      if (batch.segment[r] < 0) continue;
      float *to = cached(batch, uint32_t(batch.segment[r]), uint64_t(batch.position[r]), args->slot[1], args->slot[2]);
      std::copy_n(floats(args, 0) + r * 16, toy_hidden, to);
    }
  }
  return 0;
}

// x += mean of the cached rows that the query sees.
int32_t attend(const ingot_args *args, uint64_t begin, uint64_t end, void *) {
  const ingot_batch &batch = *args->batch;
  for (uint64_t item = begin; item < end; ++item) {
    const ingot_q_tile &tile = batch.q_tile[item];
    for (uint64_t r = tile.first_row; r < tile.first_row + tile.n_rows; ++r) {
      uint64_t position = uint64_t(batch.position[r]), window = args->slot[4];
      uint64_t from = window && position + 1 > window ? position + 1 - window : 0;
      float sum[toy_hidden] = {};
      for (uint64_t p = from; p <= position; ++p)
        for (uint32_t i = 0; i < toy_hidden; ++i)
          sum[i] += cached(batch, tile.segment, p, args->slot[2], args->slot[3])[i];
      for (uint32_t i = 0; i < toy_hidden; ++i) floats(args, 1)[r * 16 + i] += sum[i] / float(position - from + 1);
    }
  }
  return 0;
}

int32_t logits(const ingot_args *args, uint64_t begin, uint64_t end, void *) {
  for (uint64_t item = begin; item < end; ++item) {
    Tile tile(item, 5, 4, args->rows);
    for (uint64_t r = tile.first; r < tile.last; ++r)
      for (uint64_t v = tile.unit * 8; v < tile.unit * 8 + 8; ++v) {
        float sum = 0;
        const float *x = floats(args, 1) + args->batch->logit_row[r] * 16;
        for (uint32_t i = 0; i < toy_hidden; ++i) sum += x[i] * floats(args, 2)[v * 16 + i];
        floats(args, 0)[r * toy_vocab + v] = sum;
      }
  }
  return 0;
}

} // namespace

const ingot_kernel toy_kernel_functions[toy_kernels] = {embed, prepare, linear, append, attend, logits};

} // namespace ingot::test
