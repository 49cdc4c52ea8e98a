// Ids and texts against what the `tokenizers` package recorded (test/data/tokenizers/record.py).
#include "data.h"

#include <chrono>

namespace ingot::test {
namespace {

void expectRecorded(const std::string &name, const std::string &tokenizerJson) {
  Loaded loaded(tokenizerJson);
  auto cases = json(data("tokenizers/expected/" + name + ".json"));
  ASSERT_GT(cases.size(), 30u);
  for (const auto &c : cases) {
    std::string text = c["text"];
    SCOPED_TRACE(text);
    std::vector<int32_t> ids = c["ids"];
    EXPECT_EQ(loaded.encode(text), ids);
    EXPECT_EQ(loaded.encode(text, {.add_special = false}), c["bare"].get<std::vector<int32_t>>());
    EXPECT_EQ(loaded.encode(text, {.allow_special = false}), c["plain"].get<std::vector<int32_t>>());
    EXPECT_EQ(loaded.decode(ids, {.skip_special = false}), c["decoded"].get<std::string>());
    EXPECT_EQ(loaded.decode(ids), c["visible"].get<std::string>());
  }
}

void expectRecordedShared(const std::string &name) {
  fs::path file = shared("data/tokenizers/" + name + "/tokenizer.json.xz");
  if (file.empty()) GTEST_SKIP() << "needs the shared data";
  expectRecorded(name, decompress(file));
}

TEST(Tokenizer, DigitsThenByteLevelLikeSmolLM2) {
  expectRecorded("digits", read(data("tokenizers/digits/tokenizer.json")));
}
TEST(Tokenizer, RegexNfcAndIgnoredMergesLikeLlama3) {
  expectRecorded("regex", read(data("tokenizers/regex/tokenizer.json")));
}
TEST(Tokenizer, ByteFallbackLikeLlama2) {
  expectRecorded("stories260k", read(data("tokenizers/stories260k/tokenizer.json")));
}
TEST(Tokenizer, Gpt2) { expectRecordedShared("gpt2"); }
TEST(Tokenizer, Phi3) { expectRecordedShared("phi3"); }
TEST(Tokenizer, Qwen3) { expectRecordedShared("qwen3"); }

// The folder that tools/models/smollm2.py makes.
TEST(Tokenizer, SmolLM2GoldenCases) {
  const char *folder = getenv("INGOT_SMOLLM2");
  if (!folder) GTEST_SKIP() << "set INGOT_SMOLLM2 to the model's folder";
  Loaded loaded(compileTokenizer(folder));
  auto cases = json(data("smollm2/golden.json"))["tokenizer_cases"];
  ASSERT_EQ(cases.size(), 26u);
  for (const auto &c : cases)
    EXPECT_EQ(loaded.encode(c["text"], {.add_special = false}), c["ids"].get<std::vector<int32_t>>()) << c["text"];
}

class Stories : public testing::Test {
protected:
  Loaded loaded{read(data("tokenizers/stories260k/tokenizer.json"))};
};

TEST_F(Stories, EmptyPromptIsTheBeginOfSequence) {
  EXPECT_EQ(loaded.encode(""), std::vector<int32_t>{1});
  EXPECT_TRUE(loaded.encode("", {.add_special = false}).empty());
}

TEST_F(Stories, TextThatIsNotUtf8IsRefusedWithItsOffset) {
  for (std::string bad : {"ab\xFF", "ab\xC0\x80", "ab\xED\xA0\x80", "ab\xE2\x82", "ab\xF5\x80\x80\x80"}) {
    std::vector<int32_t> ids;
    Status status = loaded.tokenizer.encode(bad, {}, &ids);
    EXPECT_EQ(status.code(), Code::bad_input);
    EXPECT_NE(std::string(status.message()).find("offset 2"), std::string::npos) << status.message();
  }
}

TEST_F(Stories, FindsTokensByText) {
  EXPECT_EQ(loaded.tokenizer.find("</s>"), 2);
  EXPECT_EQ(loaded.tokenizer.find("not a token"), -1);
  EXPECT_TRUE(loaded.tokenizer.is_special(2));
  EXPECT_FALSE(loaded.tokenizer.is_special(300));
  EXPECT_FALSE(loaded.tokenizer.is_special(-1));
  EXPECT_EQ(loaded.tokenizer.vocab_size(), 512u);
}

TEST_F(Stories, OutOfRangeIdsHaveNoText) {
  EXPECT_EQ(loaded.tokenizer.token_bytes(-1), "");
  EXPECT_EQ(loaded.tokenizer.token_bytes(512), "");
  EXPECT_EQ(loaded.decode({-5, 1 << 30}), "");
}

// One long piece must not cost the square of its length.
TEST(Tokenizer, AMebibyteOfOneLetterIsFast) {
  for (const char *name : {"stories260k", "digits", "regex"}) {
    Loaded loaded(read(data(std::string("tokenizers/") + name + "/tokenizer.json")));
    for (char c : {'a', ' ', '\n', '!'}) {
      auto start = std::chrono::steady_clock::now();
      EXPECT_FALSE(loaded.encode(std::string(1 << 20, c)).empty());
      std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      EXPECT_LT(seconds.count(), 20.0) << name << " '" << c << "'"; // 0.1-0.4 s without sanitizers
    }
  }
}

TEST(Tokenizer, CompilesToTheSameBytes) {
  std::string source = read(data("tokenizers/regex/tokenizer.json"));
  EXPECT_EQ(Loaded(source).compiled.tokenizer, Loaded(source).compiled.tokenizer);
}

} // namespace
} // namespace ingot::test
