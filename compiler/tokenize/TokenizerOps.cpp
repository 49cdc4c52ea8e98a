// The normalizer, pre_tokenizer, decoder and post_processor of a tokenizer.json, flattened into little programs.
// What the runtime has no operation for is an error that names it.
#include "compiler/tokenize/TokenizerJson.h"

#include <functional>

namespace ingot {
using namespace tokenizer_layout;

namespace {

using Ops = std::vector<TokenizerTables::Op>;

// GPT-2's splitting pattern (Radford et al. 2019), which ByteLevel implies with use_regex.
constexpr const char *gpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Calls `each` for every component: `list` names the array inside a Sequence.
bool forEachComponent(const JsonNode &node, const char *list, const std::function<bool(const JsonNode &)> &each,
                      int depth = 0) {
  if (node.isNull()) return true;
  if (!node.isObject() || !node["type"].isString()) return node.error("expected an object with a type");
  if (node["type"].string() != "Sequence") return each(node);
  if (depth == 8) return node.error("Sequences are nested too deep");
  for (const JsonNode &inner : node[list].elements())
    if (!forEachComponent(inner, list, each, depth + 1)) return false;
  return true;
}

bool unsupported(const JsonNode &node, const char *what) {
  return node["type"].error(std::string(what) + " '" + node["type"].string() + "' is not supported");
}

// tokenizer.json speaks Oniguruma; these few spellings mean something else in PCRE2.
bool checkDialect(const JsonNode &node, const std::string &pattern) {
  for (const char *construct : {"&&", "\\h", "\\H", "(?m", "\\K", "\\C", "(*"})
    if (pattern.find(construct) != std::string::npos)
      return node.error(std::string("the construct ") + construct + " is not supported in a pattern");
  return true;
}

bool readPattern(const JsonNode &node, std::string &pattern, bool &literal) {
  JsonNode text = node["String"], regex = node["Regex"];
  if (!text.isString() && !regex.isString()) return node.error("expected {\"String\": ...} or {\"Regex\": ...}");
  literal = text.isString();
  pattern = literal ? text.string() : regex.string();
  if (pattern.empty()) return node.error("an empty pattern is not supported");
  return literal || checkDialect(regex, pattern);
}

bool readNormalizer(const JsonNode &node, Ops &ops) {
  std::string type = node["type"].string();
  if (type == "NFC")
    ops.push_back({OpKind::nfc});
  else if (type == "NFD")
    ops.push_back({OpKind::nfd});
  else if (type == "NFKC")
    ops.push_back({OpKind::nfkc});
  else if (type == "NFKD")
    ops.push_back({OpKind::nfkd});
  else if (type == "Prepend")
    ops.push_back({OpKind::prepend, 0, node["prepend"].string()});
  else if (type == "Strip") {
    uint32_t sides = (node["strip_left"].boolean(true) ? 1 : 0) | (node["strip_right"].boolean(true) ? 2 : 0);
    ops.push_back({OpKind::strip, sides});
  } else if (type == "Replace") {
    std::string pattern;
    bool literal;
    if (!readPattern(node["pattern"], pattern, literal)) return false;
    ops.push_back({OpKind::replace, literal ? literal_flag : 0, pattern, node["content"].string()});
  } else
    return unsupported(node, "the normalizer");
  return true;
}

bool readBehavior(const JsonNode &node, uint32_t &flags) {
  static const std::pair<const char *, SplitBehavior> names[] = {
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous}};
  for (auto [name, behavior] : names)
    if (node.string() == name) {
      flags |= uint32_t(behavior) << 8;
      return true;
    }
  return node.error("'" + node.string() + "' is not a known behavior");
}

constexpr uint32_t isolatedFlag = uint32_t(SplitBehavior::isolated) << 8;
constexpr uint32_t mergedWithNextFlag = uint32_t(SplitBehavior::merged_with_next) << 8;

bool readSplit(const JsonNode &node, Ops &ops) {
  std::string pattern;
  bool literal;
  if (!readPattern(node["pattern"], pattern, literal)) return false;
  uint32_t flags = (literal ? literal_flag : 0) | (node["invert"].boolean() ? invert_flag : 0);
  if (!readBehavior(node["behavior"], flags)) return false;
  ops.push_back({OpKind::split, flags, pattern});
  return true;
}

bool readPrependScheme(const JsonNode &node, PrependScheme &scheme) {
  std::string name = node["prepend_scheme"].string(node["add_prefix_space"].boolean(true) ? "always" : "never");
  if (name != "always" && name != "first" && name != "never")
    return node["prepend_scheme"].error("'" + name + "' is not always, first or never");
  scheme = name == "always" ? PrependScheme::always : name == "first" ? PrependScheme::first : PrependScheme::never;
  return true;
}

bool readPreTokenizer(const JsonNode &node, bool &byteLevel, Ops &ops) {
  std::string type = node["type"].string();
  if (byteLevel) return node["type"].error("'" + type + "' after ByteLevel is not supported; ByteLevel must come last");
  if (type == "Split") return readSplit(node, ops);
  if (type == "ByteLevel") {
    byteLevel = true;
    if (node["add_prefix_space"].boolean(true)) ops.push_back({OpKind::prefix_space});
    if (node["use_regex"].boolean(true)) ops.push_back({OpKind::split, isolatedFlag, gpt2Pattern});
  } else if (type == "Digits") {
    // Rust's char::is_numeric is the general category N.
    ops.push_back({OpKind::split, isolatedFlag, node["individual_digits"].boolean() ? "\\p{N}" : "\\p{N}+"});
  } else if (type == "Metaspace") {
    PrependScheme scheme;
    std::string mark = node["replacement"].string("\u2581");
    if (!readPrependScheme(node, scheme)) return false;
    ops.push_back({OpKind::metaspace, uint32_t(scheme), mark});
    if (node["split"].boolean(true)) ops.push_back({OpKind::split, literal_flag | mergedWithNextFlag, mark});
  } else
    return unsupported(node, "the pre_tokenizer");
  return true;
}

struct DecoderState {
  bool byteLevel = false, fused = false, stripped = false;
};

bool readStrip(const JsonNode &node, DecoderState &state, Ops &ops) {
  if (node["stop"].integer(0) != 0) return node["stop"].error("is not supported; a stream has no known end");
  uint32_t start = uint32_t(node["start"].integer(0, 1024));
  if (start == 0) return true;
  if (!state.fused || state.stripped) return node["type"].error("Strip is supported once, after Fuse");
  state.stripped = true;
  ops.push_back({OpKind::decode_strip_start, start, node["content"].string()});
  return true;
}

bool readDecoder(const JsonNode &node, DecoderState &state, Ops &ops) {
  std::string type = node["type"].string();
  if (type == "ByteLevel")
    state.byteLevel = true;
  else if (type == "Fuse")
    state.fused = true;
  else if (type == "ByteFallback")
    ops.push_back({OpKind::decode_bytes});
  else if (type == "Strip")
    return readStrip(node, state, ops);
  else if (type == "Replace") {
    std::string pattern;
    bool literal;
    if (!readPattern(node["pattern"], pattern, literal)) return false;
    if (!literal) return node["pattern"].error("a Regex is not supported in a decoder");
    ops.push_back({OpKind::decode_replace, 0, pattern, node["content"].string()});
  } else if (type == "Metaspace") {
    PrependScheme scheme;
    if (!readPrependScheme(node, scheme)) return false;
    ops.push_back({OpKind::decode_replace, 0, node["replacement"].string("\u2581"), " "});
    if (scheme != PrependScheme::never) ops.push_back({OpKind::decode_strip_start, 1, " "});
  } else
    return unsupported(node, "the decoder");
  return true;
}

bool readTemplateProcessing(const JsonNode &node, TokenizerTables &tables) {
  std::vector<uint32_t> *ids = &tables.prefix;
  for (const JsonNode &item : node["single"].elements()) {
    if (item["Sequence"].isObject()) {
      if (ids == &tables.suffix) return item.error("the text may appear once only");
      ids = &tables.suffix;
      continue;
    }
    JsonNode name = item["SpecialToken"]["id"];
    if (!name.isString()) return item.error("expected SpecialToken or Sequence");
    for (const JsonNode &id : node["special_tokens"][name.string()]["ids"].elements())
      ids->push_back(uint32_t(id.integer(0, tables.tokens.size())));
  }
  return true;
}

} // namespace

