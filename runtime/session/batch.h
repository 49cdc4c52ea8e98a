// The description of one step (ingot_batch) in memory taken once: rows, segments, query tiles, block tables.
//
// Invariants: rows are sorted by segment, positions ascend inside one; rows >= n_tokens are pads (token 0, position 0,
// segment -1); segment s of the step is the s-th add(); the ingot_batch stays at its address.
#pragma once
#include "runtime/artifact/check.h"
#include "runtime/base/allocator.h"

namespace ingot {

struct BatchOptions {
  uint32_t max_rows = 1; // tokens of a step
  uint32_t max_sequences = 1;
  uint32_t pad_rows = 1; // rows are padded to a multiple of it
  uint32_t q_tile_rows = 0;
  Allocator allocator = system_allocator();
};

class Batch {
public:
  // `pools`: where each group's pages are, for the device.
  Status open(const BatchOptions &options, uint32_t groups, const size_t *strides, uint8_t *const *pools);

  void clear();
  uint32_t room() const { return options_.max_rows - uint32_t(batch_.n_tokens); }
  bool has_segment() const { return batch_.n_segs < options_.max_sequences; }
  uint32_t segments() const { return uint32_t(batch_.n_segs); }
  uint32_t rows_of(uint32_t segment) const { return seg_start_[segment + 1] - seg_start_[segment]; }

  // A segment of `count` new tokens behind `cached` ones. There is room for it.
  void add(const int32_t *tokens, uint32_t count, uint32_t cached);
  // Marks row `row` of the last segment as one whose logits are wanted.
  void want_logits(uint32_t row) { logit_row_[n_wanted_++] = seg_start_[batch_.n_segs - 1] + row; }
  uint32_t wanted() const { return n_wanted_; }
  // Where the block table of a segment in a group goes: [stride of the group].
  uint32_t *table(uint32_t group, uint32_t segment) {
    return tables_[group].data() + segment * views_[group].table_stride;
  }

  // Pads the rows and cuts query tiles; after the last add().
  void finish();
  // The head's rows: `count` of the wanted ones from `first` on.
  void select(uint32_t first, uint32_t count);

  const ingot_batch *get() const { return &batch_; }

private:
  BatchOptions options_;
  ingot_batch batch_ = {};
  uint32_t n_wanted_ = 0;
  Array<int32_t> token_, position_, segment_;
  Array<uint32_t> seg_start_, kv_len_, logit_row_;
  Array<ingot_q_tile> q_tile_;
  ingot_kv_view views_[most_cache_groups] = {};
  Array<uint32_t> tables_[most_cache_groups];
};

} // namespace ingot
