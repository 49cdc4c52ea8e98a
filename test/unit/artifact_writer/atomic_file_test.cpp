// OUT is the old file or the new one, whatever happens: errors, a full disk, a killed process; with O_TMPFILE and
// without.
#include "compiler/artifact/atomic_file.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace ingot;
using Method = AtomicFile::Method;

namespace {

class AtomicFileTest : public ::testing::TestWithParam<Method> {
protected:
  AtomicFileTest() {
    folder = ::testing::TempDir() + "ingot-atomic-XXXXXX";
    EXPECT_TRUE(mkdtemp(folder.data()));
    path = folder + "/out";
  }
  ~AtomicFileTest() override { std::filesystem::remove_all(folder); }

  std::unique_ptr<AtomicFile> create() {
    auto file = AtomicFile::create(path, GetParam());
    if (file) return std::move(*file);
    ADD_FAILURE() << llvm::toString(file.takeError());
    return nullptr;
  }

  std::string problem(const std::string &target) {
    auto file = AtomicFile::create(target, GetParam());
    return file ? std::string("none") : llvm::toString(file.takeError());
  }

  std::string content() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  size_t entries() const {
    return size_t(std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
  }

  // Runs f in a child; its return value is the exit status.
  template <typename F> static int inChild(F f) {
    pid_t child = fork();
    if (child == 0) _exit(f());
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // Writes until the disk is full; 0 if the error says what is expected of it.
  static int writeTooMuch(const std::string &target, Method method, const std::string &expected) {
    auto file = AtomicFile::create(target, method);
    if (!file) return 2;
    std::vector<uint8_t> megabyte(1 << 20, 'x');
    for (int i = 0; i < 64; ++i)
      if (llvm::Error error = (*file)->append(megabyte)) return llvm::toString(std::move(error)) == expected ? 0 : 3;
    return 4;
  }

  std::string folder, path;
};

llvm::ArrayRef<uint8_t> bytes(llvm::StringRef text) { return {text.bytes_begin(), text.bytes_end()}; }

} // namespace

TEST_P(AtomicFileTest, AppearsWholeOnCommit) {
  std::ofstream(path) << "old";
  auto file = create();
  ASSERT_TRUE(file);
  ASSERT_FALSE(bool(file->append(bytes("----, world"))));
  ASSERT_FALSE(bool(file->writeAt(0, bytes("news"))));
  EXPECT_EQ(file->size(), 11u);
  EXPECT_EQ(content(), "old");
  ASSERT_FALSE(bool(file->commit()));
  EXPECT_EQ(content(), "news, world");
  file.reset();
  EXPECT_EQ(content(), "news, world");
  EXPECT_EQ(entries(), 1u);
}

TEST_P(AtomicFileTest, LeavesNothingWithoutCommit) {
  auto file = create();
  ASSERT_TRUE(file);
  ASSERT_FALSE(bool(file->append(bytes("x"))));
  file.reset();
  EXPECT_EQ(entries(), 0u);
}

TEST_P(AtomicFileTest, FollowsTheUmask) {
  mode_t mask = umask(022);
  auto file = create();
  ASSERT_TRUE(file);
  ASSERT_FALSE(bool(file->commit()));
  umask(mask);
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0644));
}

TEST_P(AtomicFileTest, RefusesWhatIsNoRegularFile) {
  EXPECT_EQ(problem("/dev/null"), "cannot write /dev/null: it exists and is not a regular file");
  EXPECT_EQ(problem(folder), "cannot write " + folder + ": it exists and is not a regular file");
  EXPECT_EQ(problem(folder + "/none/out"), "cannot write " + folder + "/none/out: No such file or directory");
}

TEST_P(AtomicFileTest, WritesThroughASymlink) {
  std::string link = folder + "/link";
  std::ofstream(path) << "old";
  std::filesystem::create_symlink("out", link);
  auto file = AtomicFile::create(link, GetParam());
  ASSERT_TRUE(bool(file));
  ASSERT_FALSE(bool((*file)->append(bytes("new"))));
  ASSERT_FALSE(bool((*file)->commit()));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(content(), "new");
}

TEST_P(AtomicFileTest, RemovesWhatAKilledCompileLeftAndNothingElse) {
  std::ofstream(folder + "/.ingotc-1-0.tmp") << "stale";
  std::ofstream(folder + "/.ingotc.tmp.txt") << "not ours";
  auto alive = AtomicFile::create(folder + "/other", Method::named);
  ASSERT_TRUE(bool(alive));
  EXPECT_EQ(entries(), 2u); // "stale" is gone, the hidden one of `alive` is there
  auto file = create();
  ASSERT_TRUE(file);
  ASSERT_FALSE(bool(file->commit()));
  ASSERT_FALSE(bool((*alive)->commit()));
  EXPECT_EQ(entries(), 3u);
  EXPECT_TRUE(std::filesystem::exists(folder + "/other"));
  EXPECT_TRUE(std::filesystem::exists(folder + "/.ingotc.tmp.txt"));
}

TEST_P(AtomicFileTest, NamesTheFileInAReadOnlyFolder) {
  std::filesystem::permissions(folder, std::filesystem::perms(0555));
  std::string expected = "cannot write " + path + ": Permission denied";
  Method method = GetParam();
  EXPECT_EQ(inChild([&] {
              if (geteuid() == 0 && seteuid(65534) != 0) return 9;
              auto file = AtomicFile::create(path, method);
              return !file && llvm::toString(file.takeError()) == expected ? 0 : 1;
            }),
            0);
  EXPECT_EQ(entries(), 0u);
}

TEST_P(AtomicFileTest, NamesTheFileWhenASizeLimitIsReached) {
  Method method = GetParam();
  EXPECT_EQ(inChild([&] {
              signal(SIGXFSZ, SIG_IGN);
              rlimit limit = {3 << 20, 3 << 20};
              setrlimit(RLIMIT_FSIZE, &limit);
              return writeTooMuch(path, method, "cannot write " + path + ": File too large");
            }),
            0);
  EXPECT_EQ(entries(), 0u);
}

TEST_P(AtomicFileTest, NamesTheFileOnAFullDisk) {
  Method method = GetParam();
  int status = inChild([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", folder.c_str(), "tmpfs", 0, "size=4m") != 0)
      return 77;
    int result = writeTooMuch(path, method, "cannot write " + path + ": No space left on device");
    return result ? result : entries() == 0 ? 0 : 5;
  });
  if (status == 77) GTEST_SKIP() << "may not mount a tmpfs here";
  EXPECT_EQ(status, 0);
}

TEST_P(AtomicFileTest, AKilledProcessLeavesTheOldFileOrTheNewOne) {
  std::ofstream(path) << "old";
  Method method = GetParam();
  std::string whole(1 << 20, 'n');
  for (int round = 0; round < 20; ++round) {
    pid_t child = fork();
    if (child == 0) {
      while (true) {
        auto file = AtomicFile::create(path, method);
        if (!file) _exit(1);
        for (size_t at = 0; at < whole.size(); at += 4096)
          if ((*file)->append(bytes(llvm::StringRef(whole).substr(at, 4096)))) _exit(2);
        if ((*file)->commit()) _exit(3);
      }
    }
    usleep(useconds_t(500 + round * 700));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << status;
    std::string now = content();
    ASSERT_TRUE(now == "old" || now == whole) << now.size();
  }
  create().reset();
  EXPECT_EQ(entries(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Methods, AtomicFileTest, ::testing::Values(Method::automatic, Method::named),
                         [](const auto &info) { return info.param == Method::named ? "Named" : "Automatic"; });
