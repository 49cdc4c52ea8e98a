#include "runtime/tokenize/bpe.h"

#include "runtime/tokenize/utf8.h"

#include <algorithm>
#include <functional>

namespace ingot {
using namespace tokenizer_layout;

void BytePairEncoder::add_symbol(uint32_t id) {
  uint32_t at = uint32_t(symbols_.size());
  symbols_.push_back({id, at == 0 ? none : at - 1, at + 1, none, 0});
}

void BytePairEncoder::add_unknown(std::string_view scalar) {
  if (segment_.has(byte_fallback)) {
    bool all = true;
    for (char c : scalar) all = all && segment_.header->byte_id[uint8_t(c)] != no_id;
    if (all) {
      for (char c : scalar) add_symbol(segment_.header->byte_id[uint8_t(c)]);
      return;
    }
  }
  const uint32_t unk = segment_.header->unk_id;
  if (unk == no_id) return;
  if (segment_.has(fuse_unk) && !symbols_.empty() && symbols_.back().id == unk) return;
  add_symbol(unk);
}

void BytePairEncoder::add_symbols(std::string_view piece) {
  symbols_.clear();
  if (segment_.has(byte_level)) {
    for (char c : piece) {
      uint32_t id = segment_.header->byte_id[uint8_t(c)];
      id == no_id ? add_unknown({}) : add_symbol(id);
    }
  } else {
    for (size_t i = 0; i < piece.size();) {
      auto scalar = piece.substr(i, utf8::decode(piece.substr(i)).size);
      uint32_t id = segment_.find_token(scalar);
      id == no_id ? add_unknown(scalar) : add_symbol(id);
      i += scalar.size();
    }
  }
  if (!symbols_.empty()) symbols_.back().next = none;
}

void BytePairEncoder::find_pair(uint32_t left) {
  Symbol &symbol = symbols_[left];
  symbol.rank = none;
  if (symbol.next == none) return;
  const Merge *merge = segment_.find_merge(symbol.id, symbols_[symbol.next].id);
  if (!merge) return;
  symbol.rank = merge->rank;
  symbol.result = merge->result;
  heap_.push_back(uint64_t(merge->rank) << 32 | left);
}

void BytePairEncoder::merge_all() {
  heap_.clear();
  for (uint32_t i = 0; i < symbols_.size(); ++i) find_pair(i);
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  auto pair_again = [&](uint32_t left) {
    size_t before = heap_.size();
    find_pair(left);
    if (heap_.size() > before) std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    uint64_t best = heap_.back();
    heap_.pop_back();
    uint32_t at = uint32_t(best);
    Symbol &symbol = symbols_[at];
    if (symbol.id == none || symbol.rank != best >> 32 || symbol.next == none) continue; // stale
    Symbol &next = symbols_[symbol.next];
    symbol.id = symbol.result;
    symbol.next = next.next;
    if (next.next != none) symbols_[next.next].previous = at;
    next.id = none;
    next.rank = none;
    pair_again(at);
    if (symbol.previous != none) pair_again(symbol.previous);
  }
}

void BytePairEncoder::append(std::string_view piece, std::vector<int32_t> *ids) {
  if (piece.empty()) return;
  if (segment_.has(ignore_merges)) {
    uint32_t id = segment_.find_token(piece);
    if (id != no_id) return ids->push_back(int32_t(id));
  }
  add_symbols(piece);
  if (symbols_.empty()) return;
  merge_all();
  for (uint32_t i = 0; i != none; i = symbols_[i].next) ids->push_back(int32_t(symbols_[i].id));
}

} // namespace ingot
