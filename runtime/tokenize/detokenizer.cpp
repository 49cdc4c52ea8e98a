// The streaming half of tokenizer.h: bytes of tokens in, whole Unicode scalars out.
#include "runtime/tokenize/tokenizer.h"
#include "runtime/tokenize/utf8.h"

namespace ingot {
using namespace tokenizer_layout;

// Drops what the decoder wants dropped from the start of the text; it starts in pending_[from, ...).
void Detokenizer::strip_start(size_t from) {
  uint32_t limit = 0;
  std::string_view content;
  for (const TextOp &op : tokenizer_.segment_.decoders)
    if (op.kind == OpKind::decode_strip_start) {
      limit = op.flags;
      content = tokenizer_.segment_.string(op.a);
    }
  for (; stripped_ < limit && !content.empty() && pending_.compare(from, content.size(), content) == 0; ++stripped_)
    pending_.erase(from, content.size());
  strip_ = pending_.size() == from && stripped_ < limit;
}

void Detokenizer::add(int32_t id, std::string *text) {
  if (options_.skip_special && tokenizer_.is_special(id)) return;
  const size_t from = pending_.size();
  tokenizer_.append_token_bytes(id, &pending_);
  if (strip_) strip_start(from);
  size_t at = 0;
  while (at < pending_.size()) {
    auto rest = std::string_view(pending_).substr(at);
    auto sequence = utf8::decode(rest);
    if (sequence.truncated) break;
    sequence.valid ? text->append(rest.substr(0, sequence.size)) : text->append("\xEF\xBF\xBD");
    at += sequence.size;
  }
  pending_.erase(0, at);
}

void Detokenizer::flush(std::string *text) {
  if (!pending_.empty()) text->append("\xEF\xBF\xBD");
  pending_.clear();
}

} // namespace ingot
