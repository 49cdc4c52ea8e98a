// A compiled search pattern: PCRE2 with Unicode properties, interpreted (no JIT: no writable code pages), under match,
// depth and heap limits, so that no text can hang or exhaust the process.
#pragma once
#include "runtime/base/status.h"

#include <memory>
#include <string_view>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;
struct pcre2_real_match_data_8;

namespace ingot {

struct Range {
  size_t begin, end;
};

class Pattern {
public:
  // `literal`: the pattern is searched for byte by byte. Errors name the pattern.
  Status compile(std::string_view pattern, bool literal);

  // One thread's scratch for matching.
  class Matcher {
  public:
    // The first non-empty match in text[from, ...); *found is false when there is none. `text` must be valid UTF-8 and
    // the same string for ascending `from`s.
    Status next(const Pattern &pattern, std::string_view text, size_t from, Range *match, bool *found);

  private:
    struct Free {
      void operator()(pcre2_real_match_data_8 *data) const;
    };
    std::unique_ptr<pcre2_real_match_data_8, Free> data_;
  };

private:
  struct FreeCode {
    void operator()(pcre2_real_code_8 *code) const;
  };
  struct FreeContext {
    void operator()(pcre2_real_match_context_8 *context) const;
  };
  std::unique_ptr<pcre2_real_code_8, FreeCode> code_;
  std::unique_ptr<pcre2_real_match_context_8, FreeContext> limits_;
};

} // namespace ingot
