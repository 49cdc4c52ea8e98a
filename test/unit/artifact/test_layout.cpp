// The frame: every rule of layout.h is broken once, every byte is flipped, every length is cut.
#include "test/unit/artifact/forge.h"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

namespace ingot::test {
namespace {

Status load(const std::vector<uint8_t> &file) {
  // A copy of the exact size, so that a sanitizer sees any read behind it.
  std::vector<uint8_t> exact(file);
  exact.shrink_to_fit();
  Artifact artifact;
  return Artifact::open_bytes(exact, "toy", {}, &artifact);
}

ingot_header &header_of(std::vector<uint8_t> &file) { return *reinterpret_cast<ingot_header *>(file.data()); }
ingot_segment *segments_of(std::vector<uint8_t> &file) {
  return reinterpret_cast<ingot_segment *>(file.data() + sizeof(ingot_header));
}

TEST(Layout, ToyIsAccepted) {
  Status status = load(toy_file());
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(Layout, EveryFlippedByteOfHeaderRecordsAndPlanIsRefused) {
  std::vector<uint8_t> file = toy_file();
  size_t end = header_of(file).plan_offset + header_of(file).plan_size;
  for (size_t i = 0; i < end; ++i)
    for (uint8_t bit : {1, 128}) {
      file[i] ^= bit;
      Status status = load(file);
      EXPECT_FALSE(status.ok()) << "byte " << i;
      EXPECT_EQ(status.code(), Code::bad_input);
      file[i] ^= bit;
    }
}

TEST(Layout, EveryFlippedByteOfCodeIsRefused) {
  std::vector<uint8_t> file = toy_file();
  for (uint32_t s : {1u, 2u}) {
    ingot_segment segment = segments_of(file)[s];
    for (uint64_t i = 0; i < segment.size; ++i) {
      file[segment.offset + i] ^= 4;
      EXPECT_STRNE(load(file).message(), "") << "byte " << i;
      file[segment.offset + i] ^= 4;
    }
  }
}

TEST(Layout, FlippedWeightsAreFoundByVerifyOnly) {
  std::vector<uint8_t> file = toy_file();
  file[segments_of(file)[0].offset + 5] ^= 1;
  Artifact artifact;
  ASSERT_TRUE(Artifact::open_bytes(file, "toy", {}, &artifact).ok());
  EXPECT_NE(std::string(artifact.verify().message()).find("weights"), std::string::npos);
}

TEST(Layout, EveryFlippedByteBetweenThePartsIsRefused) {
  std::vector<uint8_t> file = toy_file();
  ingot_header header = header_of(file);
  uint64_t end = header.plan_offset + header.plan_size;
  for (uint32_t s = 0; s < header.segment_count; ++s) {
    ingot_segment segment = segments_of(file)[s];
    for (uint64_t i = end; i < segment.offset; i += 7) {
      file[i] ^= 16;
      EXPECT_NE(std::string(load(file).message()).find("between two parts"), std::string::npos) << "byte " << i;
      file[i] ^= 16;
    }
    end = segment.offset + segment.size;
  }
  file.push_back(0);
  header_of(file).file_size += 1;
  reseal(file);
  EXPECT_NE(std::string(load(file).message()).find("follow the last part"), std::string::npos);
}

TEST(Layout, EveryTruncationIsRefused) {
  std::vector<uint8_t> file = toy_file();
  for (size_t size = 0; size < file.size(); size += size < 4096 ? 1 : 61)
    EXPECT_FALSE(load({file.begin(), file.begin() + ptrdiff_t(size)}).ok()) << size;
}

TEST(Layout, ResealedLiesAreRefusedByName) {
  struct Lie {
    const char *says;
    std::function<void(std::vector<uint8_t> &)> tell;
  };
  const Lie lies[] = {
      {"not an .ingot file", [](auto &f) { header_of(f).magic[0] = 'X'; }},
      {"format 9", [](auto &f) { header_of(f).format_version = 9; }},
      {"kernel ABI 9", [](auto &f) { header_of(f).abi_version = 9; }},
      {"reserved", [](auto &f) { header_of(f).reserved = 1; }},
      {"the file has", [](auto &f) { header_of(f).file_size += 1; }},
      {"do not fit", [](auto &f) { header_of(f).segment_count = 65; }},
      {"plan (offset", [](auto &f) { header_of(f).plan_offset = ~uint64_t(0); }},
      {"plan (offset", [](auto &f) { header_of(f).plan_size = ~uint64_t(0) - 100; }},
      {"plan (offset", [](auto &f) { header_of(f).plan_offset = 8; }},
      {"unknown kind", [](auto &f) { segments_of(f)[0].kind = 77; }},
      {"misplaced", [](auto &f) { segments_of(f)[0].size = ~uint64_t(0) - 4096; }},
      {"misplaced", [](auto &f) { segments_of(f)[1].offset = segments_of(f)[0].offset; }},
      {"misplaced", [](auto &f) { segments_of(f)[2].offset += 8; }},
      {"belong to no part",
       [](auto &f) { segments_of(f)[2].offset += 4096, f.resize(f.size() + 4096), header_of(f).file_size += 4096; }},
      {"both CPU code 3", [](auto &f) { segments_of(f)[2].tag = 3; }},
  };
  for (const Lie &lie : lies) {
    std::vector<uint8_t> file = toy_file();
    lie.tell(file);
    reseal(file);
    Status status = load(file);
    EXPECT_EQ(status.code(), Code::bad_input) << lie.says;
    EXPECT_NE(std::string(status.message()).find(lie.says), std::string::npos) << status.message();
  }
}

} // namespace
} // namespace ingot::test
