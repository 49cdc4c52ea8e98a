// The vocabulary, the merges and the added tokens of a tokenizer.json.
#include "compiler/tokenize/TokenizerJson.h"
#include "runtime/tokenize/utf8.h"

#include <unordered_map>

namespace ingot {
using namespace tokenizer_layout;

namespace {

// GPT-2's printable alphabet for bytes: printable Latin-1 stands for itself, the others follow from U+0100.
// (Radford et al. 2019, encoder.py: bytes_to_unicode.)
struct ByteAlphabet {
  uint32_t scalarOf[256];
  int byteOf[512];
  ByteAlphabet() {
    std::fill(std::begin(byteOf), std::end(byteOf), -1);
    uint32_t next = 256;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      scalarOf[byte] = printable ? byte : next++;
      byteOf[scalarOf[byte]] = int(byte);
    }
  }
};

// The bytes that an alphabet string stands for; false when it holds something else.
bool toBytes(const ByteAlphabet &alphabet, const std::string &text, std::string &bytes) {
  bytes.clear();
  for (size_t i = 0; i < text.size();) {
    auto sequence = utf8::decode(std::string_view(text).substr(i));
    if (!sequence.valid || sequence.scalar >= 512 || alphabet.byteOf[sequence.scalar] < 0) return false;
    bytes.push_back(char(alphabet.byteOf[sequence.scalar]));
    i += sequence.size;
  }
  return true;
}

using Vocabulary = std::unordered_map<std::string, uint32_t>;

bool readVocabulary(const JsonNode &node, Vocabulary &vocabulary, std::vector<std::string> &tokens) {
  if (!node.isObject() || node.size() == 0) return node.error("expected an object of tokens and their ids");
  const uint64_t limit = std::min<uint64_t>(max_vocab, 2 * node.size() + 65536); // few holes
  for (auto &[token, id] : node.json().items()) {
    uint64_t value = id.is_number_unsigned() ? id.template get<uint64_t>() : limit;
    if (value >= limit) return node[token].error("expected an id below " + std::to_string(limit));
    if (value >= tokens.size()) tokens.resize(value + 1);
    if (!tokens[value].empty()) return node[token].error("id " + std::to_string(value) + " is taken twice");
    tokens[value] = token;
    vocabulary.emplace(token, uint32_t(value));
  }
  return true;
}

bool splitMerge(const JsonNode &node, std::string &left, std::string &right) {
  if (node.isString()) {
    std::string text = node.string();
    size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
      return node.error("expected two tokens with one space between them");
    left = text.substr(0, space);
    right = text.substr(space + 1);
    return true;
  }
  if (!node.isArray() || node.size() != 2 || !node[0].isString() || !node[1].isString())
    return node.error("expected \"left right\" or [\"left\", \"right\"]");
  left = node[0].string();
  right = node[1].string();
  return true;
}

bool readMerges(const JsonNode &node, const Vocabulary &vocabulary, TokenizerTables &tables) {
  if (!node.isArray()) return node.error("expected an array of merges");
  std::string left, right;
  uint32_t rank = 0;
  for (size_t i = 0; i < node.size(); ++i) {
    const nlohmann::json &entry = node.json()[i];
    if (auto *text = entry.get_ptr<const std::string *>(); text && text->starts_with("#version")) continue;
    if (!splitMerge(node[i], left, right)) return false;
    auto a = vocabulary.find(left), b = vocabulary.find(right), merged = vocabulary.find(left + right);
    if (a == vocabulary.end() || b == vocabulary.end() || merged == vocabulary.end())
      return node[i].error("'" + left + "' + '" + right + "': the parts or the whole are not in model.vocab");
    tables.merges[{a->second, b->second}] = {rank++, merged->second};
  }
  return true;
}

void readByteTokens(const Vocabulary &vocabulary, bool byteLevel, TokenizerTables &tables) {
  ByteAlphabet alphabet;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    char fallback[8];
    snprintf(fallback, sizeof fallback, "<0x%02X>", byte);
    std::string name = fallback;
    if (byteLevel) utf8::append(alphabet.scalarOf[byte], &(name = ""));
    auto found = vocabulary.find(name);
    bool wanted = byteLevel || (tables.flags & byte_fallback);
    tables.byteId[byte] = wanted && found != vocabulary.end() ? found->second : no_id;
  }
}

