#include "runtime/tokenize/segment.h"

#include "runtime/base/checked.h"

#include <cstring>

namespace ingot {
using namespace tokenizer_layout;

namespace {

Status refuse(const char *what) { return Status::error(Code::bad_input, "tokenizer segment: %s", what); }

template <class T> bool read_section(Bytes blob, const SectionRef &ref, const T **data) {
  if (ref.offset % 4 != 0 || !in_range(ref.offset, uint64_t(ref.count) * sizeof(T), blob.size())) return false;
  *data = reinterpret_cast<const T *>(blob.data() + ref.offset);
  return true;
}

template <class T> bool section(Bytes blob, const Header &header, Section which, std::span<const T> *out) {
  const T *data;
  if (!read_section(blob, header.sections[which], &data)) return false;
  *out = {data, header.sections[which].count};
  return true;
}

bool section(Bytes blob, const Header &header, Section which, std::string_view *out) {
  const char *data;
  if (!read_section(blob, header.sections[which], &data)) return false;
  *out = {data, header.sections[which].count};
  return true;
}

bool ascends(std::span<const uint32_t> values, size_t last) {
  if (values.front() != 0 || values.back() != last) return false;
  for (size_t i = 1; i < values.size(); ++i)
    if (values[i] < values[i - 1]) return false;
  return true;
}

bool buckets_ok(std::span<const uint32_t> buckets, size_t entries) {
  return buckets.empty() ? entries == 0 : buckets.size() > 1 && ascends(buckets, entries);
}

bool ids_ok(std::span<const uint32_t> ids, uint32_t vocab) {
  for (uint32_t id : ids)
    if (id >= vocab) return false;
  return true;
}

bool string_ok(const TokenizerSegment &s, StringRef ref) { return in_range(ref.offset, ref.size, s.strings.size()); }

bool ops_ok(const TokenizerSegment &s, std::span<const TextOp> ops, OpKind first, OpKind last) {
  for (const TextOp &op : ops)
    if (op.kind < first || op.kind > last || !string_ok(s, op.a) || !string_ok(s, op.b)) return false;
  return true;
}

Status check_header(Bytes blob) {
  if (blob.size() < sizeof(Header) || reinterpret_cast<uintptr_t>(blob.data()) % 4 != 0)
    return refuse("shorter than its header, or not 4-byte aligned");
  const Header &h = *reinterpret_cast<const Header *>(blob.data());
  if (memcmp(h.magic, magic, sizeof magic) != 0) return refuse("wrong magic");
  if (h.version != version)
    return Status::error(Code::bad_input, "tokenizer segment: version %u, this build reads %u", h.version, version);
  if (h.total_size != blob.size()) return refuse("its size differs from its header's");
  if (h.vocab_size == 0 || h.vocab_size > max_vocab) return refuse("vocabulary size out of range");
  if ((h.flags & ~uint32_t(all_flags)) != 0 || h.reserved != 0) return refuse("unknown flags");
  if (h.unk_id != no_id && h.unk_id >= h.vocab_size) return refuse("unk_id out of range");
  for (uint32_t id : h.byte_id)
    if (id != no_id && id >= h.vocab_size) return refuse("byte_id out of range");
  for (const SectionRef &ref : h.sections)
    if (ref.offset < sizeof(Header)) return refuse("a section overlaps the header");
  return {};
}

Status check_tables(const TokenizerSegment &s) {
  const uint32_t vocab = s.header->vocab_size;
  if (s.text_offsets.size() != size_t(vocab) + 1 || !ascends(s.text_offsets, s.text.size()))
    return refuse("text_offsets do not ascend over text");
  if (!buckets_ok(s.merge_buckets, s.merges.size())) return refuse("merge_buckets do not ascend over merges");
  if (!buckets_ok(s.token_buckets, s.token_ids.size())) return refuse("token_buckets do not ascend over token_ids");
  for (const Merge &merge : s.merges)
    if (merge.left >= vocab || merge.right >= vocab || merge.result >= vocab)
      return refuse("a merge's id is out of range");
  if (!ids_ok(s.token_ids, vocab) || !ids_ok(s.prefix_ids, vocab) || !ids_ok(s.suffix_ids, vocab))
    return refuse("an id is out of range");
  for (const AddedToken &token : s.added_tokens)
    if (token.id >= vocab || (token.flags & ~uint32_t(all_added_flags)) != 0 || !string_ok(s, token.content))
      return refuse("an added token is out of range");
  if (!ops_ok(s, s.normalizers, OpKind::nfc, OpKind::replace) ||
      !ops_ok(s, s.pre_tokenizers, OpKind::split, OpKind::metaspace) ||
      !ops_ok(s, s.decoders, OpKind::decode_replace, OpKind::decode_strip_start))
    return refuse("a text operation is out of range");
  return {};
}

} // namespace

Status TokenizerSegment::open(Bytes blob) {
  INGOT_TRY(check_header(blob));
  header = reinterpret_cast<const Header *>(blob.data());
  bool inside = section(blob, *header, tokenizer_layout::text_offsets, &text_offsets) &&
                section(blob, *header, tokenizer_layout::text, &text) &&
                section(blob, *header, tokenizer_layout::merge_buckets, &merge_buckets) &&
                section(blob, *header, tokenizer_layout::merges, &merges) &&
                section(blob, *header, tokenizer_layout::token_buckets, &token_buckets) &&
                section(blob, *header, tokenizer_layout::token_ids, &token_ids) &&
                section(blob, *header, tokenizer_layout::added_tokens, &added_tokens) &&
                section(blob, *header, tokenizer_layout::normalizers, &normalizers) &&
                section(blob, *header, tokenizer_layout::pre_tokenizers, &pre_tokenizers) &&
                section(blob, *header, tokenizer_layout::decoders, &decoders) &&
                section(blob, *header, tokenizer_layout::prefix_ids, &prefix_ids) &&
                section(blob, *header, tokenizer_layout::suffix_ids, &suffix_ids) &&
                section(blob, *header, tokenizer_layout::strings, &strings);
  if (!inside) return refuse("a section lies outside it");
  return check_tables(*this);
}

const Merge *TokenizerSegment::find_merge(uint32_t left, uint32_t right) const {
  if (merge_buckets.empty()) return nullptr;
  uint32_t bucket = bucket_of(hash_pair(left, right), merge_buckets.size() - 1);
  for (uint32_t i = merge_buckets[bucket]; i < merge_buckets[bucket + 1]; ++i)
    if (merges[i].left == left && merges[i].right == right) return &merges[i];
  return nullptr;
}

uint32_t TokenizerSegment::find_token(std::string_view bytes) const {
  if (token_buckets.empty()) return no_id;
  uint32_t bucket = bucket_of(hash_bytes(bytes), token_buckets.size() - 1);
  for (uint32_t i = token_buckets[bucket]; i < token_buckets[bucket + 1]; ++i)
    if (token(token_ids[i]) == bytes) return token_ids[i];
  return no_id;
}

} // namespace ingot
