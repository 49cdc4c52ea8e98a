// A file that is there whole or not at all: written under a hidden name beside its place, renamed by commit().
#pragma once
#include "runtime/base/status.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace ingot {

class OutputFile {
public:
  OutputFile() = default;
  OutputFile(const OutputFile &) = delete;
  ~OutputFile(); // without commit() nothing stays

  // Follows a symbolic link. Error: what is there is no regular file (renaming over a device would replace it).
  Status open(const std::string &path);
  Status write(const void *bytes, size_t count); // at the end
  Status write_at(uint64_t offset, const void *bytes, size_t count);
  Status commit();
  bool is_open() const { return file_ >= 0; }

private:
  Status fail(const char *what) const;

  std::string path_, hidden_;
  int file_ = -1;
};

} // namespace ingot
