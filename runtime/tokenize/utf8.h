// UTF-8 as Unicode 15 table 3-7 defines it: validation, stepping, and how many bytes a broken sequence spans.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ingot::utf8 {

// What starts at text[0] (text is not empty).
struct Sequence {
  uint32_t size;   // bytes: of the scalar, or of the maximal broken prefix (>= 1)
  bool valid;      // a whole scalar
  bool truncated;  // not valid only because text ends; more bytes could complete it
  uint32_t scalar; // when valid
};
Sequence decode(std::string_view text);

// Offset of the first byte that is no UTF-8, or text.size().
size_t find_invalid(std::string_view text);

// Appends the scalar; it must be valid.
void append(uint32_t scalar, std::string *out);

inline bool is_continuation(char c) { return (uint8_t(c) & 0xC0) == 0x80; }

// Unicode White_Space, and "word" characters as a regular expression's \w sees them (letters, marks, digits,
// connectors).
bool is_space(uint32_t scalar);
bool is_word(uint32_t scalar);

} // namespace ingot::utf8
