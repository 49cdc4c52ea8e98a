// Packs and recordings are read as written, and refused when they are not well formed.
#include "test/cuda/pack.h"
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

using namespace ingot::conformance;

namespace {

class Pack : public testing::Test {
protected:
  // A folder of its own: tests run side by side.
  void SetUp() override { ASSERT_TRUE(mkdtemp(folder.data())); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string write(const std::string &name, const std::string &text) {
    std::string path = folder + "/conformance_" + name;
    std::ofstream(path) << text;
    return path;
  }
  bool read(const std::string &data) {
    write("two.ptx", "// head\n// program a\nA\n// program b\nB\n");
    write("one.ptx", "whole\n");
    programs.clear();
    return read_pack(write("test.data", data), &programs, &error);
  }

  std::string folder = testing::TempDir() + "pack_XXXXXX";
  std::vector<Program> programs;
  std::string error;
};

const char *const plain = "# comment\nset s0 0102\n"
                          "program a conformance_two.ptx entry grid 2,3 block 32 shared 16 sm 90\n"
                          "in s0\nscalar 05000000\ninout s0 0304 bits\nout 0000803f f32 rel 1e-3 abs 2\n";

} // namespace

TEST_F(Pack, AProgramIsReadWhole) {
  ASSERT_TRUE(read(plain)) << error;
  ASSERT_EQ(programs.size(), 1u);
  const Program &p = programs[0];
  EXPECT_EQ(p.ptx, "// head\n// program a\nA\n");
  EXPECT_EQ(p.entry, "entry");
  EXPECT_EQ(p.grid[1], 3u);
  EXPECT_EQ(p.block[1], 1u);
  EXPECT_EQ(p.sm, 90u);
  ASSERT_EQ(p.arguments.size(), 4u);
  EXPECT_EQ(p.arguments[2].value, (Bytes{1, 2}));
  EXPECT_EQ(p.arguments[2].expected, (Bytes{3, 4}));
  EXPECT_EQ(p.arguments[3].comparison.kind, Comparison::f32);
  EXPECT_EQ(p.arguments[3].comparison.absolute, 2);
}

TEST_F(Pack, AFileWithoutSectionsIsOneModule) {
  ASSERT_TRUE(read("program x conformance_one.ptx e\n")) << error;
  EXPECT_EQ(programs[0].ptx, "whole\n");
}

TEST_F(Pack, WhatIsMalformedIsRefusedWithItsLine) {
  for (const char *text :
       {"set s0 012\n", "set s0 0x12\n", "in s0\n", "set s0 01\nin s0\n", "banana\n",
        "program c conformance_two.ptx e\n", "program a missing.ptx e\n", "program a conformance_two.ptx e depth 3\n",
        "program a conformance_two.ptx e\nout 00 f32\n", "program a conformance_two.ptx e\nout 00 bits about 3\n"}) {
    EXPECT_FALSE(read(text)) << text;
    EXPECT_NE(error.find(".data:"), std::string::npos) << error;
  }
}

TEST_F(Pack, TheHashSeesWhatDecidesTheResult) {
  ASSERT_TRUE(read(plain));
  uint64_t first = programs[0].hash();
  for (auto [from, to] : {std::pair{"s0 0102", "s0 0103"}, {"grid 2,3", "grid 2,4"}, {"05000000", "06000000"}}) {
    std::string text = plain;
    ASSERT_TRUE(read(text.replace(text.find(from), strlen(from), to)));
    EXPECT_NE(programs[0].hash(), first) << to;
  }
  std::string text = plain;
  ASSERT_TRUE(read(text.replace(text.find("0000803f"), 8, "00000040")));
  EXPECT_EQ(programs[0].hash(), first) << "the expected value is no input";
}

TEST_F(Pack, RecordingsAreRead) {
  Recordings recordings;
  ASSERT_TRUE(read_recordings(write("r", "# x\ndevice Card, sm_90\nrecorded a ff 0102 03\n"), &recordings, &error));
  EXPECT_EQ(recordings.device, "Card, sm_90");
  ASSERT_EQ(recordings.programs.count("a"), 1u);
  EXPECT_EQ(recordings.programs["a"].hash, 255u);
  EXPECT_EQ(recordings.programs["a"].outputs, (std::vector<Bytes>{{1, 2}, {3}}));
  EXPECT_FALSE(read_recordings(write("r", "recorded a ff 010\n"), &recordings, &error));
  EXPECT_FALSE(read_recordings(write("r", "noise\n"), &recordings, &error));
}
