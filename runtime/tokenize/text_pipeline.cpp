#include "runtime/tokenize/text_pipeline.h"

#include "runtime/tokenize/utf8.h"

#include <cstdlib>
#include <utf8proc.h>

namespace ingot {
using namespace tokenizer_layout;

Status TextPipeline::load(const TokenizerSegment &segment) {
  segment_ = &segment;
  replace_patterns_ = std::vector<Pattern>(segment.normalizers.size());
  split_patterns_ = std::vector<Pattern>(segment.pre_tokenizers.size());
  for (size_t i = 0; i < segment.normalizers.size(); ++i) {
    const TextOp &op = segment.normalizers[i];
    if (op.kind == OpKind::replace)
      INGOT_TRY(replace_patterns_[i].compile(segment.string(op.a), op.flags & literal_flag));
  }
  for (size_t i = 0; i < segment.pre_tokenizers.size(); ++i) {
    const TextOp &op = segment.pre_tokenizers[i];
    if (op.kind == OpKind::split) INGOT_TRY(split_patterns_[i].compile(segment.string(op.a), op.flags & literal_flag));
  }
  // Texts of ops are inserted into the user's: they must not break its UTF-8.
  for (auto ops : {segment.normalizers, segment.pre_tokenizers})
    for (const TextOp &op : ops)
      for (StringRef ref : {op.a, op.b})
        if (utf8::find_invalid(segment.string(ref)) != ref.size)
          return Status::error(Code::bad_input, "tokenizer segment: a text operation's string is not UTF-8");
  return {};
}

namespace {

Status unicode_form(OpKind kind, std::string *text) {
  bool ascii = true;
  for (char c : *text) ascii = ascii && uint8_t(c) < 0x80;
  if (ascii) return {};
  bool compose = kind == OpKind::nfc || kind == OpKind::nfkc, compat = kind == OpKind::nfkc || kind == OpKind::nfkd;
  auto options = utf8proc_option_t(UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                                   (compat ? UTF8PROC_COMPAT : 0));
  utf8proc_uint8_t *result = nullptr;
  auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t *>(text->data()), utf8proc_ssize_t(text->size()),
                           &result, options);
  if (size < 0) return Status::error(Code::no_memory, "Unicode normalisation: %s", utf8proc_errmsg(size));
  text->assign(reinterpret_cast<const char *>(result), size_t(size));
  free(result);
  return {};
}

void strip(uint32_t sides, std::string *text) {
  size_t begin = 0, end = text->size();
  while ((sides & 1) && begin < end) {
    auto sequence = utf8::decode(std::string_view(*text).substr(begin));
    if (!utf8::is_space(sequence.scalar)) break;
    begin += sequence.size;
  }
  while ((sides & 2) && begin < end) {
    size_t last = end - 1;
    while (last > begin && utf8::is_continuation((*text)[last])) --last;
    if (!utf8::is_space(utf8::decode(std::string_view(*text).substr(last)).scalar)) break;
    end = last;
  }
  *text = text->substr(begin, end - begin);
}

// Rebuilds the pieces' text, each piece through `change(piece index, piece text, out)`.
template <class F> void rewrite(Pieces *pieces, F change) {
  std::string out;
  out.reserve(pieces->text.size() + pieces->ranges.size());
  for (size_t i = 0; i < pieces->ranges.size(); ++i) {
    Range &range = pieces->ranges[i];
    size_t begin = out.size();
    change(i, std::string_view(pieces->text).substr(range.begin, range.end - range.begin), &out);
    range = {begin, out.size()};
  }
  pieces->text = std::move(out);
}

void metaspace(std::string_view mark, PrependScheme scheme, bool at_start, Pieces *pieces) {
  rewrite(pieces, [&](size_t index, std::string_view piece, std::string *out) {
    bool marked = piece.starts_with(' ') || piece.starts_with(mark);
    bool wanted = scheme == PrependScheme::always || (scheme == PrependScheme::first && at_start && index == 0);
    if (wanted && !marked) out->append(mark);
    for (char c : piece) c == ' ' ? out->append(mark) : out->append(1, c);
  });
}

struct Cut {
  Range range;
  bool match;
};

// Matches and the gaps between them, in order, covering `piece`.
Status find_cuts(const Pattern &pattern, Pattern::Matcher &matcher, std::string_view piece, bool invert,
                 std::vector<Cut> *cuts) {
  cuts->clear();
  size_t at = 0;
  while (at < piece.size()) {
    Range match;
    bool found;
    INGOT_TRY(matcher.next(pattern, piece, at, &match, &found));
    if (!found) match = {piece.size(), piece.size()};
    if (match.begin > at) cuts->push_back({{at, match.begin}, invert});
    if (found) cuts->push_back({match, !invert});
    at = match.end;
  }
  return {};
}

void join_cuts(SplitBehavior behavior, size_t base, const std::vector<Cut> &cuts, std::vector<Range> *out) {
  const size_t first = out->size();
  for (size_t i = 0; i < cuts.size(); ++i) {
    const Cut &cut = cuts[i];
    const bool has_previous = i > 0, after_match = has_previous && cuts[i - 1].match;
    bool join = false;
    switch (behavior) {
    case SplitBehavior::removed:
      if (cut.match) continue;
      break;
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::contiguous:
      join = has_previous && cut.match == after_match;
      break;
    case SplitBehavior::merged_with_previous:
      join = cut.match && has_previous && !after_match;
      break;
    case SplitBehavior::merged_with_next: {
      // In a run of neighbouring matches only the last belongs to the text that follows.
      join = has_previous && !cut.match && after_match;
      break;
    }
    }
    if (join && out->size() > first)
      out->back().end = base + cut.range.end;
    else
      out->push_back({base + cut.range.begin, base + cut.range.end});
  }
}

} // namespace

