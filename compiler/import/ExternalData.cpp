// Containment is checked twice: on the text of the location, and on the real path after symbolic links.
#include "compiler/import/ExternalData.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cstdio>
#include <cstring>
#include <memory>

using namespace ingot;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static bool isContained(llvm::StringRef location) {
  if (location.empty() || location.contains('\0') || path::is_absolute(location)) return false;
  for (auto part = path::begin(location), end = path::end(location); part != end; ++part)
    if (*part == "..") return false;
  return true;
}

ExternalData::File ExternalData::inspect(const std::string &location) const {
  File file;
  if (!isContained(location)) {
    file.error = "external data '" + location + "' must be a relative path inside the model's folder, without '..'";
    return file;
  }
  llvm::SmallString<256> joined(folder.empty() ? "." : folder), real, root;
  path::append(joined, location);
  fs::file_status status;
  if (fs::real_path(joined, real) || fs::status(real, status)) {
    file.missing = true;
    if (!allowMissing) file.error = "external data '" + location + "' is missing beside the model";
    return file;
  }
  if (fs::real_path(folder.empty() ? "." : folder, root)) root = folder;
  if (!root.ends_with("/")) root += "/";
  if (!real.starts_with(root))
    file.error = "external data '" + location + "' is a symbolic link out of the model's folder";
  else if (status.type() != fs::file_type::regular_file)
    file.error = "external data '" + location + "' is not a regular file";
  file.size = status.getSize();
  return file;
}

const ExternalData::File &ExternalData::file(const std::string &location) {
  auto known = files.find(location);
  if (known != files.end()) return known->second;
  return files.emplace(location, inspect(location)).first->second;
}

std::string ExternalData::checkRange(const std::string &location, uint64_t offset, uint64_t length) {
  uint64_t size = model.size();
  if (!location.empty()) {
    const File &found = file(location);
    if (!found.error.empty() || found.missing) return found.error;
    size = found.size;
  }
  if (length <= size && offset <= size - length) return "";
  return "bytes [" + std::to_string(offset) + ", +" + std::to_string(length) + ") pass the end of " +
         (location.empty() ? "the model" : "'" + location + "'") + ", which has " + std::to_string(size) +
         " bytes; is the file cut short?";
}

bool ExternalData::read(const std::string &location, uint64_t offset, uint64_t length, char *out) const {
  if (length == 0) return true; // `out` may be null
  if (location.empty()) {
    std::memcpy(out, model.data() + offset, length);
    return true;
  }
  llvm::SmallString<256> joined(folder.empty() ? "." : folder);
  path::append(joined, location);
  std::unique_ptr<FILE, int (*)(FILE *)> handle(std::fopen(joined.c_str(), "rb"), std::fclose);
  return handle && !fseeko(handle.get(), off_t(offset), SEEK_SET) && std::fread(out, 1, length, handle.get()) == length;
}
