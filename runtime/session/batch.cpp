#include "runtime/session/batch.h"

#include <algorithm>

namespace ingot {

Status Batch::open(const BatchOptions &options, uint32_t groups, const size_t *strides, uint8_t *const *pools) {
  options_ = options;
  size_t rows = align_up(options.max_rows, options.pad_rows), segments = options.max_sequences;
  const Allocator &allocator = options.allocator;
  INGOT_TRY(token_.take(allocator, rows, "step: tokens"));
  INGOT_TRY(position_.take(allocator, rows, "step: positions"));
  INGOT_TRY(segment_.take(allocator, rows, "step: segments"));
  INGOT_TRY(seg_start_.take(allocator, segments + 1, "step: segment starts"));
  INGOT_TRY(kv_len_.take(allocator, segments, "step: cache lengths"));
  INGOT_TRY(logit_row_.take(allocator, rows, "step: logit rows"));
  INGOT_TRY(q_tile_.take(allocator, rows, "step: query tiles"));
  for (uint32_t g = 0; g < groups; ++g) {
    size_t entries;
    if (!checked_mul(strides[g], segments, &entries))
      return Status::error(Code::no_memory, "step: block tables overflow");
    INGOT_TRY(tables_[g].take(allocator, entries, "step: block tables"));
    views_[g] = {pools[g], tables_[g].data(), strides[g]};
  }
  batch_.token = token_.data();
  batch_.position = position_.data();
  batch_.segment = segment_.data();
  batch_.seg_start = seg_start_.data();
  batch_.kv_len = kv_len_.data();
  batch_.logit_row = logit_row_.data();
  batch_.q_tile = q_tile_.data();
  batch_.kv = views_;
  batch_.n_splits = 1;
  return {};
}

void Batch::clear() {
  batch_.n_tokens = batch_.n_rows = batch_.n_segs = batch_.n_logits = batch_.n_q_tiles = 0;
  n_wanted_ = 0;
}

void Batch::add(const int32_t *tokens, uint32_t count, uint32_t cached) {
  uint32_t segment = uint32_t(batch_.n_segs++), first = uint32_t(batch_.n_tokens);
  for (uint32_t i = 0; i < count; ++i) {
    token_[first + i] = tokens[i];
    position_[first + i] = int32_t(cached + i);
    segment_[first + i] = int32_t(segment);
  }
  batch_.n_tokens += count;
  seg_start_[segment] = first;
  seg_start_[segment + 1] = first + count;
  kv_len_[segment] = cached + count;
}

void Batch::finish() {
  batch_.n_rows = align_up(batch_.n_tokens, options_.pad_rows);
  for (size_t r = batch_.n_tokens; r < batch_.n_rows; ++r) {
    token_[r] = position_[r] = 0;
    segment_[r] = -1;
  }
  batch_.n_q_tiles = 0;
  if (options_.q_tile_rows == 0) return;
  for (uint32_t s = 0; s < batch_.n_segs; ++s)
    for (uint32_t r = seg_start_[s]; r < seg_start_[s + 1]; r += q_tile_[batch_.n_q_tiles++].n_rows)
      q_tile_[batch_.n_q_tiles] = {s, r, std::min(options_.q_tile_rows, seg_start_[s + 1] - r), 0};
}

void Batch::select(uint32_t first, uint32_t count) {
  batch_.logit_row = logit_row_.data() + first;
  batch_.n_logits = count;
}

} // namespace ingot
