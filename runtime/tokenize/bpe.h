// Byte-pair encoding of one piece of text (Sennrich et al. 2016): merges the best-ranked neighbours first, the leftmost
// among equals. O(n log n) in the piece, by a heap over a linked list of symbols.
#pragma once
#include "runtime/tokenize/segment.h"

#include <string_view>
#include <vector>

namespace ingot {

// Scratch and code for one thread; reuse it over pieces.
class BytePairEncoder {
public:
  explicit BytePairEncoder(const TokenizerSegment &segment) : segment_(segment) {}
  // Appends the ids of `piece` (valid UTF-8, shorter than 2^31 bytes). Unknown text becomes unk, or nothing without
  // one.
  void append(std::string_view piece, std::vector<int32_t> *ids);

private:
  static constexpr uint32_t none = 0xFFFFFFFF;
  struct Symbol {
    uint32_t id, previous, next;
    uint32_t rank, result; // of the merge with `next`; rank is `none` without one
  };
  void add_symbols(std::string_view piece);
  void add_unknown(std::string_view scalar);
  void add_symbol(uint32_t id);
  void find_pair(uint32_t left);
  void merge_all();

  const TokenizerSegment &segment_;
  std::vector<Symbol> symbols_;
  std::vector<uint64_t> heap_; // rank << 32 | position; stale entries are dropped when popped
};

} // namespace ingot
