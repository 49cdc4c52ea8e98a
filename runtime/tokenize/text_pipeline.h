// The text half of a tokenizer: normalizers, then pre-tokenizers, as little programs over strings and ranges.
#pragma once
#include "runtime/tokenize/pattern.h"
#include "runtime/tokenize/segment.h"

#include <string>
#include <vector>

namespace ingot {

// A text cut into pieces. Ranges are ascending and do not overlap; none is empty.
struct Pieces {
  std::string text;
  std::vector<Range> ranges;
};

class TextPipeline {
public:
  // Compiles the patterns. `segment` must be verified and outlive this.
  Status load(const TokenizerSegment &segment);

  // *text is valid UTF-8 before and after.
  Status normalize(std::string *text) const;
  // Cuts pieces->text. `at_start`: it begins at the first byte of the user's text.
  Status pre_tokenize(bool at_start, Pieces *pieces) const;

  bool has_normalizers() const { return !segment_->normalizers.empty(); }

private:
  Status replace(size_t op, std::string *text) const;
  Status split(size_t op, Pieces *pieces) const;

  const TokenizerSegment *segment_ = nullptr;
  std::vector<Pattern> replace_patterns_, split_patterns_; // parallel to the ops; unused where an op has no pattern
};

} // namespace ingot
