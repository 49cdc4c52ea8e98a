// From a model folder's tokenizer and configuration files to what the artifact carries: a tokenizer segment
// (runtime/tokenize/layout.h), a chat program (runtime/tokenize/chat_layout.h) and generation facts.
//
// Reads, where present: tokenizer.json, tokenizer_config.json, chat_template.jinja, generation_config.json,
// genai_config.json, config.json. Same files give the same bytes. Never throws; thread-safe.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ingot {

// What decoding needs to know beyond the weights. Ids are -1 when no file names them.
struct GenerationFacts {
  int32_t bos = -1, pad = -1;
  std::vector<int32_t> eos;     // every id that ends a sequence, ascending
  bool addBos = false;          // encode(add_special) puts bos in front
  std::string bosText, eosText; // the tokens' text, for chat templates
  uint64_t maxContext = 0;      // 0: unknown
  std::string modelName;        // what the configuration calls the model (name, else architecture); may be empty
  // Sampling defaults; `sampling` is false when the files ask for greedy decoding or say nothing.
  bool sampling = false;
  float temperature = 1.0f, topP = 1.0f, minP = 0.0f, repetitionPenalty = 1.0f;
  uint32_t topK = 0; // 0: off
};

struct CompiledTokenizer {
  std::vector<uint8_t> tokenizer; // empty: the folder has no tokenizer.json, or there are errors
  std::vector<uint8_t> chat;      // empty: no chat template, or one that a warning calls unsupported
  GenerationFacts facts;
  size_t vocabSize = 0;
  // "file: key: what is wrong". With errors nothing above is to be used.
  std::vector<std::string> errors, warnings;
};

CompiledTokenizer compileTokenizer(const std::filesystem::path &folder);

// Forgets ids that the model's vocabulary does not have: no step can make or take them. Returns a warning for each.
std::vector<std::string> dropForeignTokens(GenerationFacts &facts, uint64_t vocabSize);

// One chat template (Jinja). On success `program` is filled; else `problem` names the construct and its line.
bool compileChatTemplate(const std::string &source, std::vector<uint8_t> &program, std::string &problem);

} // namespace ingot
