#include "data.h"

namespace ingot::test {
namespace {

TEST(Facts, TheMostSpecificFileWins) {
  ModelFolder folder;
  folder.write("config.json", R"({"bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 4096})");
  EXPECT_EQ(folder.compile().facts.eos, std::vector<int32_t>{2});
  EXPECT_EQ(folder.compile().facts.maxContext, 4096u);
  folder.write("genai_config.json", R"({"model": {"eos_token_id": [3, 4], "context_length": 512, "pad_token_id": 9}})");
  auto facts = folder.compile().facts;
  EXPECT_EQ(facts.eos, (std::vector<int32_t>{3, 4}));
  EXPECT_EQ(facts.maxContext, 512u);
  EXPECT_EQ(facts.pad, 9);
  EXPECT_EQ(facts.bos, 1);
  folder.write("generation_config.json", R"({"eos_token_id": [7, 5, 7]})");
  EXPECT_EQ(folder.compile().facts.eos, (std::vector<int32_t>{5, 7}));
}

TEST(Facts, TheModelsNameComesFromItsConfigurationNotItsPath) {
  ModelFolder folder;
  EXPECT_EQ(folder.compile().facts.modelName, "");
  folder.write("genai_config.json", R"({"model": {"type": "phi3"}})");
  EXPECT_EQ(folder.compile().facts.modelName, "phi3");
  folder.write("config.json", R"({"model_type": "llama", "_name_or_path": "Some/Model"})");
  EXPECT_EQ(folder.compile().facts.modelName, "Some/Model");
}

TEST(Facts, TheTokenizersEndOfSequenceAlwaysEnds) {
  ModelFolder folder;
  folder.write("tokenizer.json", read(data("tokenizers/digits/tokenizer.json")))
      .write("tokenizer_config.json", R"({"eos_token": {"content": "<|im_end|>"}, "bos_token": "<|endoftext|>"})")
      .write("config.json", R"({"eos_token_id": 0})");
  auto facts = folder.compile().facts;
  EXPECT_EQ(facts.eos, (std::vector<int32_t>{0, 2}));
  EXPECT_EQ(facts.bos, 0);
  EXPECT_EQ(facts.eosText, "<|im_end|>");
  EXPECT_FALSE(facts.addBos);
}

TEST(Facts, ThePostProcessorDecidesWhetherBosIsAdded) {
  ModelFolder folder;
  folder.write("tokenizer.json", read(data("tokenizers/stories260k/tokenizer.json")))
      .write("config.json", R"({"bos_token_id": 1})");
  EXPECT_TRUE(folder.compile().facts.addBos);
}

TEST(Facts, SamplingOnlyWhereTheFilesAskForIt) {
  ModelFolder folder;
  folder.write("generation_config.json", R"({"temperature": 0.6, "top_k": 20, "top_p": 0.95})");
  EXPECT_FALSE(folder.compile().facts.sampling);
  folder.write("generation_config.json",
               R"({"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "min_p": 0.1})");
  auto facts = folder.compile().facts;
  EXPECT_TRUE(facts.sampling);
  EXPECT_FLOAT_EQ(facts.temperature, 0.6f);
  EXPECT_EQ(facts.topK, 20u);
  EXPECT_FLOAT_EQ(facts.topP, 0.95f);
  EXPECT_FLOAT_EQ(facts.minP, 0.1f);
}

TEST(Facts, MinusOneIsNone) {
  ModelFolder folder;
  folder.write("config.json", R"({"pad_token_id": -1, "bos_token_id": -1, "eos_token_id": [2, -1]})");
  auto compiled = folder.compile();
  EXPECT_EQ(compiled.errors, std::vector<std::string>{});
  EXPECT_EQ(compiled.facts.pad, -1);
  EXPECT_EQ(compiled.facts.bos, -1);
  EXPECT_EQ(compiled.facts.eos, std::vector<int32_t>{2});
}

TEST(Facts, IdsThatTheModelDoesNotHaveAreForgottenWithAWarning) {
  GenerationFacts facts;
  facts.bos = 511, facts.pad = 512, facts.eos = {2, 99999}, facts.addBos = true;
  EXPECT_EQ(dropForeignTokens(facts, 512).size(), 2u);
  EXPECT_EQ(facts.bos, 511);
  EXPECT_TRUE(facts.addBos);
  EXPECT_EQ(facts.pad, -1);
  EXPECT_EQ(facts.eos, std::vector<int32_t>{2});
  auto warnings = dropForeignTokens(facts, 100);
  EXPECT_EQ(warnings, std::vector<std::string>{"bos_token_id 511 is outside the model's vocabulary of 100: ignored"});
  EXPECT_FALSE(facts.addBos);
}

TEST(Facts, WrongTypesAndRangesNameFileAndKey) {
  ModelFolder folder;
  folder.write("generation_config.json", R"({"do_sample": true, "top_p": 7})");
  EXPECT_EQ(folder.compile().errors, std::vector<std::string>{"generation_config.json: top_p: is out of range"});
  folder.write("generation_config.json", R"({"eos_token_id": "2"})");
  EXPECT_TRUE(folder.compile().errors.at(0).starts_with("generation_config.json: eos_token_id: expected an integer"));
  folder.write("generation_config.json", "[]");
  EXPECT_EQ(folder.compile().errors.size(), 1u);
}

} // namespace
} // namespace ingot::test
