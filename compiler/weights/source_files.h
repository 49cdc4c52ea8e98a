// The model's files, read by pread: bounded memory whatever their size, and a file that shrinks meanwhile is an error
// instead of a SIGBUS. Reading is thread-safe; open() is not.
#pragma once
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>

namespace ingot {

class SourceFile {
public:
  /// `descriptor` -1: an absent file of unknown size, whose bytes are zeros.
  SourceFile(std::string path, int descriptor, uint64_t size)
      : path(std::move(path)), descriptor(descriptor), bytes(size) {}
  ~SourceFile();
  SourceFile(const SourceFile &) = delete;
  SourceFile &operator=(const SourceFile &) = delete;

  uint64_t size() const { return bytes; }
  llvm::StringRef name() const { return path; }
  llvm::Error read(uint64_t offset, uint64_t count, void *out) const;

private:
  std::string path;
  int descriptor;
  uint64_t bytes;
};

class SourceFiles {
public:
  /// What to do about a file that does not exist. Zeros: for artifacts without weights, which need sizes only.
  enum class Absent : uint8_t { is_an_error, reads_as_zeros };

  /// `modelFile` is the path of the model itself; other names are relative to its folder.
  explicit SourceFiles(std::string modelFile, Absent absent = Absent::is_an_error);

  /// "" is the model file. Refuses absolute names and names with a ".." part (the importer refuses symlinks out).
  llvm::Expected<const SourceFile *> open(llvm::StringRef name);

private:
  std::string modelFile;
  std::string folder;
  Absent absent;
  llvm::StringMap<std::unique_ptr<SourceFile>> files;
};

} // namespace ingot
