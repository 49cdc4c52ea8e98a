// Finds the files of a model: MODEL is an ONNX file, or a folder that holds model.onnx (or exactly one .onnx file).
#pragma once
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace ingot {

struct ModelFolder {
  std::string folder; // where tokenizer.json and the configuration files lie
  std::string onnx;   // the graph
};

llvm::Expected<ModelFolder> findModel(const std::string &path);

/// What the folder says of its rights: the text of NOTICE, and the first line of LICENSE. At most 2 KiB each.
std::vector<std::string> readLicences(const ModelFolder &model);

} // namespace ingot
