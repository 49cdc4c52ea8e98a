// Opening from disk: code runs from the mapped file; every failing call of the system is an error, not a crash.
#include "test/unit/artifact/forge.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ingot::test {
namespace {

struct TemporaryFile {
  std::string path = testing::TempDir() + "ingot_test_" + std::to_string(getpid()) + ".ingot";
  explicit TemporaryFile(const std::vector<uint8_t> &bytes) {
    FILE *file = fopen(path.c_str(), "wb");
    fwrite(bytes.data(), 1, bytes.size(), file);
    fclose(file);
  }
  ~TemporaryFile() { unlink(path.c_str()); }
};

TEST(File, MappedCodeRuns) {
  std::vector<Segment> segments = toy_segments();
  // mov rax, [rdi + 16]; mov dword [rax], 1.0f; xor eax, eax; ret: writes through slot 0
  const uint8_t code[] = {0x48, 0x8b, 0x47, 0x10, 0xc7, 0x00, 0x00, 0x00, 0x80, 0x3f, 0x31, 0xc0, 0xc3};
  for (Segment &segment : segments)
    if (segment.kind == INGOT_SEGMENT_CODE_CPU) memcpy(segment.bytes.data() + 32, code, sizeof code);
  TemporaryFile file(forge(pack(toy_plan()), segments));
  Artifact artifact;
  Status status = Artifact::open(file.path.c_str(), {}, &artifact);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(artifact.verify().ok());
  float written = 0;
  alignas(ingot_args) uint8_t memory[sizeof(ingot_args) + 8] = {};
  auto args = reinterpret_cast<ingot_args *>(memory);
  args->slot[0] = reinterpret_cast<uintptr_t>(&written);
  EXPECT_EQ(artifact.kernel(2)(args, 0, 1, nullptr), 0);
  EXPECT_EQ(written, 1.0f);
  EXPECT_EQ(artifact.kernel(0)(args, 0, 1, nullptr), 0);
}

TEST(File, MissingFolderAndForeignFilesAreNamed) {
  Artifact artifact;
  EXPECT_NE(std::string(Artifact::open("/nowhere/a.ingot", {}, &artifact).message()).find("/nowhere/a.ingot"),
            std::string::npos);
  EXPECT_EQ(Artifact::open("/", {}, &artifact).code(), Code::bad_input);
  EXPECT_EQ(Artifact::open("/dev/null", {}, &artifact).code(), Code::bad_input);
  TemporaryFile empty({});
  EXPECT_NE(std::string(Artifact::open(empty.path.c_str(), {}, &artifact).message()).find("not an .ingot"),
            std::string::npos);
}

// Lets `left` calls through, then fails.
struct FailingFiles {
  int left;
  FileSystem files = {open, size, map, unmap, close, this};

  static bool fails(void *self) { return static_cast<FailingFiles *>(self)->left-- <= 0; }
  static int open(void *self, const char *path, int *file) {
    return fails(self) ? EMFILE : system_files().open(nullptr, path, file);
  }
  static int size(void *self, int file, uint64_t *bytes) {
    return fails(self) ? EIO : system_files().size(nullptr, file, bytes);
  }
  static int map(void *self, int file, uint64_t offset, size_t bytes, bool executable, void **memory) {
    return fails(self) ? ENOMEM : system_files().map(nullptr, file, offset, bytes, executable, memory);
  }
  static void unmap(void *, void *memory, size_t bytes) { system_files().unmap(nullptr, memory, bytes); }
  static void close(void *, int file) { system_files().close(nullptr, file); }
};

TEST(File, EveryFailingCallIsAnError) {
  TemporaryFile file(toy_file());
  for (int calls = 0;; ++calls) {
    FailingFiles failing{calls};
    Artifact artifact;
    Status status = Artifact::open(file.path.c_str(), {.files = &failing.files}, &artifact);
    if (status.ok()) {
      EXPECT_EQ(calls, 4); // open, size, map, map code
      break;
    }
    EXPECT_STRNE(status.message(), "");
    ASSERT_LT(calls, 10);
  }
}

} // namespace
} // namespace ingot::test
