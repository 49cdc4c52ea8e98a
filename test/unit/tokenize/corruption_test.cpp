// Segments are untrusted: truncated or flipped they are refused with a message, or they are harmless to use.
#include "data.h"

#include "runtime/tokenize/chat.h"

#include <cstring>
#include <random>

namespace ingot::test {
namespace {

// Loads, and if that works, uses everything. True when refused.
bool refused(const std::vector<uint8_t> &segment) {
  Tokenizer tokenizer;
  Status status = tokenizer.load(segment);
  if (!status.ok()) {
    EXPECT_NE(std::string(status.message()), "");
    return true;
  }
  for (const char *text :
       {"Once upon a time, 123 \u4e2d\u6587 <s> word <mark>  b <|endoftext|>", "", "\U0001F600   \n\n x"}) {
    std::vector<int32_t> ids;
    if (!tokenizer.encode(text, {}, &ids).ok()) continue;
    std::string out;
    Detokenizer stream(tokenizer, {});
    for (int32_t id : ids) {
      EXPECT_LT(size_t(id), tokenizer.vocab_size());
      stream.add(id, &out);
    }
    stream.flush(&out);
  }
  return false;
}

bool chatRefused(const std::vector<uint8_t> &segment) {
  ChatTemplate chat;
  if (!chat.load(segment).ok()) return true;
  const ChatMessage messages[] = {{"user", "Hi"}, {"assistant", "Hello"}};
  std::string out;
  return !chat.render({.messages = messages, .bos_token = "<s>", .eos_token = "</s>"}, &out).ok();
}

std::vector<uint8_t> tokenizerSegment(const char *name) {
  return Loaded(read(data(std::string("tokenizers/") + name + "/tokenizer.json"))).compiled.tokenizer;
}

std::vector<uint8_t> chatSegment() {
  std::vector<uint8_t> program;
  std::string problem;
  EXPECT_TRUE(compileChatTemplate(
      "{%- macro f(a) %}{{ a|trim|upper }}{% endmacro %}{% set ns = namespace(n=0) %}{{ bos_token }}{% for m in "
      "messages if "
      "m.content %}{% set ns.n = ns.n + 1 %}{{ m['role'] ~ ': ' + f(m.content[0:5]) }}{{ loop.index0 * 2 }}{{ [1, "
      "2]|tojson }}"
      "{{ m.content.split('l')|join(',') }}{% else %}{{ raise_exception('empty') }}{% endfor %}{{ ns.n }}",
      program, problem))
      << problem;
  return program;
}

template <class F> void truncate(const std::vector<uint8_t> &whole, F refuses) {
  for (size_t i = 0; i < 64; ++i)
    EXPECT_TRUE(refuses(std::vector<uint8_t>(whole.begin(), whole.begin() + long(whole.size() * i / 64)))) << i;
  std::vector<uint8_t> longer = whole;
  longer.push_back(0);
  EXPECT_TRUE(refuses(longer));
}

// Bytes anywhere, and whole words near the start where the counts and offsets are.
template <class F> size_t flip(const std::vector<uint8_t> &whole, size_t rounds, F refuses) {
  std::mt19937 random(7);
  size_t count = 0;
  for (size_t i = 0; i < rounds; ++i) {
    std::vector<uint8_t> bad = whole;
    const uint32_t values[] = {0, 1, 0xFFFFFFFF, 0x80000000, uint32_t(random()), uint32_t(random() % 512)};
    for (size_t k = 0; k < 1 + i % 3; ++k) {
      size_t at = random() % (i % 2 ? bad.size() : std::min<size_t>(bad.size(), 1400));
      if (i % 5)
        bad[at] ^= uint8_t(1 + random() % 255);
      else
        memcpy(&bad[std::min(at / 4 * 4, bad.size() - 4)], &values[random() % 6], 4);
    }
    count += refuses(bad);
  }
  return count;
}

TEST(Corruption, TruncatedTokenizerSegments) {
  for (const char *name : {"stories260k", "digits", "regex"}) truncate(tokenizerSegment(name), refused);
}

TEST(Corruption, FlippedTokenizerSegments) {
  for (const char *name : {"stories260k", "digits", "regex"})
    EXPECT_GT(flip(tokenizerSegment(name), 3000, refused), 100u);
}

TEST(Corruption, TruncatedChatSegments) { truncate(chatSegment(), chatRefused); }

TEST(Corruption, FlippedChatSegments) { EXPECT_GT(flip(chatSegment(), 6000, chatRefused), 300u); }

TEST(Corruption, MisalignedSegmentsAreRefused) {
  std::vector<uint8_t> segment = tokenizerSegment("digits"), moved(segment.size() + 1);
  std::copy(segment.begin(), segment.end(), moved.begin() + 1);
  Tokenizer tokenizer;
  EXPECT_FALSE(tokenizer.load(Bytes(moved).subspan(1)).ok());
}

} // namespace
} // namespace ingot::test
