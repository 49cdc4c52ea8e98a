#include "compiler/target/Dump.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

LogicalResult ingot::makeDumpFolder(Location location, const std::string &path) {
  if (std::error_code error = llvm::sys::fs::create_directories(path))
    return emitError(location, "cannot create '") << path << "': " << error.message();
  return success();
}

LogicalResult ingot::writeDump(Location location, const std::string &path, StringRef text) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (!error) stream << text, stream.close(), error = stream.error();
  stream.clear_error(); // or its end is the process's
  if (error) return emitError(location, "cannot write '") << path << "': " << error.message();
  return success();
}
