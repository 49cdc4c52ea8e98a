// Files that are mapped, behind an interface whose every call a test can make fail.
#pragma once
#include "runtime/base/span.h"
#include "runtime/base/status.h"

#include <utility>

namespace ingot {

// Each returns 0 or an errno value.
struct FileSystem {
  int (*open)(void *self, const char *path, int *file); // read-only, regular files only
  int (*size)(void *self, int file, uint64_t *bytes);
  int (*map)(void *self, int file, uint64_t offset, size_t bytes, bool executable, void **memory); // read-only
  void (*unmap)(void *self, void *memory, size_t bytes);
  void (*close)(void *self, int file);
  void *self;
};

const FileSystem &system_files();

// Owns one mapping of a part of a file.
class Mapping {
public:
  Mapping() = default;
  Mapping(Mapping &&other) noexcept { swap(other); }
  Mapping &operator=(Mapping &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Mapping() {
    if (data_) files_->unmap(files_->self, const_cast<uint8_t *>(data_), size_);
  }

  // `offset` is a multiple of the page size, `bytes` > 0.
  Status map(const FileSystem &files, int file, uint64_t offset, size_t bytes, bool executable, const char *path);
  Bytes bytes() const { return {data_, size_}; }

private:
  void swap(Mapping &other) noexcept {
    std::swap(files_, other.files_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  const FileSystem *files_ = nullptr;
  const uint8_t *data_ = nullptr;
  size_t size_ = 0;
};

// Owns an open file.
class File {
public:
  File() = default;
  File(const File &) = delete;
  ~File() {
    if (file_ >= 0) files_->close(files_->self, file_);
  }

  Status open(const FileSystem &files, const char *path);
  int handle() const { return file_; }
  uint64_t size() const { return size_; }

private:
  const FileSystem *files_ = nullptr;
  int file_ = -1;
  uint64_t size_ = 0;
};

} // namespace ingot
