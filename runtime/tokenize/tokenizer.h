// Text to token ids and back, straight from the artifact's tokenizer segment.
//
//   Tokenizer tokenizer;
//   INGOT_TRY(tokenizer.load(segment));           // bytes stay the caller's and must outlive the tokenizer
//   INGOT_TRY(tokenizer.encode("Hello", {}, &ids));
//   Detokenizer stream(tokenizer, {});
//   stream.add(id, &text); ... stream.flush(&text);
//
// A loaded Tokenizer is immutable: any number of threads may use it. A Detokenizer belongs to one sequence.
#pragma once
#include "runtime/tokenize/added_tokens.h"
#include "runtime/tokenize/segment.h"
#include "runtime/tokenize/text_pipeline.h"

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

struct EncodeOptions {
  bool add_special = true;   // put the model's prefix and suffix (BOS ...) around the text
  bool allow_special = true; // text such as "<|im_end|>" may name a special token; else it is plain text
};

class Tokenizer {
public:
  Tokenizer() = default;
  Tokenizer(const Tokenizer &) = delete;
  Tokenizer &operator=(const Tokenizer &) = delete;

  // Verifies the untrusted segment whole, then compiles its patterns. Call once. bad_input names what is wrong.
  Status load(Bytes segment);

  // Ids are [0, vocab_size()); the model's logits may be wider (padding).
  size_t vocab_size() const { return segment_.header->vocab_size; }

  // Appends the ids of `text` to *ids. bad_input: not UTF-8 (the message has the byte offset), over 1 GiB, or a text
  // on which a pattern passes its match limit; *ids is then unspecified. An empty text is fine.
  Status encode(std::string_view text, const EncodeOptions &options, std::vector<int32_t> *ids) const;

  // The bytes that the id stands for by itself: maybe a broken piece of UTF-8, with decoder replacements applied.
  // None for an id out of range.
  void append_token_bytes(int32_t id, std::string *bytes) const;
  std::string token_bytes(int32_t id) const {
    std::string bytes;
    append_token_bytes(id, &bytes);
    return bytes;
  }
  // True for control tokens such as end-of-sequence; they are not part of the text.
  bool is_special(int32_t id) const;
  // The id whose token is exactly this text (special and other added tokens first), or -1. O(vocab): not for hot paths.
  int32_t find(std::string_view text) const;

private:
  friend class Detokenizer;
  Status encode_plain(std::string_view text, bool at_start, bool allow_special, std::vector<int32_t> *ids) const;

  TokenizerSegment segment_;
  TextPipeline pipeline_;
  AddedTokens raw_added_, normalized_added_;
  std::vector<bool> special_;             // by id
  std::vector<int16_t> fallback_byte_of_; // by id when decode_bytes is asked for: the byte, or -1
};

struct DetokenizeOptions {
  bool skip_special = true; // special tokens give no text
  bool at_start = true;     // the first token begins the text (some decoders drop one leading space there)
};

// Streams text out of ids. What it emits is always valid UTF-8 and never splits a scalar: at most 3 bytes wait for
// their rest. Bytes that cannot become UTF-8 turn into U+FFFD, one for each maximal broken run. Once it has seen its
// longest token it allocates nothing but the caller's text.
class Detokenizer {
public:
  Detokenizer(const Tokenizer &tokenizer, const DetokenizeOptions &options)
      : tokenizer_(tokenizer), options_(options), strip_(options.at_start) {}
  // Appends the text that `id` completes, perhaps none. An id out of range gives no text.
  void add(int32_t id, std::string *text);
  // Ends the text: incomplete bytes that still wait become U+FFFD.
  void flush(std::string *text);

private:
  void strip_start(size_t from);
  const Tokenizer &tokenizer_;
  DetokenizeOptions options_;
  bool strip_;
  uint32_t stripped_ = 0;
  std::string pending_; // bytes that are no whole scalar yet
};

} // namespace ingot
