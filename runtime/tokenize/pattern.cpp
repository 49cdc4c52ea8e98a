#include "runtime/tokenize/pattern.h"

#include "runtime/tokenize/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace ingot {

namespace {
constexpr uint32_t match_limit = 50'000'000, depth_limit = 10'000'000, heap_limit_kib = 256 * 1024;
}

void Pattern::FreeCode::operator()(pcre2_code *code) const { pcre2_code_free(code); }
void Pattern::FreeContext::operator()(pcre2_match_context *context) const { pcre2_match_context_free(context); }
void Pattern::Matcher::Free::operator()(pcre2_match_data *data) const { pcre2_match_data_free(data); }

Status Pattern::compile(std::string_view pattern, bool literal) {
  // Ruby's dialect, which tokenizer.json speaks: ^ and $ match at every line.
  uint32_t options =
      literal ? PCRE2_UTF | PCRE2_LITERAL : PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  int error;
  size_t at;
  code_.reset(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &error, &at, nullptr));
  if (!code_) {
    char message[120];
    pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR *>(message), sizeof message);
    return Status::error(Code::bad_input, "tokenizer pattern '%.*s': %s at offset %zu",
                         int(pattern.size() < 120 ? pattern.size() : 120), pattern.data(), message, at);
  }
  limits_.reset(pcre2_match_context_create(nullptr));
  if (!limits_) return Status::error(Code::no_memory, "tokenizer pattern: out of memory");
  pcre2_set_match_limit(limits_.get(), match_limit);
  pcre2_set_depth_limit(limits_.get(), depth_limit);
  pcre2_set_heap_limit(limits_.get(), heap_limit_kib);
  return {};
}

Status Pattern::Matcher::next(const Pattern &pattern, std::string_view text, size_t from, Range *match, bool *found) {
  *found = false;
  if (!data_) data_.reset(pcre2_match_data_create(1, nullptr));
  if (!data_) return Status::error(Code::no_memory, "tokenizer pattern: out of memory");
  while (from < text.size()) {
    int count = pcre2_match(pattern.code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                            PCRE2_NO_UTF_CHECK, data_.get(), pattern.limits_.get());
    if (count == PCRE2_ERROR_NOMATCH) return {};
    if (count < 0) {
      char message[120];
      pcre2_get_error_message(count, reinterpret_cast<PCRE2_UCHAR *>(message), sizeof message);
      return Status::error(Code::bad_input, "tokenizer pattern: %s; the text is too hard to split", message);
    }
    const size_t *ends = pcre2_get_ovector_pointer(data_.get());
    if (ends[0] < from || ends[1] < ends[0] || ends[1] > text.size())
      return Status::error(Code::bad_input, "tokenizer pattern: a match that starts after its end");
    if (ends[1] > ends[0]) {
      *match = {ends[0], ends[1]};
      *found = true;
      return {};
    }
    if (ends[0] >= text.size()) return {};
    from = ends[0] + utf8::decode(text.substr(ends[0])).size;
  }
  return {};
}

} // namespace ingot
