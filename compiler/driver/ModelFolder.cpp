#include "compiler/driver/ModelFolder.h"

#include "llvm/Support/JSON.h"
#include <filesystem>
#include <fstream>
#include <vector>

namespace fs = std::filesystem;
using namespace ingot;

static llvm::Error problem(const std::string &path, const char *what) {
  return llvm::createStringError(std::errc::invalid_argument, "%s: %s", path.c_str(), what);
}

static llvm::Expected<fs::path> graphIn(const fs::path &folder) {
  std::error_code ec;
  // A decoder in two files holds the same layers twice; the one without a past says all (the cache is ours to add).
  for (const char *name : {"model.onnx", "decoder_model_merged.onnx", "decoder_model.onnx"})
    if (fs::is_regular_file(folder / name, ec)) return folder / name;
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
    return ModelFolder{given.string(), graph->string()};
  }
  fs::path folder = given.parent_path();
  return ModelFolder{folder.empty() ? "." : folder.string(), path};
}

static std::string readStart(const fs::path &path) {
  std::string text(2048, 0);
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), std::streamsize(text.size()));
  text.resize(size_t(file.gcount()));
  return llvm::StringRef(text).trim().str();
}

std::vector<std::string> ingot::readLicences(const ModelFolder &model) {
  std::vector<std::string> licences;
  std::string notice = readStart(fs::path(model.folder) / "NOTICE"),
              licence = readStart(fs::path(model.folder) / "LICENSE");
  licence = licence.substr(0, licence.find('\n'));
  for (const std::string &text : {notice, licence})
    if (!text.empty() && llvm::json::isUTF8(text)) licences.push_back(text);
  return licences;
}
