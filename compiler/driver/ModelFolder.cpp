#include "compiler/driver/ModelFolder.h"

#include <filesystem>
#include <vector>

namespace fs = std::filesystem;
using namespace ingot;

static llvm::Error problem(const std::string &path, const char *what) {
  return llvm::createStringError(std::errc::invalid_argument, "%s: %s", path.c_str(), what);
}

static llvm::Expected<fs::path> graphIn(const fs::path &folder) {
  std::error_code ec;
  if (fs::is_regular_file(folder / "model.onnx", ec)) return folder / "model.onnx";
  std::vector<fs::path> graphs;
  for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
    if (it->path().extension() == ".onnx") graphs.push_back(it->path());
  if (ec) return problem(folder.string(), ec.message().c_str());
  if (graphs.empty()) return problem(folder.string(), "holds no .onnx file");
  if (graphs.size() > 1)
    return problem(folder.string(), "holds several .onnx files and no model.onnx: name the one to compile");
  return graphs.front();
}

llvm::Expected<ModelFolder> ingot::findModel(const std::string &path) {
  std::error_code ec;
  fs::path given(path);
  if (!fs::exists(given, ec)) return problem(path, "no such file or folder");
  if (fs::is_directory(given, ec)) {
    auto graph = graphIn(given);
    if (!graph) return graph.takeError();
    fs::path absolute = fs::weakly_canonical(given, ec);
    return ModelFolder{given.string(), graph->string(), absolute.filename().string()};
  }
  fs::path folder = given.parent_path();
  return ModelFolder{folder.empty() ? "." : folder.string(), path, given.stem().string()};
}
