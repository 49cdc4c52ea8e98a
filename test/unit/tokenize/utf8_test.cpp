#include "runtime/tokenize/utf8.h"

#include <gtest/gtest.h>

namespace ingot {
namespace {

TEST(Utf8, DecodesEveryLength) {
  for (uint32_t scalar : {0x24u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xD7FFu, 0xE000u, 0xFFFDu, 0x10000u, 0x10FFFFu}) {
    std::string text;
    utf8::append(scalar, &text);
    auto sequence = utf8::decode(text);
    EXPECT_TRUE(sequence.valid);
    EXPECT_EQ(sequence.scalar, scalar);
    EXPECT_EQ(sequence.size, text.size());
  }
}

TEST(Utf8, RefusesOverlongSurrogateAndTooLarge) {
  for (const char *bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xFE"}) {
    auto sequence = utf8::decode(bad);
    EXPECT_FALSE(sequence.valid);
    EXPECT_FALSE(sequence.truncated);
    EXPECT_EQ(sequence.size, 1u);
  }
}

TEST(Utf8, KnowsATruncatedScalarFromABrokenOne) {
  EXPECT_TRUE(utf8::decode("\xF0\x9F\x98").truncated);
  EXPECT_EQ(utf8::decode("\xF0\x9F\x98").size, 3u);
  EXPECT_FALSE(utf8::decode("\xF0\x9F!").truncated);
  EXPECT_EQ(utf8::decode("\xF0\x9F!").size, 2u); // the maximal broken prefix
}

TEST(Utf8, FindsTheFirstInvalidByte) {
  EXPECT_EQ(utf8::find_invalid(""), 0u);
  EXPECT_EQ(utf8::find_invalid("plain ascii that is longer than eight"), 37u);
  EXPECT_EQ(utf8::find_invalid("twelve bytes\xFFrest"), 12u);
}

} // namespace
} // namespace ingot
