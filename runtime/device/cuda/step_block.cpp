#include "runtime/device/cuda/step_block.h"

#include <algorithm>
#include <cstring>

namespace ingot::cuda {
namespace {

constexpr uint64_t part = 64;       // every part starts at a multiple of it
constexpr uint64_t apart_gap = 256; // a multiple of part

uint64_t args_bytes(const plan::Step &step) {
  return align_up(sizeof(ingot_args) + step.bindings()->size() * sizeof(uint64_t), part);
}

} // namespace

Status StepBlock::open(const plan::Plan &plan, const plan::Program &program, const DeviceOptions &options, bool apart) {
  plan_ = &plan;
  program_ = &program;
  n_body_ = program.body()->steps()->size();
  n_groups_ = count_of(plan.cache_groups());
  INGOT_TRY(offsets_.take(options.allocator, n_body_ + program.head()->steps()->size(), "argument blocks"));
  uint64_t next = 0;
  uint32_t index = 0;
  for (const plan::Entry *entry : {program.body(), program.head()})
    for (const plan::Step *step : *entry->steps()) {
      offsets_[index++] = next;
      next += args_bytes(*step);
    }
  most_logits_ = options.most_logits;
  best_ = next;
  batch_ = best_ + align_up(most_logits_ * sizeof(uint64_t), part);
  arrays_ = batch_ + align_up(sizeof(ingot_batch) + n_groups_ * sizeof(ingot_kv_view), part);
  uint64_t rows = options.most_rows, segments = options.most_segments;
  gap_ = apart ? apart_gap : 0;
  // The arrays in ingot_batch: tokens, positions, segments, logit rows; starts, lengths; query tiles.
  bytes_ = arrays_ + (7 + n_groups_) * gap_ + 4 * align_up(rows * 4, part) + 2 * align_up((segments + 1) * 4, part) +
           align_up(rows * sizeof(ingot_q_tile), part);
  for (uint32_t g = 0; g < n_groups_; ++g) {
    strides_[g] = options.pages[g].table_stride;
    size_t entries;
    if (!checked_mul(strides_[g], segments, &entries) || entries > SIZE_MAX / 64)
      return Status::error(Code::no_memory, "block tables: the sizes overflow");
    bytes_ += align_up(entries * sizeof(uint32_t), part);
  }
  return {};
}

void StepBlock::place(uint8_t *host, CUdeviceptr device) {
  host_ = host;
  device_ = device;
  rows_[0] = rows_[1] = UINT64_MAX;
  for (size_t i = 0; i < offsets_.size(); ++i)
    reinterpret_cast<ingot_args *>(host_ + offsets_[i])->batch = as_pointer<const ingot_batch>(batch_address());
}

// Where the array behind what was written begins.
uint64_t StepBlock::next_array() {
  memset(host_ + next_, 0xff, gap_);
  return next_ += gap_;
}

// Copies an array there; its address on the GPU.
template <class T> T *StepBlock::put(const T *from, uint64_t count) {
  uint64_t at = next_array();
  memcpy(host_ + at, from, count * sizeof(T));
  next_ = align_up(at + count * sizeof(T), part);
  return as_pointer<T>(device_ + at);
}

void StepBlock::set_rows(const plan::Entry &entry, plan::Space space, uint64_t rows) {
  for (uint32_t s = 0; s < entry.steps()->size(); ++s) args(space, s)->rows = rows;
}

void StepBlock::write(const ingot_batch &batch, uint64_t n_splits, const CUdeviceptr *pages, uint64_t *from,
                      uint64_t *count) {
  *from = best_;
  if (rows_[0] != batch.n_rows || rows_[1] != batch.n_logits) {
    set_rows(*program_->body(), plan::Space::body, rows_[0] = batch.n_rows);
    set_rows(*program_->head(), plan::Space::head, rows_[1] = batch.n_logits);
    *from = 0;
  }
  memset(host_ + best_, 0, most_logits_ * sizeof(uint64_t));
  next_ = arrays_;
  ingot_batch there = batch;
  there.n_splits = n_splits;
  there.token = put(batch.token, batch.n_rows);
  there.position = put(batch.position, batch.n_rows);
  there.segment = put(batch.segment, batch.n_rows);
  there.seg_start = put(batch.seg_start, batch.n_segs + 1);
  there.kv_len = put(batch.kv_len, batch.n_segs);
  there.logit_row = put(batch.logit_row, batch.n_logits);
  there.q_tile = put(batch.q_tile, batch.n_q_tiles);
  uint32_t longest = 0;
  for (uint64_t s = 0; s < batch.n_segs; ++s) longest = std::max(longest, batch.kv_len[s]);
  auto views = reinterpret_cast<ingot_kv_view *>(host_ + batch_ + sizeof(ingot_batch));
  for (uint32_t g = 0; g < n_groups_; ++g) {
    uint64_t stride = entries_seen(longest, plan_->cache_groups()->Get(g)->page_tokens(), strides_[g]);
    uint64_t table = next_array();
    for (uint64_t s = 0; s < batch.n_segs; ++s)
      memcpy(host_ + table + s * stride * 4, batch.kv[g].block_table + s * batch.kv[g].table_stride, stride * 4);
    next_ = align_up(table + batch.n_segs * stride * 4, part);
    views[g] = {as_pointer<uint8_t>(pages[g]), as_pointer<const uint32_t>(device_ + table), stride};
  }
  there.kv = as_pointer<const ingot_kv_view>(batch_address() + sizeof(ingot_batch));
  memcpy(host_ + batch_, &there, sizeof there);
  *count = next_ - *from;
}

} // namespace ingot::cuda
