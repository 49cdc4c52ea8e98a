// Finds the files of a model: MODEL is an ONNX file, or a folder that holds model.onnx (or exactly one .onnx file).
#pragma once
#include "llvm/Support/Error.h"
#include <string>

namespace ingot {

struct ModelFolder {
  std::string folder; // where tokenizer.json and the configuration files lie
  std::string onnx;   // the graph
  std::string name;   // for people: the folder's or file's stem
};

llvm::Expected<ModelFolder> findModel(const std::string &path);

} // namespace ingot
