#include "compiler/weights/source_files.h"

#include "llvm/Support/Path.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;

namespace ingot {
namespace {

Error systemError(const Twine &what) {
  int code = errno;
  return createStringError(std::error_code(code, std::generic_category()),
                           what + ": " + std::generic_category().message(code));
}

} // namespace

SourceFile::~SourceFile() {
  if (descriptor >= 0) close(descriptor);
}

Error SourceFile::read(uint64_t offset, uint64_t count, void *out) const {
  char *to = static_cast<char *>(out);
  if (descriptor < 0) return std::memset(to, 0, count), Error::success();
  while (count > 0) {
    ssize_t got = pread(descriptor, to, std::min<uint64_t>(count, 1u << 30), off_t(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return systemError("cannot read " + path);
    if (got == 0) return createStringError(path + " became shorter while it was read");
    to += got, offset += uint64_t(got), count -= uint64_t(got);
  }
  return Error::success();
}

SourceFiles::SourceFiles(std::string model, Absent absent) : modelFile(std::move(model)), absent(absent) {
  folder = sys::path::parent_path(modelFile).str();
}

Expected<const SourceFile *> SourceFiles::open(StringRef name) {
  auto &file = files[name];
  if (file) return file.get();
  if (sys::path::is_absolute(name) || is_contained(make_range(sys::path::begin(name), sys::path::end(name)), ".."))
    return createStringError("external data file '" + name + "' lies outside the model's folder; refused");
  SmallString<256> path(folder);
  sys::path::append(path, name);
  std::string full = name.empty() ? modelFile : std::string(path);
  int descriptor = ::open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0 && errno == ENOENT && absent == Absent::reads_as_zeros) {
    file = std::make_unique<SourceFile>(std::move(full), -1, UINT64_MAX);
    return file.get();
  }
  if (descriptor < 0) return systemError("cannot open " + full);
  struct stat facts;
  if (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    close(descriptor);
    return createStringError(full + " is not a regular file");
  }
  file = std::make_unique<SourceFile>(std::move(full), descriptor, uint64_t(facts.st_size));
  return file.get();
}

} // namespace ingot
