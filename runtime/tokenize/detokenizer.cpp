// The streaming half of tokenizer.h: bytes of tokens in, whole Unicode scalars out.
#include "runtime/tokenize/tokenizer.h"
#include "runtime/tokenize/utf8.h"

namespace ingot {
using namespace tokenizer_layout;

void Detokenizer::strip_start(std::string *bytes) {
  uint32_t limit = 0;
  std::string_view content;
  for (const TextOp &op : tokenizer_.segment_.decoders)
    if (op.kind == OpKind::decode_strip_start) {
      limit = op.flags;
      content = tokenizer_.segment_.string(op.a);
    }
  while (stripped_ < limit && !content.empty() && bytes->starts_with(content)) {
    bytes->erase(0, content.size());
    ++stripped_;
  }
  strip_ = bytes->empty() && stripped_ < limit;
}

void Detokenizer::add(int32_t id, std::string *text) {
  if (options_.skip_special && tokenizer_.is_special(id)) return;
  std::string bytes = tokenizer_.token_bytes(id);
  if (strip_) strip_start(&bytes);
  pending_ += bytes;
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
