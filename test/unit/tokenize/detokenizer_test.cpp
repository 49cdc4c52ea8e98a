#include "data.h"

#include "runtime/tokenize/utf8.h"

#include <new>

// Counts every allocation of this binary.
static size_t allocations = 0;
void *operator new(size_t size) {
  ++allocations;
  return malloc(size);
}
void operator delete(void *memory) noexcept { free(memory); }
void operator delete(void *memory, size_t) noexcept { free(memory); }

namespace ingot::test {
namespace {

class Detokenize : public testing::Test {
protected:
  Loaded loaded{read(data("tokenizers/stories260k/tokenizer.json"))};
  int32_t byte(unsigned value) { return int32_t(3 + value); } // the vocabulary's <0x00>...<0xFF>
};

TEST_F(Detokenize, HoldsBackBytesUntilTheScalarIsWhole) {
  std::string text;
  Detokenizer stream(loaded.tokenizer, {});
  for (unsigned value : {0xF0u, 0x9Fu, 0x98u}) {
    stream.add(byte(value), &text);
    EXPECT_EQ(text, "");
  }
  stream.add(byte(0x80), &text);
  EXPECT_EQ(text, "\U0001F600");
}

TEST_F(Detokenize, BrokenBytesBecomeReplacementCharacters) {
  EXPECT_EQ(loaded.decode({byte(0xFF)}), "\uFFFD");
  EXPECT_EQ(loaded.decode({byte(0xE2), byte(0x82)}), "\uFFFD"); // one for an unfinished scalar
  EXPECT_EQ(loaded.decode({byte(0xE2), byte('a')}), "\uFFFDa");
  EXPECT_EQ(loaded.decode({byte(0x80), byte(0x80)}), "\uFFFD\uFFFD");
}

TEST_F(Detokenize, EveryPrefixOfAStreamIsUtf8) {
  for (const auto &c : json(data("tokenizers/expected/stories260k.json"))) {
    std::string text;
    Detokenizer stream(loaded.tokenizer, {.skip_special = false});
    for (int32_t id : c["ids"].get<std::vector<int32_t>>()) {
      stream.add(id, &text);
      EXPECT_EQ(utf8::find_invalid(text), text.size());
    }
    stream.flush(&text);
    EXPECT_EQ(text, c["decoded"].get<std::string>());
  }
}

TEST_F(Detokenize, DropsOneLeadingSpaceOnlyAtTheStart) {
  auto ids = loaded.encode("Lily and  Tom", {.add_special = false});
  EXPECT_EQ(loaded.decode(ids), "Lily and  Tom");
  EXPECT_EQ(loaded.decode(ids, {.at_start = false}), " Lily and  Tom");
}

TEST_F(Detokenize, SpecialTokensAreSilentUnlessAskedFor) {
  EXPECT_EQ(loaded.decode({1, byte('x'), 2}), "x");
  EXPECT_EQ(loaded.decode({1, byte('x'), 2}, {.skip_special = false}), "<s>x</s>");
}

TEST_F(Detokenize, AllocatesNothingOnceItHasSeenItsLongestToken) {
  std::string text;
  text.reserve(1 << 20);
  Detokenizer stream(loaded.tokenizer, {});
  for (int32_t id = 0; id < 512; ++id) stream.add(id, &text);
  const size_t before = allocations;
  for (int round = 0; round < 10; ++round)
    for (int32_t id = 0; id < 512; ++id) stream.add(id, &text);
  EXPECT_EQ(allocations, before);
}

} // namespace
} // namespace ingot::test
