// The hand-made model's kernels (test/unit/artifact/kernels.cpp) for a GPU, with the same bits. make_ptx.sh turns this
// file into toy_80.ptx and toy_90.ptx, which are what the tests read: building them needs no NVPTX back end.
#include "runtime/format/abi.h"

namespace {

constexpr uint32_t hidden = 16, layers = 2, vocab = 40;

uint32_t thread() { return uint32_t(__nvvm_read_ptx_sreg_tid_x()); }
uint32_t threads() { return uint32_t(__nvvm_read_ptx_sreg_ntid_x()); }
uint64_t cta() { return uint64_t(__nvvm_read_ptx_sreg_ctaid_x()); }
uint64_t ctas() { return uint64_t(__nvvm_read_ptx_sreg_nctaid_x()); }

// Lets the next kernel begin, and waits for the one before.
void begin() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

float *floats(const ingot_args *args, int slot) { return reinterpret_cast<float *>(args->slot[slot]); }

// Rows of a rows grid's item: tile * units + unit.
struct Tile {
  uint64_t first, last, unit;
  Tile(uint64_t item, uint64_t units, uint64_t per, uint64_t rows)
      : first(item / units * per), last(first + per < rows ? first + per : rows), unit(item % units) {}
};

uint64_t items(uint64_t units, uint64_t per, uint64_t rows) { return (rows + per - 1) / per * units; }

float *cached(const ingot_batch &batch, uint32_t segment, uint64_t position, uint64_t layer, uint64_t page_tokens) {
  const ingot_kv_view &kv = batch.kv[0];
  uint64_t page = kv.block_table[segment * kv.table_stride + position / page_tokens];
  uint8_t *base = kv.pool + page * (layers * page_tokens * 64);
  return reinterpret_cast<float *>(base) + (layer * page_tokens + position % page_tokens) * hidden;
}

} // namespace

#define KERNEL extern "C" __attribute__((nvptx_kernel)) void

KERNEL embed(const ingot_args *args, void *) {
  begin();
  const ingot_batch &batch = *args->batch;
  for (uint64_t item = cta(); item < items(1, 4, args->rows); item += ctas()) {
    Tile tile(item, 1, 4, args->rows);
    for (uint64_t at = tile.first * hidden + thread(); at < tile.last * hidden; at += threads()) {
      uint64_t r = at / hidden, i = at % hidden;
      floats(args, 0)[at] = floats(args, 1)[batch.token[r] * hidden + i] + float(batch.position[r]) * 0.03125f;
    }
  }
}

KERNEL prepare(const ingot_args *args, void *scratch) {
  begin();
  if (thread() == 0) static_cast<uint8_t *>(scratch)[cta() * 100 + 99] = 1;
  for (uint64_t item = cta(); item < items(1, 2, args->rows); item += ctas()) {
    Tile tile(item, 1, 2, args->rows);
    for (uint64_t at = tile.first * hidden + thread(); at < tile.last * hidden; at += threads())
      floats(args, 2)[at] = floats(args, 0)[at] * 0.5f + 0.25f;
  }
}

static void linear(const ingot_args *args, uint64_t per) {
  for (uint64_t item = cta(); item < items(4, per, args->rows); item += ctas()) {
    Tile tile(item, 4, per, args->rows);
    for (uint64_t at = thread(); at < (tile.last - tile.first) * 4; at += threads()) {
      uint64_t r = tile.first + at / 4, o = tile.unit * 4 + at % 4;
      float sum = 0;
      for (uint32_t i = 0; i < hidden; ++i) sum += floats(args, 2)[r * hidden + i] * floats(args, 3)[o * hidden + i];
      floats(args, 1)[r * hidden + o] = sum;
    }
  }
}

// For one row, and for more; a grid made for one variant never runs the other.
KERNEL linear_1(const ingot_args *args, void *) {
  begin();
  linear(args, 1);
}
KERNEL linear_8(const ingot_args *args, void *) {
  begin();
  linear(args, 8);
}