Status TextPipeline::replace(size_t index, std::string *text) const {
  const TextOp &op = segment_->normalizers[index];
  Pattern::Matcher matcher;
  std::string out;
  size_t at = 0;
  while (at < text->size()) {
    Range match;
    bool found;
    INGOT_TRY(matcher.next(replace_patterns_[index], *text, at, &match, &found));
    if (!found) break;
    out.append(*text, at, match.begin - at).append(segment_->string(op.b));
    at = match.end;
  }
  if (at == 0) return {};
  *text = out.append(*text, at, std::string::npos);
  return {};
}

Status TextPipeline::normalize(std::string *text) const {
  for (size_t i = 0; i < segment_->normalizers.size(); ++i) {
    const TextOp &op = segment_->normalizers[i];
    switch (op.kind) {
    case OpKind::prepend:
      if (!text->empty()) text->insert(0, segment_->string(op.a));
      break;
    case OpKind::strip:
      strip(op.flags, text);
      break;
    case OpKind::replace:
      INGOT_TRY(replace(i, text));
      break;
    default:
      INGOT_TRY(unicode_form(op.kind, text));
    }
  }
  return {};
}

Status TextPipeline::split(size_t index, Pieces *pieces) const {
  const TextOp &op = segment_->pre_tokenizers[index];
  Pattern::Matcher matcher;
  std::vector<Cut> cuts;
  std::vector<Range> ranges;
  for (Range range : pieces->ranges) {
    auto piece = std::string_view(pieces->text).substr(range.begin, range.end - range.begin);
    INGOT_TRY(find_cuts(split_patterns_[index], matcher, piece, op.flags & invert_flag, &cuts));
    join_cuts(SplitBehavior(op.flags >> 8 & 0xFF), range.begin, cuts, &ranges);
  }
  pieces->ranges = std::move(ranges);
  return {};
}

Status TextPipeline::pre_tokenize(bool at_start, Pieces *pieces) const {
  pieces->ranges.clear();
  if (!pieces->text.empty()) pieces->ranges.push_back({0, pieces->text.size()});
  for (size_t i = 0; i < segment_->pre_tokenizers.size(); ++i) {
    const TextOp &op = segment_->pre_tokenizers[i];
    if (op.kind == OpKind::split)
      INGOT_TRY(split(i, pieces));
    else if (op.kind == OpKind::metaspace)
      metaspace(segment_->string(op.a), PrependScheme(op.flags), at_start, pieces);
    else
      rewrite(pieces, [](size_t, std::string_view piece, std::string *out) {
        if (!piece.starts_with(' ')) out->push_back(' ');
        out->append(piece);
      });
  }
  return {};
}

} // namespace ingot
