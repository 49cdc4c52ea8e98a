// Reads the folder, calls each reader, and loads what was written with the runtime's own loader: the compiler never
// hands out a segment that the device would refuse.
#include "compiler/tokenize/tokenize.h"

#include "compiler/tokenize/Facts.h"
#include "compiler/tokenize/TokenizerJson.h"
#include "runtime/tokenize/chat.h"
#include "runtime/tokenize/tokenizer.h"

#include <fstream>
#include <iterator>

namespace ingot {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// False when the file is absent. A file that cannot be read is an error.
bool readText(const fs::path &file, Diagnostics &diagnostics, std::string &text) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return false;
  std::ifstream stream(file, std::ios::binary);
  text.assign(std::istreambuf_iterator<char>(stream), {});
  if (stream && !fs::is_directory(file, ignored)) return true;
  diagnostics.errors.push_back(file.filename().string() + ": cannot be read");
  return false;
}

// Null when the file is absent or broken (then with an error).
json readJson(const fs::path &folder, const char *name, Diagnostics &diagnostics) {
  std::string text;
  if (!readText(folder / name, diagnostics, text)) return nullptr;
  json value = json::parse(text, nullptr, false);
  if (!value.is_discarded() && value.is_object()) return value;
  diagnostics.errors.push_back(std::string(name) + ": is not a JSON object (" + std::to_string(text.size()) +
                               " bytes; truncated?)");
  return nullptr;
}

// Where templates live: a file of its own, or tokenizer_config.json as a string or a list of named ones.
std::string readTemplate(const fs::path &folder, const JsonNode &config, Diagnostics &diagnostics) {
  std::string text;
  if (readText(folder / "chat_template.jinja", diagnostics, text)) return text;
  JsonNode node = config["chat_template"];
  if (!node.isArray()) return node.string();
  for (const JsonNode &entry : node.elements())
    if (entry["name"].string() == "default") return entry["template"].string();
  return "";
}

void compileTemplate(const std::string &source, CompiledTokenizer &result) {
  if (source.empty()) return;
  std::string problem;
  if (compileChatTemplate(source, result.chat, problem)) {
    ChatTemplate check;
    Status status = check.load(result.chat);
    if (status.ok()) return;
    problem = status.message();
  }
  result.chat.clear();
  result.warnings.push_back("chat template: " + problem + ": --chat will be refused");
}

void checkIds(const CompiledTokenizer &result, Diagnostics &diagnostics) {
  auto check = [&](const char *name, int32_t id) {
    if (result.vocabSize != 0 && id >= 0 && size_t(id) >= result.vocabSize)
      diagnostics.warnings.push_back(std::string(name) + " " + std::to_string(id) +
                                     " is not in tokenizer.json's vocabulary");
  };
  check("bos_token_id", result.facts.bos);
  check("pad_token_id", result.facts.pad);
  for (int32_t id : result.facts.eos) check("eos_token_id", id);
}

// tokenizer.json to a segment that `loaded` has read; false after an error.
bool compileTables(const JsonNode &root, TokenizerTables &tables, Tokenizer &loaded, CompiledTokenizer &result) {
  if (!readTokenizerJson(root, tables) || !result.errors.empty()) return false;
  auto segment = writeSegment(tables);
  if (!segment) return root.error("its tables pass 2 GiB");
  result.tokenizer = std::move(*segment);
  result.vocabSize = tables.tokens.size();
  Status status = loaded.load(result.tokenizer);
  return status.ok() || root.error(status.message());
}

} // namespace

CompiledTokenizer compileTokenizer(const fs::path &folder) {
  CompiledTokenizer result;
  Diagnostics diagnostics{result.errors, result.warnings};
  json tokenizer = readJson(folder, "tokenizer.json", diagnostics);
  json tokenizerConfig = readJson(folder, "tokenizer_config.json", diagnostics);
  json generation = readJson(folder, "generation_config.json", diagnostics);
  json genai = readJson(folder, "genai_config.json", diagnostics);
  json config = readJson(folder, "config.json", diagnostics);
  auto root = [&](const json &value, const char *name) { return JsonNode(&value, name, &diagnostics); };

  TokenizerTables tables;
  Tokenizer loaded;
  bool good = result.errors.empty();
  if (good && !tokenizer.is_null()) good = compileTables(root(tokenizer, "tokenizer.json"), tables, loaded, result);
  if (good) {
    ConfigFiles files{root(generation, "generation_config.json"), root(genai, "genai_config.json"),
                      root(config, "config.json"), root(tokenizerConfig, "tokenizer_config.json")};
    auto find = [&](const std::string &text) { return result.vocabSize != 0 ? loaded.find(text) : -1; };
    result.facts = readFacts(files, find);
    result.facts.addBos =
        result.facts.bos >= 0 && !tables.prefix.empty() && tables.prefix[0] == uint32_t(result.facts.bos);
    compileTemplate(readTemplate(folder, files.tokenizer, diagnostics), result);
    checkIds(result, diagnostics);
  }
  if (!result.errors.empty()) result.tokenizer.clear(), result.chat.clear();
  return result;
}

} // namespace ingot
