#include "runtime/tokenize/added_tokens.h"

#include "runtime/tokenize/utf8.h"

#include <algorithm>

namespace ingot {
using namespace tokenizer_layout;

void AddedTokens::add(std::string content, uint32_t id, uint32_t flags) {
  if (!content.empty()) entries_.push_back({std::move(content), id, flags});
}

void AddedTokens::finish() {
  std::sort(entries_.begin(), entries_.end(), [](const Entry &a, const Entry &b) {
    return a.content != b.content ? a.content < b.content : a.id < b.id;
  });
  for (const Entry &entry : entries_) ++first_[uint8_t(entry.content[0]) + 1];
  for (int b = 0; b < 256; ++b) first_[b + 1] += first_[b];
}

// Narrows the range of entries that share a prefix with `text`, a byte at a time.
const AddedTokens::Entry *AddedTokens::longest_at(std::string_view text) const {
  const uint8_t byte = uint8_t(text[0]);
  auto low = entries_.begin() + first_[byte], high = entries_.begin() + first_[byte + 1];
  const Entry *best = nullptr;
  for (size_t depth = 1; low != high; ++depth) {
    if (low->content.size() == depth) best = &*low;
    while (low != high && low->content.size() == depth) ++low;
    if (low == high || depth >= text.size()) break;
    const uint8_t next = uint8_t(text[depth]);
    low = std::lower_bound(low, high, next, [&](const Entry &e, uint8_t b) { return uint8_t(e.content[depth]) < b; });
    high = std::upper_bound(low, high, next, [&](uint8_t b, const Entry &e) { return b < uint8_t(e.content[depth]); });
  }
  return best;
}

namespace {

size_t last_scalar(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && utf8::is_continuation(text[at])) --at;
  return at;
}

bool is_whole_word(std::string_view text, Range match) {
  auto before = text.substr(0, match.begin), after = text.substr(match.end);
  if (!before.empty() && utf8::is_word(utf8::decode(before.substr(last_scalar(before))).scalar)) return false;
  return after.empty() || !utf8::is_word(utf8::decode(after).scalar);
}

// Widens a match over the white space that the token swallows, but not over text that is already taken.
Range widen(std::string_view text, Range match, uint32_t flags, size_t taken) {
  while ((flags & lstrip) && match.begin > taken) {
    size_t at = last_scalar(text.substr(0, match.begin));
    if (!utf8::is_space(utf8::decode(text.substr(at)).scalar)) break;
    match.begin = at;
  }
  while ((flags & rstrip) && match.end < text.size()) {
    auto sequence = utf8::decode(text.substr(match.end));
    if (!utf8::is_space(sequence.scalar)) break;
    match.end += sequence.size;
  }
  return match;
}

} // namespace

void AddedTokens::split(std::string_view text, bool allow_special, std::vector<Part> *parts) const {
  parts->clear();
  size_t taken = 0;
  for (size_t i = 0; !entries_.empty() && i < text.size();) {
    const Entry *entry = longest_at(text.substr(i));
    if (!entry) {
      ++i;
      continue;
    }
    Range match{i, i + entry->content.size()};
    i = match.end;
    if (!allow_special && (entry->flags & special)) continue;
    if ((entry->flags & single_word) && !is_whole_word(text, match)) continue;
    match = widen(text, match, entry->flags, taken);
    if (match.begin > taken) parts->push_back({no_id, {taken, match.begin}});
    parts->push_back({entry->id, match});
    taken = i = match.end;
  }
  if (taken < text.size()) parts->push_back({no_id, {taken, text.size()}});
}

} // namespace ingot
