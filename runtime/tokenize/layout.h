// The tokenizer segment of an artifact: what compiler/tokenize writes and runtime/tokenize reads, byte for byte.
//
// Little-endian, 4-byte aligned, offsets from the segment's first byte. A fixed header, then sections in the order of
// `Section`, each 4-byte aligned and zero padded. Nothing is rebuilt at load: tables are searched where they lie.
//
// Invariants (the writer keeps them, the loader refuses a segment that breaks one):
//  1. Every section lies inside [sizeof(Header), total_size); total_size is the segment's length.
//  2. text_offsets has vocab_size + 1 ascending entries into `text`; token i is text[text_offsets[i],
//  text_offsets[i+1]).
//     With flag byte_level these are the token's real bytes, else its UTF-8 vocabulary entry. A hole in the ids is
//     empty.
//  3. A bucket array of n > 1 entries ascends from 0 to its table's length: bucket b is [buckets[b], buckets[b+1]).
//     merges: bucket = bucket_of(hash_pair(left, right), n - 1); rank is the priority (lowest merges first).
//     tokens: bucket = bucket_of(hash_bytes(text), n - 1); holds the ids of all model tokens, never added-only ones.
//  4. Every id is below vocab_size or no_id (only byte_id and unk_id may be no_id).
//  5. StringRefs lie inside `strings`.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ingot::tokenizer_layout {

static_assert(std::endian::native == std::endian::little, "segments are read in place");

inline constexpr char magic[8] = {'I', 'N', 'G', 'O', 'T', 'T', 'O', 'K'};
inline constexpr uint32_t version = 1;
inline constexpr uint32_t no_id = 0xFFFFFFFF;
inline constexpr uint32_t max_vocab = 1u << 24;

enum Section : uint32_t {
  text_offsets,   // uint32_t[vocab_size + 1]
  text,           // bytes
  merge_buckets,  // uint32_t[n]
  merges,         // Merge[]
  token_buckets,  // uint32_t[n]; empty when no look-up by text is needed (byte_level without ignore_merges)
  token_ids,      // uint32_t[]
  added_tokens,   // AddedToken[]
  normalizers,    // TextOp[], applied in order
  pre_tokenizers, // TextOp[], applied in order
  decoders,       // TextOp[], applied in order
  prefix_ids,     // uint32_t[]: put before the text when special tokens are asked for
  suffix_ids,     // uint32_t[]: put after it
  strings,        // bytes
  n_sections,
};

enum Flag : uint32_t {
  byte_level = 1,    // symbols start as bytes (GPT-2 style); else as Unicode scalars
  byte_fallback = 2, // an unknown scalar becomes its UTF-8 bytes through byte_id
  fuse_unk = 4,      // neighbouring unknowns become one
  ignore_merges = 8, // a piece that is a token is taken whole
  all_flags = 15,
};

struct StringRef {
  uint32_t offset, size;
};

struct SectionRef {
  uint32_t offset, count; // count of elements, not bytes
};

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t total_size;
  uint32_t vocab_size;
  uint32_t flags;
  uint32_t unk_id;
  uint32_t reserved;     // 0
  uint32_t byte_id[256]; // the token of one byte: initial symbol (byte_level) or fallback
  SectionRef sections[n_sections];
};
static_assert(sizeof(Header) == 32 + 1024 + 8 * n_sections);

struct Merge {
  uint32_t left, right, rank, result;
};

enum AddedFlag : uint32_t {
  special = 1,
  normalized = 2,
  lstrip = 4,
  rstrip = 8,
  single_word = 16,
  all_added_flags = 31
};

struct AddedToken {
  uint32_t id, flags;
  StringRef content;
};

enum class OpKind : uint32_t {
  // normalizers
  nfc,
  nfd,
  nfkc,
  nfkd,
  prepend, // a, unless the text is empty
  strip,   // white space; flags: 1 left, 2 right
  replace, // every match of pattern a by b; flags: 1 = a is literal
  // pre-tokenizers
  split,        // by pattern a; flags: 1 = a is literal, 2 = inverted; behaviour in bits 8..15
  prefix_space, // ' ' before every piece that does not start with one
  metaspace,    // ' ' -> a; flags: the PrependScheme
  // decoders
  decode_replace,     // literal a -> b in each token
  decode_bytes,       // <0xXX> -> the byte
  decode_strip_start, // at most `flags` times a at the start of the text
};
inline constexpr uint32_t n_op_kinds = uint32_t(OpKind::decode_strip_start) + 1;

inline constexpr uint32_t literal_flag = 1, invert_flag = 2;
enum class SplitBehavior : uint32_t { removed, isolated, merged_with_previous, merged_with_next, contiguous };
enum class PrependScheme : uint32_t { never, first, always };

struct TextOp {
  OpKind kind;
  uint32_t flags;
  StringRef a, b;
};

// splitmix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
inline uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}
inline uint64_t hash_pair(uint32_t left, uint32_t right) { return mix(uint64_t(left) << 32 | right); }
// FNV-1a, mixed once more so that the high half may choose the bucket.
inline uint64_t hash_bytes(std::string_view bytes) {
  uint64_t h = 0xCBF29CE484222325ull;
  for (char c : bytes) h = (h ^ uint8_t(c)) * 0x100000001B3ull;
  return mix(h);
}
inline uint32_t bucket_of(uint64_t hash, size_t buckets) { return uint32_t((hash >> 32) * buckets >> 32); }

} // namespace ingot::tokenizer_layout
