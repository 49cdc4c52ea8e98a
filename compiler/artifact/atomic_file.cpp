#include "compiler/artifact/atomic_file.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;

namespace ingot {
namespace {

constexpr StringLiteral hiddenPrefix = ".ingotc-", hiddenSuffix = ".tmp";

std::string hiddenName(const std::string &folder, unsigned attempt) {
  return folder + "/" + hiddenPrefix.str() + std::to_string(getpid()) + "-" + std::to_string(attempt) +
         hiddenSuffix.str();
}

// Invariant 3. What cannot be opened or locked is somebody's, or not ours to judge.
void removeStale(const std::string &folder) {
  std::error_code error;
  for (sys::fs::directory_iterator it(folder, error, false), end; !error && it != end; it.increment(error)) {
    StringRef name = sys::path::filename(it->path());
    if (!name.starts_with(hiddenPrefix) || !name.ends_with(hiddenSuffix)) continue;
    int file = open(it->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file < 0) continue;
    struct stat facts;
    if (fstat(file, &facts) == 0 && S_ISREG(facts.st_mode) && flock(file, LOCK_EX | LOCK_NB) == 0)
      unlink(it->path().c_str());
    close(file);
  }
}

bool lacksTmpfile(int code) { return code == EOPNOTSUPP || code == EISDIR || code == EINVAL; }

} // namespace

AtomicFile::AtomicFile(std::string target) : path(std::move(target)) {
  folder = sys::path::parent_path(path).str();
  if (folder.empty()) folder = ".";
}

AtomicFile::~AtomicFile() {
  if (!hidden.empty()) unlink(hidden.c_str());
  if (descriptor >= 0) close(descriptor);
}

Error AtomicFile::failure(const char *what) const {
  std::error_code code(errno, std::generic_category());
  return createStringError(code, Twine(what) + " " + path + ": " + code.message());
}

Expected<std::unique_ptr<AtomicFile>> AtomicFile::create(StringRef path, Method method) {
  std::string target = path.str();
  struct stat facts;
  if (stat(target.c_str(), &facts) == 0) {
    if (!S_ISREG(facts.st_mode))
      return createStringError("cannot write " + path + ": it exists and is not a regular file");
    SmallString<256> real;
    if (!sys::fs::real_path(path, real)) target = std::string(real);
  }
  std::unique_ptr<AtomicFile> file(new AtomicFile(std::move(target)));
  if (Error error = file->open(method)) return error;
  return file;
}

Error AtomicFile::open(Method method) {
  removeStale(folder);
  // Naming an unnamed file goes through /proc.
  if (method == Method::named || access("/proc/self/fd", X_OK) != 0) return openNamed();
  descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (descriptor >= 0) {
    flock(descriptor, LOCK_EX | LOCK_NB);
    return Error::success();
  }
  return lacksTmpfile(errno) ? openNamed() : failure("cannot write");
}

Error AtomicFile::openNamed() {
  for (unsigned attempt = 0; attempt < 1000; ++attempt) {
    std::string name = hiddenName(folder, attempt);
    descriptor = ::open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor < 0 && errno == EEXIST) continue;
    if (descriptor < 0) return failure("cannot write");
    flock(descriptor, LOCK_EX | LOCK_NB);
    struct stat facts;
    if (fstat(descriptor, &facts) == 0 && facts.st_nlink > 0) {
      hidden = name;
      return Error::success();
    }
    close(descriptor); // another compile took it for stale before it was locked
    descriptor = -1;
  }
  errno = EEXIST;
  return failure("cannot write");
}

Error AtomicFile::linkHidden() {
  std::string unnamed = "/proc/self/fd/" + std::to_string(descriptor);
  for (unsigned attempt = 0; attempt < 1000; ++attempt) {
    std::string name = hiddenName(folder, attempt);
    if (linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      hidden = name;
      return Error::success();
    }
    if (errno != EEXIST) break;
  }
  return failure("cannot write");
}

Error AtomicFile::append(ArrayRef<uint8_t> bytes) {
  if (Error error = writeAt(bytesAppended, bytes)) return error;
  bytesAppended += bytes.size();
  return Error::success();
}

Error AtomicFile::appendHole(uint64_t count) {
  bytesAppended += count;
  return ftruncate(descriptor, off_t(bytesAppended)) == 0 ? Error::success() : failure("cannot write");
}

Error AtomicFile::writeAt(uint64_t offset, ArrayRef<uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t done = pwrite(descriptor, bytes.data(), std::min<size_t>(bytes.size(), 1u << 30), off_t(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return failure("cannot write");
    offset += uint64_t(done);
    bytes = bytes.drop_front(size_t(done));
  }
  return Error::success();
}

Error AtomicFile::commit() {
  if (fsync(descriptor) != 0) return failure("cannot write");
  if (hidden.empty())
    if (Error error = linkHidden()) return error;
  if (rename(hidden.c_str(), path.c_str()) != 0) return failure("cannot write");
  hidden.clear();
  return Error::success();
}

} // namespace ingot
