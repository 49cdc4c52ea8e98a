// An output file that appears whole or not at all: OUT is the old file or the new one, whatever happens in between.
//
// Invariants
//  1. Until commit() the bytes lie in a file without a name (O_TMPFILE), or, where the file system has none, under a
//     hidden name `.ingotc-*.tmp` in the folder of OUT; either way on OUT's file system.
//  2. commit() flushes them to the disk, gives them a hidden name and renames that to OUT.
//  3. A hidden file is locked (flock) by the process that writes it. create() removes those that nobody holds: they are
//     what a killed process left.
//  4. Destruction without commit() leaves nothing behind.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>

namespace ingot {

class AtomicFile {
public:
  enum class Method { automatic, named }; // named: as on a file system without O_TMPFILE

  /// Refuses a path that exists and is no regular file; follows a symlink to one. Errors name the file.
  static llvm::Expected<std::unique_ptr<AtomicFile>> create(llvm::StringRef path, Method method = Method::automatic);
  ~AtomicFile();
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;

  llvm::Error append(llvm::ArrayRef<uint8_t> bytes);
  /// `count` zero bytes that take no room on file systems with holes.
  llvm::Error appendHole(uint64_t count);
  llvm::Error writeAt(uint64_t offset, llvm::ArrayRef<uint8_t> bytes);
  uint64_t size() const { return bytesAppended; }

  llvm::Error commit();

private:
  explicit AtomicFile(std::string path);
  llvm::Error open(Method method);
  llvm::Error openNamed();
  llvm::Error linkHidden();
  llvm::Error failure(const char *what) const;

  std::string path, folder; // of OUT
  std::string hidden;       // the hidden name while there is one
  int descriptor = -1;
  uint64_t bytesAppended = 0;
};

} // namespace ingot
