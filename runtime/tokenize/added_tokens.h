// Finds added tokens inside a text: at each place the longest one, from left to right, with the flags of tokenizer.json
// (single_word, lstrip, rstrip). Tokens marked `normalized` are sought in normalized text, the others in the user's.
#pragma once
#include "runtime/tokenize/segment.h"
#include "runtime/tokenize/text_pipeline.h"

#include <string>
#include <vector>

namespace ingot {

class AddedTokens {
public:
  // A stretch of text: an added token, or plain text when id is no_id.
  struct Part {
    uint32_t id;
    Range range;
  };
  void add(std::string content, uint32_t id, uint32_t flags);
  void finish(); // after the last add, before the first split

  // Cuts `text` (valid UTF-8) into parts in order. Special tokens count as plain text unless allow_special.
  void split(std::string_view text, bool allow_special, std::vector<Part> *parts) const;

private:
  struct Entry {
    std::string content;
    uint32_t id, flags;
  };
  const Entry *longest_at(std::string_view text) const;

  std::vector<Entry> entries_; // sorted by content
  uint32_t first_[257] = {};   // entries whose content starts with byte b: [first_[b], first_[b + 1])
};

} // namespace ingot
