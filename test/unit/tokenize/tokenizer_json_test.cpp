// What compileTokenizer says about files that are wrong or that it does not support.
#include "data.h"

#include <functional>

namespace ingot::test {
namespace {

std::string digitsJson() { return read(data("tokenizers/digits/tokenizer.json")); }

// The only error of the file after `change`.
template <class F> std::string errorAfter(F change) {
  auto root = nlohmann::json::parse(digitsJson());
  change(root);
  auto compiled = ModelFolder().write("tokenizer.json", root.dump()).compile();
  EXPECT_EQ(compiled.errors.size(), 1u);
  EXPECT_TRUE(compiled.tokenizer.empty());
  return compiled.errors.empty() ? "" : compiled.errors[0];
}

using J = nlohmann::json;

TEST(TokenizerJson, NamesFileAndKeyOfWhatIsUnsupported) {
  EXPECT_EQ(errorAfter([](J &j) { j["model"]["type"] = "Unigram"; }),
            "tokenizer.json: model.type: 'Unigram' is not supported; Ingot reads BPE");
  EXPECT_EQ(errorAfter([](J &j) { j["normalizer"] = {{"type", "Precompiled"}}; }),
            "tokenizer.json: normalizer.type: the normalizer 'Precompiled' is not supported");
  EXPECT_EQ(
      errorAfter([](J &j) { j["pre_tokenizer"]["pretokenizers"][0]["type"] = "BertPreTokenizer"; }),
      "tokenizer.json: pre_tokenizer.pretokenizers[0].type: the pre_tokenizer 'BertPreTokenizer' is not supported");
  EXPECT_EQ(errorAfter([](J &j) { j["decoder"]["type"] = "WordPiece"; }),
            "tokenizer.json: decoder.type: the decoder 'WordPiece' is not supported");
  EXPECT_EQ(errorAfter([](J &j) { j["post_processor"] = {{"type", "BertProcessing"}}; }),
            "tokenizer.json: post_processor.type: the post_processor 'BertProcessing' is not supported");
}

TEST(TokenizerJson, NamesFileAndKeyOfWhatIsWrong) {
  EXPECT_EQ(errorAfter([](J &j) { j["model"]["merges"][3] = "one"; }),
            "tokenizer.json: model.merges[3]: expected two tokens with one space between them");
  EXPECT_EQ(errorAfter([](J &j) { j["model"]["merges"][3] = {"qq", "zz"}; }),
            "tokenizer.json: model.merges[3]: 'qq' + 'zz': the parts or the whole are not in model.vocab");
  EXPECT_NE(errorAfter([](J &j) { j["model"]["vocab"]["!"] = -1; }).find("model.vocab.!"), std::string::npos);
  EXPECT_NE(errorAfter([](J &j) { j["model"]["vocab"]["!"] = 4000000000u; }).find("model.vocab.!"), std::string::npos);
  EXPECT_NE(errorAfter([](J &j) { j["model"]["vocab"] = {"a", "b"}; }).find("model.vocab: expected"),
            std::string::npos);
  EXPECT_NE(errorAfter([](J &j) { j["model"]["merges"] = 7; }).find("model.merges: expected"), std::string::npos);
  EXPECT_NE(errorAfter([](J &j) { j["added_tokens"][0]["id"] = "x"; }).find("added_tokens[0].id"), std::string::npos);
  EXPECT_NE(errorAfter([](J &j) { j["decoder"] = nullptr; }).find("decoder: "), std::string::npos);
  EXPECT_NE(errorAfter([](J &j) { j.erase("model"); }).find("model: expected"), std::string::npos);
}

TEST(TokenizerJson, PatternsThatPcreReadsDifferentlyOrNotAtAllAreErrors) {
  auto withPattern = [](const char *pattern) {
    return errorAfter([&](J &j) {
      j["pre_tokenizer"]["pretokenizers"][0] = {
          {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    });
  };
  EXPECT_NE(withPattern("[a-z&&[^aeiou]]").find("&&"), std::string::npos);
  EXPECT_NE(withPattern("(unclosed").find("(unclosed"), std::string::npos);
}

TEST(TokenizerJson, TruncatedAt64PlacesIsOneClearError) {
  std::string whole = digitsJson();
  for (size_t i = 0; i < 64; ++i) {
    auto compiled = ModelFolder().write("tokenizer.json", whole.substr(0, whole.size() * i / 64)).compile();
    ASSERT_EQ(compiled.errors.size(), 1u) << i;
    EXPECT_TRUE(compiled.errors[0].starts_with("tokenizer.json: is not a JSON object")) << compiled.errors[0];
  }
}

// Every value of the file in turn becomes another type: an error or a tokenizer, never a crash.
void mutate(J &node, const std::function<void()> &check) {
  static const J others[] = {nullptr, true, -1, 3.5, "text", J::array(), J::object()};
  for (auto &child : node) {
    for (const J &other : others) {
      J saved = std::exchange(child, other);
      check();
      child = std::move(saved);
    }
    if (child.is_structured() && child.size() < 40) mutate(child, check);
  }
}

TEST(TokenizerJson, WrongTypesAnywhereAreErrorsOrHarmless) {
  J root = J::parse(digitsJson());
  ModelFolder folder;
  size_t refused = 0, accepted = 0;
  mutate(root, [&] {
    auto compiled = folder.write("tokenizer.json", root.dump()).compile();
    compiled.errors.empty() ? ++accepted : ++refused;
    EXPECT_TRUE(compiled.errors.empty() || compiled.errors[0].starts_with("tokenizer.json: "));
  });
  EXPECT_GT(refused, 50u);
  EXPECT_GT(accepted, 10u);
}

TEST(TokenizerJson, NoFilesGiveNoTokenizerAndNoError) {
  auto compiled = ModelFolder().compile();
  EXPECT_TRUE(compiled.errors.empty());
  EXPECT_TRUE(compiled.tokenizer.empty());
}

} // namespace
} // namespace ingot::test
