#include "runtime/tokenize/utf8.h"

#include <cstring>
#include <utf8proc.h>

namespace ingot::utf8 {

Sequence decode(std::string_view text) {
  const uint8_t lead = uint8_t(text[0]);
  if (lead < 0x80) return {1, true, false, lead};
  // The second byte's range excludes overlong forms, surrogates and scalars above U+10FFFF.
  uint32_t length = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
  if (length == 0) return {1, false, false, 0};
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  uint32_t scalar = lead & (0xFF >> (length + 1));
  for (uint32_t i = 1; i < length; ++i) {
    if (i >= text.size()) return {i, false, true, 0};
    uint8_t byte = uint8_t(text[i]);
    if (byte < low || byte > high) return {i, false, false, 0};
    scalar = scalar << 6 | (byte & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {length, true, false, scalar};
}

size_t find_invalid(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    uint64_t word;
    if (i + 8 <= text.size() && (memcpy(&word, text.data() + i, 8), (word & 0x8080808080808080ull) == 0)) {
      i += 8;
      continue;
    }
    Sequence sequence = decode(text.substr(i));
    if (!sequence.valid) return i;
    i += sequence.size;
  }
  return i;
}

void append(uint32_t scalar, std::string *out) {
  utf8proc_uint8_t bytes[4];
  auto size = utf8proc_encode_char(utf8proc_int32_t(scalar), bytes);
  out->append(reinterpret_cast<const char *>(bytes), size_t(size));
}

bool is_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_word(uint32_t c) {
  switch (utf8proc_category(utf8proc_int32_t(c))) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_PC:
    return true;
  default:
    return false;
  }
}

} // namespace ingot::utf8
