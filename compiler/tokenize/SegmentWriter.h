// Collects a tokenizer's tables and lays them out as runtime/tokenize/layout.h says. The bytes depend on the contents
// only.
#pragma once
#include "runtime/tokenize/layout.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ingot {

struct TokenizerTables {
  std::vector<std::string> tokens;                                               // by id; holes are empty
  std::vector<uint32_t> lookup;                                                  // ids that are found by text
  std::map<std::pair<uint32_t, uint32_t>, std::pair<uint32_t, uint32_t>> merges; // (left, right) -> (rank, result)
  struct Op {
    tokenizer_layout::OpKind kind;
    uint32_t flags = 0;
    std::string a = {}, b = {};
  };
  struct Added {
    uint32_t id, flags;
    std::string content;
  };
  std::vector<Added> added;
  std::vector<Op> normalizers, preTokenizers, decoders;
  std::vector<uint32_t> prefix, suffix;
  uint32_t flags = 0, unk = tokenizer_layout::no_id;
  uint32_t byteId[256];
};

// Nothing when the tables pass 2 GiB.
std::optional<std::vector<uint8_t>> writeSegment(const TokenizerTables &tables);

} // namespace ingot
