#include "compiler/tokenize/SegmentWriter.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace ingot {
using namespace tokenizer_layout;

namespace {

class Layout {
public:
  Layout() : bytes(sizeof(Header)) {}

  template <class T> void add(Section section, const std::vector<T> &values) {
    add(section, values.data(), values.size(), values.size() * sizeof(T));
  }
  void add(Section section, const std::string &text) { add(section, text.data(), text.size(), text.size()); }

  std::vector<uint8_t> finish(Header header) {
    std::copy(std::begin(refs), std::end(refs), header.sections);
    header.total_size = uint32_t(bytes.size());
    memcpy(bytes.data(), &header, sizeof header);
    return std::move(bytes);
  }
  bool fits() const { return bytes.size() < (size_t(1) << 31); }

private:
  void add(Section section, const void *data, size_t count, size_t size) {
    refs[section] = {uint32_t(bytes.size()), uint32_t(count)};
    auto *first = static_cast<const uint8_t *>(data);
    bytes.insert(bytes.end(), first, first + size);
    bytes.resize((bytes.size() + 3) / 4 * 4);
  }
  std::vector<uint8_t> bytes;
  SectionRef refs[n_sections] = {};
};

// Sorts `entries` by bucket, then by their own order, and returns where each bucket starts.
template <class T, class Hash, class Before>
std::vector<uint32_t> makeBuckets(std::vector<T> &entries, size_t perBucket, Hash hash, Before before) {
  if (entries.empty()) return {};
  const size_t count = (entries.size() + perBucket - 1) / perBucket;
  auto bucket = [&](const T &entry) { return bucket_of(hash(entry), count); };
  std::sort(entries.begin(), entries.end(),
            [&](const T &a, const T &b) { return bucket(a) != bucket(b) ? bucket(a) < bucket(b) : before(a, b); });
  std::vector<uint32_t> begins(count + 1);
  for (const T &entry : entries) ++begins[bucket(entry) + 1];
  for (size_t i = 0; i < count; ++i) begins[i + 1] += begins[i];
  return begins;
}

StringRef intern(std::string &pool, const std::string &text) {
  StringRef ref{uint32_t(pool.size()), uint32_t(text.size())};
  pool += text;
  return ref;
}

std::vector<TextOp> writeOps(const std::vector<TokenizerTables::Op> &ops, std::string &pool) {
  std::vector<TextOp> written;
  for (const auto &op : ops) written.push_back({op.kind, op.flags, intern(pool, op.a), intern(pool, op.b)});
  return written;
}

} // namespace

std::optional<std::vector<uint8_t>> writeSegment(const TokenizerTables &tables) {
  std::vector<uint32_t> offsets{0};
  std::string text, pool;
  for (const std::string &token : tables.tokens) offsets.push_back(uint32_t((text += token).size()));

  std::vector<Merge> merges;
  for (auto [pair, merged] : tables.merges) merges.push_back({pair.first, pair.second, merged.first, merged.second});
  auto mergeBuckets = makeBuckets(
      merges, 4, [](const Merge &m) { return hash_pair(m.left, m.right); },
      [](const Merge &a, const Merge &b) { return a.rank < b.rank; });
  std::vector<uint32_t> lookup = tables.lookup;
  auto tokenBuckets =
      makeBuckets(lookup, 2, [&](uint32_t id) { return hash_bytes(tables.tokens[id]); }, std::less<uint32_t>());

  std::vector<AddedToken> added;
  for (const auto &token : tables.added) added.push_back({token.id, token.flags, intern(pool, token.content)});

  Layout layout;
  layout.add(text_offsets, offsets);
  layout.add(Section::text, text);
  layout.add(merge_buckets, mergeBuckets);
  layout.add(Section::merges, merges);
  layout.add(token_buckets, tokenBuckets);
  layout.add(token_ids, lookup);
  layout.add(added_tokens, added);
  layout.add(normalizers, writeOps(tables.normalizers, pool));
  layout.add(pre_tokenizers, writeOps(tables.preTokenizers, pool));
  layout.add(decoders, writeOps(tables.decoders, pool));
  layout.add(prefix_ids, tables.prefix);
  layout.add(suffix_ids, tables.suffix);
  layout.add(strings, pool);
  if (!layout.fits() || text.size() >= (size_t(1) << 31)) return std::nullopt;

  Header header{};
  memcpy(header.magic, magic, sizeof magic);
  header.version = version;
  header.vocab_size = uint32_t(tables.tokens.size());
  header.flags = tables.flags;
  header.unk_id = tables.unk;
  std::copy(std::begin(tables.byteId), std::end(tables.byteId), header.byte_id);
  return layout.finish(header);
}

} // namespace ingot
