// The files a model's tensors lie in: the model itself and external data beside it, never outside its folder.
#pragma once
#include "llvm/ADT/StringRef.h"
#include <map>
#include <string>

namespace ingot {

class ExternalData {
public:
  /// `model` are the model file's own bytes; `folder` is where external files are looked for.
  ExternalData(llvm::StringRef model, std::string folder, bool allowMissing)
      : model(model), folder(std::move(folder)), allowMissing(allowMissing) {}

  /// "" if [offset, offset + length) lies in the file at `location` ("" = the model), else what is wrong. A location is
  /// relative, has no "..", and names a regular file that is inside the folder when symbolic links are followed.
  std::string checkRange(const std::string &location, uint64_t offset, uint64_t length);

  /// Copies a range that checkRange accepted. False if it cannot be read.
  bool read(const std::string &location, uint64_t offset, uint64_t length, char *out) const;

private:
  struct File {
    std::string error;
    bool missing = false;
    uint64_t size = 0;
  };
  const File &file(const std::string &location);
  File inspect(const std::string &location) const;

  llvm::StringRef model;
  std::string folder;
  bool allowMissing;
  std::map<std::string, File> files;
};

} // namespace ingot
