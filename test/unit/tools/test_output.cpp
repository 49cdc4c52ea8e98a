#include "tools/ingot-run/logits_file.h"
#include "tools/ingot-run/text_output.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

namespace ingot {
namespace {

// What is shown when the pieces come one by one; `*stopped` whether a stop string ended it.
std::string show(std::vector<std::string> stops, std::vector<std::string> pieces, bool *stopped) {
  StopFilter filter(std::move(stops));
  std::string shown;
  *stopped = false;
  for (const std::string &piece : pieces)
    if ((*stopped = filter.add(piece, &shown))) return shown;
  filter.flush(&shown);
  return shown;
}

TEST(StopFilter, FindsStopStringsAcrossPieces) {
  bool stopped;
  EXPECT_EQ(show({"END"}, {"one ", "E", "N", "D two"}, &stopped), "one ");
  EXPECT_TRUE(stopped);
  EXPECT_EQ(show({"END"}, {"one ", "E", "N", "d two E"}, &stopped), "one ENd two E");
  EXPECT_FALSE(stopped);
  EXPECT_EQ(show({"bb", "a"}, {"xbba"}, &stopped), "x"); // the first in the text
  EXPECT_EQ(show({"aab"}, {"a", "a", "a", "b"}, &stopped), "a");
  EXPECT_EQ(show({}, {"a", "b"}, &stopped), "ab");
}

TEST(StopFilter, ShowsEarlyWhatCannotBecomeAStopString) {
  StopFilter filter({"\n\n"});
  std::string shown;
  EXPECT_FALSE(filter.add("line\n", &shown));
  EXPECT_EQ(shown, "line");
  EXPECT_FALSE(filter.add("next", &shown));
  EXPECT_EQ(shown, "line\nnext");
}

struct Folder {
  std::filesystem::path path = std::filesystem::path(testing::TempDir()) / ("ingot_out_" + std::to_string(getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  size_t files() const { return size_t(std::distance(std::filesystem::directory_iterator(path), {})); }
};

TEST(OutputFile, WritesThroughALinkAndNeverOverADevice) {
  Folder folder;
  std::string file = folder.path / "real", link = folder.path / "link", pipe = folder.path / "pipe";
  std::ofstream(file) << "old";
  std::filesystem::create_symlink("real", link);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  OutputFile output;
  ASSERT_TRUE(output.open(link).ok());
  ASSERT_TRUE(output.write("new!", 4).ok() && output.commit().ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(std::filesystem::file_size(file), 4u);
  for (const std::string &path : {pipe, folder.path.string(), std::string("/dev/null")})
    EXPECT_EQ(OutputFile().open(path).code(), Code::bad_input) << path;
  EXPECT_EQ(folder.files(), 3u);
}

TEST(LogitsFile, IsNumPysFormatWithTheRowsThatCame) {
  Folder folder;
  std::string path = folder.path / "l.npy";
  LogitsFile file;
  ASSERT_TRUE(file.open(path, 3).ok());
  const float rows[2][3] = {{1, 2, 3}, {4, 5, 6}};
  ASSERT_TRUE(file.add(rows[0]).ok() && file.add(rows[1]).ok());
  EXPECT_FALSE(std::filesystem::exists(path)); // not before it is whole
  ASSERT_TRUE(file.commit().ok());
  EXPECT_EQ(folder.files(), 1u);
  std::ifstream stream(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  ASSERT_EQ(bytes.size(), 128 + sizeof rows);
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_NE(bytes.find("'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)"), std::string::npos);
  EXPECT_EQ(bytes[127], '\n');
  EXPECT_EQ(memcmp(bytes.data() + 128, rows, sizeof rows), 0);
}

TEST(LogitsFile, LeavesNothingWithoutCommit) {
  Folder folder;
  {
    LogitsFile file;
    ASSERT_TRUE(file.open(folder.path / "l.npy", 3).ok());
  }
  EXPECT_EQ(folder.files(), 0u);
  EXPECT_EQ(LogitsFile().open(folder.path, 3).code(), Code::bad_input);
  EXPECT_EQ(LogitsFile().open(folder.path / "no/l.npy", 3).code(), Code::io);
}

} // namespace
} // namespace ingot
