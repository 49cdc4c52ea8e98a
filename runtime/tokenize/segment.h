// A verified view of a tokenizer segment. Everything else in this room trusts what `open` has checked.
#pragma once
#include "runtime/base/span.h"
#include "runtime/base/status.h"
#include "runtime/tokenize/layout.h"

#include <span>
#include <string_view>

namespace ingot {

struct TokenizerSegment {
  const tokenizer_layout::Header *header = nullptr;
  std::span<const uint32_t> text_offsets, merge_buckets, token_buckets, token_ids, prefix_ids, suffix_ids;
  std::span<const tokenizer_layout::Merge> merges;
  std::span<const tokenizer_layout::AddedToken> added_tokens;
  std::span<const tokenizer_layout::TextOp> normalizers, pre_tokenizers, decoders;
  std::string_view text, strings;

  // Checks every invariant of layout.h that memory safety rests on. O(segment), no allocation. `blob` must be 4-byte
  // aligned and outlive the view.
  Status open(Bytes blob);

  bool has(tokenizer_layout::Flag flag) const { return (header->flags & flag) != 0; }
  std::string_view string(tokenizer_layout::StringRef ref) const { return strings.substr(ref.offset, ref.size); }
  std::string_view token(uint32_t id) const {
    return text.substr(text_offsets[id], text_offsets[id + 1] - text_offsets[id]);
  }
  // The merge of two neighbours, or null.
  const tokenizer_layout::Merge *find_merge(uint32_t left, uint32_t right) const;
  // The model's token of exactly these bytes, or no_id (always no_id when the segment has no such table).
  uint32_t find_token(std::string_view bytes) const;
};

} // namespace ingot
