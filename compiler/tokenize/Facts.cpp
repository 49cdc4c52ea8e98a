#include "compiler/tokenize/Facts.h"

#include <algorithm>
#include <optional>

namespace ingot {

std::string tokenText(const JsonNode &node) { return node.isObject() ? node["content"].string() : node.string(); }

namespace {

constexpr uint64_t idLimit = uint64_t(1) << 31;

// The first node of the list that is there.
std::optional<JsonNode> first(const std::vector<JsonNode> &nodes) {
  for (const JsonNode &node : nodes)
    if (!node.isNull()) return node;
  return std::nullopt;
}

// An id, a list of ids, or nothing.
std::vector<int32_t> readIds(const std::optional<JsonNode> &node) {
  std::vector<int32_t> ids;
  if (!node) return ids;
  for (const JsonNode &id : node->isArray() ? node->elements() : std::vector<JsonNode>{*node}) {
    if (id.isNumber() && id.number(0) == -1) continue; // some writers' "none"
    uint64_t value = id.integer(idLimit, idLimit);
    if (value < idLimit) ids.push_back(int32_t(value));
  }
  return ids;
}

int32_t readId(const ConfigFiles &files, const std::string &name,
               const std::function<int32_t(const std::string &)> &find) {
  std::string key = name + "_token_id";
  auto ids = readIds(first({files.generation[key], files.genai["model"][key], files.config[key]}));
  if (!ids.empty()) return ids[0];
  std::string text = tokenText(files.tokenizer[name + "_token"]);
  return text.empty() ? -1 : find(text);
}

void readEos(const ConfigFiles &files, const std::function<int32_t(const std::string &)> &find,
             GenerationFacts &facts) {
  facts.eos = readIds(
      first({files.generation["eos_token_id"], files.genai["model"]["eos_token_id"], files.config["eos_token_id"]}));
  // Chat models often end turns with a token that only the tokenizer's file calls end of sequence.
  int32_t named = facts.eosText.empty() ? -1 : find(facts.eosText);
  if (named >= 0) facts.eos.push_back(named);
  std::sort(facts.eos.begin(), facts.eos.end());
  facts.eos.erase(std::unique(facts.eos.begin(), facts.eos.end()), facts.eos.end());
}

void readSampling(const ConfigFiles &files, GenerationFacts &facts) {
  const JsonNode &from = files.generation.isObject() ? files.generation : files.genai["search"];
  facts.sampling = from["do_sample"].boolean();
  facts.repetitionPenalty = float(from["repetition_penalty"].number(1));
  if (!facts.sampling) return;
  facts.temperature = float(from["temperature"].number(1));
  facts.topK = uint32_t(from["top_k"].integer(50, idLimit)); // 50: the writers' own default
  facts.topP = float(from["top_p"].number(1));
  facts.minP = float(from["min_p"].number(0));
  auto check = [&](const char *key, bool good) {
    if (!good) from[key].error("is out of range");
  };
  check("temperature", facts.temperature >= 0 && facts.temperature < 1e4f);
  check("top_p", facts.topP > 0 && facts.topP <= 1);
  check("min_p", facts.minP >= 0 && facts.minP <= 1);
}

} // namespace

GenerationFacts readFacts(const ConfigFiles &files, const std::function<int32_t(const std::string &)> &find) {
  GenerationFacts facts;
  facts.bosText = tokenText(files.tokenizer["bos_token"]);
  facts.eosText = tokenText(files.tokenizer["eos_token"]);
  facts.bos = readId(files, "bos", find);
  facts.pad = readId(files, "pad", find);
  readEos(files, find, facts);
  readSampling(files, facts);
  if (!(facts.repetitionPenalty > 0 && facts.repetitionPenalty < 1e4f))
    files.generation["repetition_penalty"].error("is out of range");
  // Multi-modal configurations keep the decoder's numbers one level down.
  const JsonNode &config = files.config, text = files.config["text_config"];
  if (auto limit = first({files.genai["model"]["context_length"], config["max_position_embeddings"],
                          text["max_position_embeddings"], config["n_positions"], config["n_ctx"],
                          config["max_seq_len"], config["max_sequence_length"]}))
    facts.maxContext = limit->integer(0);
  if (auto name = first({config["_name_or_path"], config["model_type"], files.genai["model"]["type"]}))
    facts.modelName = name->string();
  return facts;
}

std::vector<std::string> dropForeignTokens(GenerationFacts &facts, uint64_t vocabSize) {
  std::vector<std::string> warnings;
  auto foreign = [&](const char *name, int32_t id) {
    if (id < 0 || uint64_t(id) < vocabSize) return false;
    warnings.push_back(std::string(name) + " " + std::to_string(id) + " is outside the model's vocabulary of " +
                       std::to_string(vocabSize) + ": ignored");
    return true;
  };
  if (foreign("bos_token_id", facts.bos)) facts.bos = -1, facts.addBos = false;
  if (foreign("pad_token_id", facts.pad)) facts.pad = -1;
  std::erase_if(facts.eos, [&](int32_t id) { return foreign("eos_token_id", id); });
  return warnings;
}

} // namespace ingot