// Texts by id become bytes; the look-up table is left out where nothing asks for it.
void finishTexts(bool byteLevel, TokenizerTables &tables) {
  ByteAlphabet alphabet;
  std::string bytes;
  for (uint32_t id = 0; id < tables.tokens.size(); ++id) {
    std::string &token = tables.tokens[id];
    bool mapped = !byteLevel || toBytes(alphabet, token, bytes);
    if (byteLevel && mapped) token = bytes;
    if (mapped && !token.empty() && (!byteLevel || (tables.flags & ignore_merges))) tables.lookup.push_back(id);
  }
}

bool readAddedTokens(const JsonNode &list, const Vocabulary &vocabulary, TokenizerTables &tables) {
  const uint64_t limit = std::min<uint64_t>(max_vocab, 2 * tables.tokens.size() + 65536);
  for (const JsonNode &node : list.elements()) {
    if (!node.isObject() || !node["content"].isString()) return node.error("expected an object with id and content");
    uint32_t id = uint32_t(node["id"].integer(limit, limit));
    std::string content = node["content"].string();
    if (id >= limit) return node["id"].isNull() ? node["id"].error("missing") : false;
    auto known = vocabulary.find(content);
    if (known != vocabulary.end() && known->second != id)
      return node["id"].error("'" + content + "' has id " + std::to_string(known->second) + " in model.vocab");
    if (known == vocabulary.end() && id < tables.tokens.size() && !tables.tokens[id].empty())
      return node["id"].error("is another token's in model.vocab");
    uint32_t flags = (node["special"].boolean() ? special : 0) | (node["normalized"].boolean(true) ? normalized : 0) |
                     (node["lstrip"].boolean() ? lstrip : 0) | (node["rstrip"].boolean() ? rstrip : 0) |
                     (node["single_word"].boolean() ? single_word : 0);
    tables.added.push_back({id, flags, content});
  }
  // Their texts are stored as they are, whatever the alphabet.
  for (const auto &token : tables.added) {
    if (token.id >= tables.tokens.size()) tables.tokens.resize(token.id + 1);
    tables.tokens[token.id] = token.content;
  }
  return true;
}

bool checkModelKind(const JsonNode &model) {
  if (!model.isObject()) return model.error("expected an object");
  std::string type = model["type"].string("BPE");
  if (type != "BPE") return model["type"].error("'" + type + "' is not supported; Ingot reads BPE");
  for (const char *key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model[key].string().empty()) return model[key].error("is not supported; only null or \"\"");
  if (model["dropout"].number(0) != 0) return model["dropout"].error("is not supported; encoding is deterministic");
  return true;
}

} // namespace

bool readModel(const JsonNode &root, bool byteLevel, TokenizerTables &tables) {
  JsonNode model = root["model"];
  if (!checkModelKind(model)) return false;
  tables.flags = (byteLevel ? byte_level : 0) | (model["byte_fallback"].boolean() ? byte_fallback : 0) |
                 (model["fuse_unk"].boolean() ? fuse_unk : 0) | (model["ignore_merges"].boolean() ? ignore_merges : 0);
  if (byteLevel && (tables.flags & byte_fallback))
    return model["byte_fallback"].error("together with a ByteLevel pre_tokenizer is not supported");
  Vocabulary vocabulary;
  if (!readVocabulary(model["vocab"], vocabulary, tables.tokens)) return false;
  if (!readMerges(model["merges"], vocabulary, tables)) return false;
  readByteTokens(vocabulary, byteLevel, tables);
  if (!model["unk_token"].isNull()) {
    auto unk = vocabulary.find(model["unk_token"].string());
    if (unk == vocabulary.end()) return model["unk_token"].error("is not in model.vocab");
    tables.unk = unk->second;
  }
  finishTexts(byteLevel, tables);
  return readAddedTokens(root["added_tokens"], vocabulary, tables);
}

} // namespace ingot