KERNEL append(const ingot_args *args, void *) {
  begin();
  const ingot_batch &batch = *args->batch;
  for (uint64_t item = cta(); item < items(1, 4, args->rows); item += ctas()) {
    Tile tile(item, 1, 4, args->rows);
    for (uint64_t at = tile.first * hidden + thread(); at < tile.last * hidden; at += threads()) {
      uint64_t r = at / hidden;
      if (batch.segment[r] < 0) continue;
      uint64_t position = uint64_t(batch.position[r]);
      cached(batch, uint32_t(batch.segment[r]), position, args->slot[1], args->slot[2])[at % hidden] =
          floats(args, 0)[at];
    }
  }
}

// The sum of cached rows [from, to) of a query's row, column by column.
static float sum_of(const ingot_args *args, uint32_t segment, uint64_t from, uint64_t to, uint32_t i) {
  float sum = 0;
  for (uint64_t p = from; p < to; ++p) sum += cached(*args->batch, segment, p, args->slot[2], args->slot[3])[i];
  return sum;
}

// x += mean of the cached rows that the query sees.
KERNEL attend(const ingot_args *args, void *) {
  begin();
  const ingot_batch &batch = *args->batch;
  for (uint64_t item = cta(); item < batch.n_q_tiles; item += ctas()) {
    const ingot_q_tile &tile = batch.q_tile[item];
    for (uint64_t at = thread(); at < uint64_t(tile.n_rows) * hidden; at += threads()) {
      uint64_t r = tile.first_row + at / hidden, position = uint64_t(batch.position[r]), window = args->slot[4];
      uint64_t from = window && position + 1 > window ? position + 1 - window : 0;
      uint32_t i = at % hidden;
      floats(args, 1)[r * hidden + i] += sum_of(args, tile.segment, from, position + 1, i) / float(position - from + 1);
    }
  }
}

// Partial sums of each split, for finish to add: [(row * n_splits + split)][hidden].
KERNEL attend_split(const ingot_args *args, void *) {
  begin();
  const ingot_batch &batch = *args->batch;
  for (uint64_t item = cta(); item < batch.n_q_tiles * batch.n_splits; item += ctas()) {
    const ingot_q_tile &tile = batch.q_tile[item / batch.n_splits];
    uint64_t split = item % batch.n_splits;
    for (uint64_t at = thread(); at < uint64_t(tile.n_rows) * hidden; at += threads()) {
      uint64_t r = tile.first_row + at / hidden, end = uint64_t(batch.position[r]) + 1, window = args->slot[4];
      uint64_t from = window && end > window ? end - window : 0, to = end;
      if (batch.n_splits > 1) {
        uint64_t first = split * INGOT_SPLIT_TOKENS, last = first + INGOT_SPLIT_TOKENS;
        from = from > first ? from : first;
        to = to < last ? to : last;
      }
      floats(args, 5)[(r * batch.n_splits + split) * hidden + at % hidden] =
          sum_of(args, tile.segment, from, to, at % hidden);
    }
  }
}

KERNEL finish(const ingot_args *args, void *) {
  begin();
  const ingot_batch &batch = *args->batch;
  for (uint64_t r = cta(); r < batch.n_tokens; r += ctas())
    for (uint32_t i = thread(); i < hidden; i += threads()) {
      uint64_t end = uint64_t(batch.position[r]) + 1, window = args->slot[4];
      uint64_t from = window && end > window ? end - window : 0;
      float sum = 0;
      for (uint64_t s = 0; s < batch.n_splits; ++s) sum += floats(args, 5)[(r * batch.n_splits + s) * hidden + i];
      floats(args, 1)[r * hidden + i] += sum / float(end - from);
    }
}

KERNEL logits(const ingot_args *args, void *) {
  begin();
  for (uint64_t item = cta(); item < items(5, 4, args->rows); item += ctas()) {
    Tile tile(item, 5, 4, args->rows);
    for (uint64_t at = thread(); at < (tile.last - tile.first) * 8; at += threads()) {
      uint64_t r = tile.first + at / 8, v = tile.unit * 8 + at % 8;
      float sum = 0;
      const float *x = floats(args, 1) + uint64_t(args->batch->logit_row[r]) * hidden;
      for (uint32_t i = 0; i < hidden; ++i) sum += x[i] * floats(args, 2)[v * hidden + i];
      floats(args, 0)[r * vocab + v] = sum;
    }
  }
}

// Reads far outside of any memory: what a broken kernel does.
KERNEL wild(const ingot_args *args, void *) {
  begin();
  floats(args, 0)[uint64_t(1) << 44] = 1;
}
