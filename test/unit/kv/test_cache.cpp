// Pages, block tables and exact accounting.
#include "runtime/kv/cache.h"
#include "test/unit/artifact/forge.h"

#include <array>
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace ingot::test {
namespace {

struct Toy {
  std::vector<uint8_t> file;
  Artifact artifact;
  explicit Toy(const ToyOptions &options = {}) : file(toy_file(options)) {
    EXPECT_TRUE(open_toy(file, &artifact).ok());
  }
};

constexpr size_t page_bytes = 2 * 4 * 64;

// Writes down which copies were asked for: {group, from, to}.
struct Copies {
  std::vector<std::array<uint32_t, 3>> made;
  bool fail = false;

  static Status copy(void *self, uint32_t group, uint32_t from, uint32_t to) {
    auto copies = static_cast<Copies *>(self);
    if (copies->fail) return Status::error(Code::device_lost, "no device");
    copies->made.push_back({group, from, to});
    return {};
  }
};

// Every page's references equal its entries in block tables; used pages are exactly those with references.
void expect_exact(const Cache &cache, uint32_t sequences) {
  std::map<uint32_t, uint32_t> entries;
  for (uint32_t s = 0; s < sequences; ++s)
    for (size_t e = 0; e < cache.stride(0); ++e)
      if (uint32_t page = cache.table(0, s)[e]) ++entries[page];
  EXPECT_EQ(cache.pages(0).used(), entries.size());
  for (auto [page, count] : entries) EXPECT_EQ(cache.pages(0).references(page), count);
  EXPECT_EQ(cache.used_bytes(), entries.size() * page_bytes);
}

TEST(Cache, GrowsByPagesAndGivesThemBack) {
  Toy toy;
  Cache cache;
  ASSERT_TRUE(cache.open(toy.artifact.plan(), {.max_sequences = 2, .max_context = 64}).ok());
  EXPECT_EQ(cache.capacity_bytes(), 32 * page_bytes);
  ASSERT_TRUE(cache.reserve(0, 0, 5).ok());
  EXPECT_EQ(cache.used_bytes(), 2 * page_bytes);
  ASSERT_TRUE(cache.reserve(0, 5, 8).ok());
  EXPECT_EQ(cache.used_bytes(), 2 * page_bytes);
  ASSERT_TRUE(cache.reserve(0, 8, 9).ok());
  expect_exact(cache, 2);
  cache.truncate(0, 4);
  EXPECT_EQ(cache.used_bytes(), page_bytes);
  cache.truncate(0, 0);
  EXPECT_EQ(cache.used_bytes(), 0u);
}

TEST(Cache, AFullPoolLeavesTheSequenceAsItWas) {
  Toy toy;
  Cache cache;
  ASSERT_TRUE(cache.open(toy.artifact.plan(), {.bytes = 4 * page_bytes, .max_sequences = 2, .max_context = 64}).ok());
  ASSERT_TRUE(cache.reserve(0, 0, 6).ok());
  Status status = cache.reserve(1, 0, 12);
  EXPECT_EQ(status.code(), Code::no_memory);
  EXPECT_NE(std::string(status.message()).find("KV cache is full"), std::string::npos);
  EXPECT_EQ(cache.used_bytes(), 2 * page_bytes);
  EXPECT_TRUE(cache.reserve(1, 0, 8).ok());
  expect_exact(cache, 2);
  EXPECT_EQ(Cache().open(toy.artifact.plan(), {.bytes = 100, .max_context = 64}).code(), Code::bad_input);
}

TEST(Cache, ForksShareUntilOneWrites) {
  Toy toy;
  Copies copies;
  Cache cache;
  ASSERT_TRUE(
      cache.open(toy.artifact.plan(), {.max_sequences = 3, .max_context = 64, .copy = {Copies::copy, &copies}}).ok());
  ASSERT_TRUE(cache.reserve(0, 0, 6).ok());
  uint32_t partial = cache.table(0, 0)[1];
  cache.fork(0, 1);
  EXPECT_EQ(cache.used_bytes(), 2 * page_bytes);
  ASSERT_TRUE(cache.reserve(1, 6, 7).ok());
  EXPECT_EQ(cache.table(0, 0)[0], cache.table(0, 1)[0]);
  uint32_t copy = cache.table(0, 1)[1];
  EXPECT_NE(copy, partial);
  ASSERT_EQ(copies.made.size(), 1u);
  EXPECT_EQ(copies.made[0], (std::array<uint32_t, 3>{0, partial, copy}));
  expect_exact(cache, 3);
  ASSERT_TRUE(cache.reserve(0, 6, 7).ok()); // alone again: no copy
  EXPECT_EQ(cache.table(0, 0)[1], partial);
  EXPECT_EQ(copies.made.size(), 1u);
  cache.truncate(0, 0);
  expect_exact(cache, 3);
}

TEST(Cache, AFailingCopyLeavesBothSequencesAsTheyWere) {
  Toy toy;
  Copies copies;
  Cache cache;
  ASSERT_TRUE(
      cache.open(toy.artifact.plan(), {.max_sequences = 2, .max_context = 64, .copy = {Copies::copy, &copies}}).ok());
  ASSERT_TRUE(cache.reserve(0, 0, 6).ok());
  cache.fork(0, 1);
  copies.fail = true;
  EXPECT_EQ(cache.reserve(1, 6, 13).code(), Code::device_lost);
  expect_exact(cache, 2);
  EXPECT_EQ(cache.used_bytes(), 2 * page_bytes);
  copies.fail = false;
  EXPECT_TRUE(cache.reserve(1, 6, 13).ok());
  expect_exact(cache, 2);
}

TEST(Cache, WindowsGiveBackWhatNoQuerySees) {
  Toy toy({.max_context = 1024, .window = 100});
  Cache cache;
  ASSERT_TRUE(cache.open(toy.artifact.plan(), {.max_context = 1024, .max_rows = 8}).ok());
  EXPECT_EQ(cache.capacity_bytes(), cache_bytes(toy.artifact.plan(), 1, 1024, 8));
  for (uint32_t at = 0; at < 1024; at += 8) {
    ASSERT_TRUE(cache.reserve(0, at, at + 8).ok()) << at;
    cache.slide(0, at + 8);
    uint32_t seen_from = at + 8 >= 100 ? (at + 8 - 99) / 128 * 128 : 0;
    for (uint32_t p = seen_from; p < at + 8; ++p) ASSERT_NE(cache.table(0, 0)[p / 4], 0u) << at << " " << p;
    if (seen_from) ASSERT_EQ(cache.table(0, 0)[seen_from / 4 - 1], 0u);
  }
  EXPECT_TRUE(cache.holds(0, 1020));
  EXPECT_FALSE(cache.holds(0, 500));
  expect_exact(cache, 1);
}

TEST(Cache, RandomWorkKeepsExactAccounts) {
  Toy toy;
  Copies copies;
  Cache cache;
  constexpr uint32_t sequences = 6;
  ASSERT_TRUE(cache
                  .open(toy.artifact.plan(), {.bytes = 40 * page_bytes,
                                              .max_sequences = sequences,
                                              .max_context = 64,
                                              .copy = {Copies::copy, &copies}})
                  .ok());
  uint32_t length[sequences] = {};
  std::mt19937 random(1);
  for (int turn = 0; turn < 3000; ++turn) {
    uint32_t s = random() % sequences, other = random() % sequences;
    switch (random() % 4) {
    case 0:
    case 1: {
      uint32_t to = std::min<uint32_t>(64, length[s] + 1 + random() % 20);
      if (to > length[s] && cache.reserve(s, length[s], to).ok()) length[s] = to;
      break;
    }
    case 2:
      cache.truncate(s, length[s] = random() % (length[s] + 1));
      break;
    case 3:
      if (length[other] || s == other) break;
      cache.truncate(other, 0);
      cache.fork(s, other);
      length[other] = length[s];
    }
    expect_exact(cache, sequences);
    for (uint32_t p = 0; p < length[s]; ++p) ASSERT_NE(cache.table(0, s)[p / 4], 0u);
  }
}

} // namespace
} // namespace ingot::test
