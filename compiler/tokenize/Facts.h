// Generation facts out of the several files that exporters write; the most specific file that has a key wins:
// generation_config.json, then genai_config.json, then config.json, then tokenizer_config.json.
#pragma once
#include "compiler/tokenize/Json.h"
#include "compiler/tokenize/tokenize.h"

#include <functional>

namespace ingot {

struct ConfigFiles {
  JsonNode generation, genai, config, tokenizer;
};

// `find` gives the id of a token's text, or -1.
GenerationFacts readFacts(const ConfigFiles &files, const std::function<int32_t(const std::string &)> &find);

// The text of bos_token and the like: a string or {"content": string}; empty when absent.
std::string tokenText(const JsonNode &node);

} // namespace ingot
