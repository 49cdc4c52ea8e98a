#include "runtime/tokenize/tokenizer.h"

#include "runtime/tokenize/bpe.h"
#include "runtime/tokenize/utf8.h"

namespace ingot {
using namespace tokenizer_layout;

Status Tokenizer::load(Bytes segment) {
  INGOT_TRY(segment_.open(segment));
  INGOT_TRY(pipeline_.load(segment_));
  special_.assign(segment_.header->vocab_size, false);
  for (const AddedToken &token : segment_.added_tokens) {
    if (token.flags & special) special_[token.id] = true;
    std::string content(segment_.string(token.content));
    if (utf8::find_invalid(content) != content.size())
      return Status::error(Code::bad_input, "tokenizer segment: added token %u is not UTF-8", token.id);
    if (token.flags & normalized) INGOT_TRY(pipeline_.normalize(&content));
    (token.flags & normalized ? normalized_added_ : raw_added_).add(std::move(content), token.id, token.flags);
  }
  raw_added_.finish();
  normalized_added_.finish();
  for (const TextOp &op : segment_.decoders) {
    if (op.kind != OpKind::decode_bytes) continue;
    fallback_byte_of_.assign(segment_.header->vocab_size, -1);
    for (int byte = 0; byte < 256; ++byte)
      if (uint32_t id = segment_.header->byte_id[byte]; id != no_id) fallback_byte_of_[id] = int16_t(byte);
  }
  return {};
}

Status Tokenizer::encode_plain(std::string_view text, bool at_start, bool allow_special,
                               std::vector<int32_t> *ids) const {
  std::string normal(text);
  INGOT_TRY(pipeline_.normalize(&normal));
  std::vector<AddedTokens::Part> parts;
  normalized_added_.split(normal, allow_special, &parts);
  BytePairEncoder encoder(segment_);
  Pieces pieces;
  for (const AddedTokens::Part &part : parts) {
    if (part.id != no_id) {
      ids->push_back(int32_t(part.id));
      continue;
    }
    pieces.text.assign(normal, part.range.begin, part.range.end - part.range.begin);
    INGOT_TRY(pipeline_.pre_tokenize(at_start && part.range.begin == 0, &pieces));
    if (pieces.text.size() > INT32_MAX) return Status::error(Code::bad_input, "the text is longer than 2 GiB");
    for (Range range : pieces.ranges)
      encoder.append(std::string_view(pieces.text).substr(range.begin, range.end - range.begin), ids);
  }
  return {};
}

Status Tokenizer::encode(std::string_view text, const EncodeOptions &options, std::vector<int32_t> *ids) const {
  if (text.size() > (size_t(1) << 30)) return Status::error(Code::bad_input, "the text is longer than 1 GiB");
  if (size_t at = utf8::find_invalid(text); at != text.size())
    return Status::error(Code::bad_input, "the text is not UTF-8: byte 0x%02X at offset %zu", uint8_t(text[at]), at);
  if (options.add_special) ids->insert(ids->end(), segment_.prefix_ids.begin(), segment_.prefix_ids.end());
  std::vector<AddedTokens::Part> parts;
  raw_added_.split(text, options.allow_special, &parts);
  for (const AddedTokens::Part &part : parts) {
    if (part.id != no_id)
      ids->push_back(int32_t(part.id));
    else
      INGOT_TRY(encode_plain(text.substr(part.range.begin, part.range.end - part.range.begin), part.range.begin == 0,
                             options.allow_special, ids));
  }
  if (options.add_special) ids->insert(ids->end(), segment_.suffix_ids.begin(), segment_.suffix_ids.end());
  return {};
}

namespace {

// In text[begin, ...).
void replace_all(std::string_view from, std::string_view to, size_t begin, std::string *text) {
  if (from.empty()) return;
  for (size_t at = text->find(from, begin); at != std::string::npos; at = text->find(from, at + to.size()))
    text->replace(at, from.size(), to);
}

} // namespace

void Tokenizer::append_token_bytes(int32_t id, std::string *bytes) const {
  if (id < 0 || uint32_t(id) >= segment_.header->vocab_size) return;
  if (!fallback_byte_of_.empty() && fallback_byte_of_[size_t(id)] >= 0) {
    bytes->push_back(char(fallback_byte_of_[size_t(id)]));
    return;
  }
  const size_t begin = bytes->size();
  bytes->append(segment_.token(uint32_t(id)));
  for (const TextOp &op : segment_.decoders)
    if (op.kind == OpKind::decode_replace) replace_all(segment_.string(op.a), segment_.string(op.b), begin, bytes);
}

bool Tokenizer::is_special(int32_t id) const { return id >= 0 && size_t(id) < special_.size() && special_[size_t(id)]; }

int32_t Tokenizer::find(std::string_view text) const {
  for (const AddedToken &token : segment_.added_tokens)
    if (segment_.string(token.content) == text) return int32_t(token.id);
  for (uint32_t id = 0; id < segment_.header->vocab_size; ++id)
    if (!text.empty() && segment_.token(id) == text) return int32_t(id);
  return -1;
}

} // namespace ingot