bool readTextOps(const JsonNode &root, bool &byteLevel, TokenizerTables &tables) {
  DecoderState decoder;
  bool done =
      forEachComponent(root["normalizer"], "normalizers",
                       [&](const JsonNode &n) { return readNormalizer(n, tables.normalizers); }) &&
      forEachComponent(root["pre_tokenizer"], "pretokenizers",
                       [&](const JsonNode &n) { return readPreTokenizer(n, byteLevel, tables.preTokenizers); }) &&
      forEachComponent(root["decoder"], "decoders",
                       [&](const JsonNode &n) { return readDecoder(n, decoder, tables.decoders); });
  if (!done) return false;
  if (byteLevel != decoder.byteLevel)
    return root["decoder"].error(byteLevel ? "a ByteLevel pre_tokenizer needs a ByteLevel decoder"
                                           : "a ByteLevel decoder needs a ByteLevel pre_tokenizer");
  return root["decoder"].isNull() ? root["decoder"].error("is missing") : true;
}

bool readPostProcessor(const JsonNode &root, TokenizerTables &tables) {
  return forEachComponent(root["post_processor"], "processors", [&](const JsonNode &node) {
    std::string type = node["type"].string();
    if (type == "ByteLevel") return true; // only trims offsets
    if (type == "TemplateProcessing") return readTemplateProcessing(node, tables);
    return unsupported(node, "the post_processor");
  });
}

bool readTokenizerJson(const JsonNode &root, TokenizerTables &tables) {
  bool byteLevel = false;
  return readTextOps(root, byteLevel, tables) && readModel(root, byteLevel, tables) && readPostProcessor(root, tables);
}

} // namespace ingot
