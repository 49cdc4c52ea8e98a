// The node suite's input_N.pb and output_N.pb: one serialised TensorProto each.
#pragma once
#include "compiler/reference/Array.h"
#include <string>

namespace ingot::test {

/// Nothing if the file is not a tensor of a type that the importer knows (a sequence, strings).
std::optional<reference::Array> readTensorFile(const std::string &path, mlir::MLIRContext &context);

/// The names of a model's graph inputs, in order.
std::vector<std::string> graphInputs(const std::string &model);

} // namespace ingot::test
