#include "compiler/driver/IrDump.h"

#include <filesystem>

using namespace ingot;

static llvm::Error problem(const std::string &path, std::error_code ec) {
  return llvm::createStringError(ec, path + ": " + ec.message());
}

llvm::Error IrDump::write(llvm::StringRef phase, mlir::ModuleOp module) {
  if (folder.empty()) return llvm::Error::success();
  std::error_code ec;
  std::filesystem::create_directories(folder, ec); // what fails here fails below, too
  std::string path = (folder + "/" + std::to_string(++written) + "-" + phase + ".mlir").str();
  llvm::raw_fd_ostream os(path, ec);
  if (ec) return problem(path, ec);
  module.print(os);
  os.close();
  if (!os.has_error()) return llvm::Error::success();
  ec = os.error();
  os.clear_error();
  return problem(path, ec);
}
