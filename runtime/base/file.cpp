#include "runtime/base/file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ingot {
namespace {

int system_open(void *, const char *path, int *file) {
  // O_NONBLOCK: a pipe named by mistake is refused below instead of waited for.
  *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (*file < 0) return errno;
  struct stat facts;
  int error = fstat(*file, &facts) != 0 ? errno : S_ISDIR(facts.st_mode) ? EISDIR : S_ISREG(facts.st_mode) ? 0 : ENODEV;
  if (error) close(*file);
  return error;
}

int system_size(void *, int file, uint64_t *bytes) {
  struct stat facts;
  if (fstat(file, &facts) != 0) return errno;
  *bytes = uint64_t(facts.st_size);
  return 0;
}

int system_map(void *, int file, uint64_t offset, size_t bytes, bool executable, void **memory) {
  *memory = mmap(nullptr, bytes, PROT_READ | (executable ? PROT_EXEC : 0), MAP_PRIVATE, file, off_t(offset));
  return *memory == MAP_FAILED ? errno : 0;
}

void system_unmap(void *, void *memory, size_t bytes) { munmap(memory, bytes); }
void system_close(void *, int file) { close(file); }

const char *reason(int error) {
  const char *text = strerrordesc_np(error);
  return text ? text : "unknown error";
}

} // namespace

const FileSystem &system_files() {
  static constexpr FileSystem files = {system_open, system_size, system_map, system_unmap, system_close, nullptr};
  return files;
}

Status Mapping::map(const FileSystem &files, int file, uint64_t offset, size_t bytes, bool executable,
                    const char *path) {
  void *memory = nullptr;
  if (int error = files.map(files.self, file, offset, bytes, executable, &memory))
    return Status::error(Code::io, "%.200s: cannot map %zu bytes%s: %s", path, bytes, executable ? " of code" : "",
                         reason(error));
  files_ = &files;
  data_ = static_cast<const uint8_t *>(memory);
  size_ = bytes;
  return {};
}

Status File::open(const FileSystem &files, const char *path) {
  int file = -1;
  // A path that cannot be opened is the user's to mend.
  if (int error = files.open(files.self, path, &file))
    return Status::error(Code::bad_input, "%.200s: cannot open: %s", path, reason(error));
  files_ = &files;
  file_ = file;
  if (int error = files.size(files.self, file, &size_))
    return Status::error(Code::io, "%.200s: cannot read its size: %s", path, reason(error));
  return {};
}

} // namespace ingot
