// Takes the weights out of a model before libprotobuf sees it: every tensor's raw data is replaced by where it lies.
#pragma once
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace ingot {

/// A byte range of the model file. In a scanned model every TensorProto.raw_data holds exactly one of these.
struct ByteRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};
std::string encodeRange(ByteRange range);
std::optional<ByteRange> decodeRange(llvm::StringRef bytes);

/// The ModelProto without the tensors' bytes: raw_data, and packed float_data and double_data (which are the same
/// bytes), become raw_data that holds a ByteRange. Nothing, and a reason in `error`, if the file is not a well-formed
/// ModelProto, nests graphs deeper than 32, or keeps more than 1 MiB of a tensor as varints.
std::optional<std::string> scanModel(llvm::StringRef model, std::string &error);

} // namespace ingot
