#include "tools/cli/output_file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ingot {

OutputFile::~OutputFile() {
  if (file_ < 0) return;
  close(file_);
  unlink(hidden_.c_str());
}

Status OutputFile::fail(const char *what) const {
  return Status::error(Code::io, "%.200s: cannot %s: %s", path_.c_str(), what, strerrordesc_np(errno));
}

Status OutputFile::open(const std::string &path) {
  path_ = path;
  struct stat facts;
  if (stat(path.c_str(), &facts) == 0) {
    if (!S_ISREG(facts.st_mode))
      return Status::error(Code::bad_input, "%.200s: cannot write: it exists and is not a regular file", path.c_str());
    if (char *real = realpath(path.c_str(), nullptr)) {
      path_ = real;
      free(real);
    }
  }
  size_t slash = path_.rfind('/');
  size_t base = slash == std::string::npos ? 0 : slash + 1;
  hidden_ = path_.substr(0, base) + "." + path_.substr(base) + "." + std::to_string(getpid()) + ".part";
  file_ = ::open(hidden_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  return file_ < 0 ? fail("create it") : Status();
}

Status OutputFile::write(const void *bytes, size_t count) {
  for (auto at = static_cast<const uint8_t *>(bytes); count > 0;) {
    ssize_t written = ::write(file_, at, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail("write");
    at += written;
    count -= size_t(written);
  }
  return {};
}

Status OutputFile::write_at(uint64_t offset, const void *bytes, size_t count) {
  ssize_t written = pwrite(file_, bytes, count, off_t(offset));
  return written == ssize_t(count) ? Status() : fail("write");
}

Status OutputFile::commit() {
  int file = file_;
  file_ = -1;
  bool ok = close(file) == 0 && rename(hidden_.c_str(), path_.c_str()) == 0;
  if (ok) return {};
  Status status = fail("write");
  unlink(hidden_.c_str());
  return status;
}

} // namespace ingot
