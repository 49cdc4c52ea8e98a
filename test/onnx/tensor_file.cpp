// From TensorProto as it stands (not scanned) to an array.
#include "test/onnx/tensor_file.h"
#include "compiler/import/ElementTypes.h"
#include "onnx.pb.h"
#include <fstream>
#include <sstream>

using namespace mlir;
using namespace ingot;

template <typename Values> static void append(std::string &out, const Values &values, unsigned bytes) {
  for (auto value : values)
    for (unsigned i = 0; i < bytes; ++i) out.push_back(char(uint64_t(value) >> (8 * i)));
}

static std::string bytesOf(const onnx::TensorProto &tensor, Type element) {
  if (tensor.has_raw_data()) return tensor.raw_data();
  unsigned bytes = std::max(1u, storageBits(element) / 8);
  std::string out;
  append(out, tensor.int64_data(), bytes);
  append(out, tensor.uint64_data(), bytes);
  append(out, tensor.int32_data(), bytes);
  for (float value : tensor.float_data()) out.append(reinterpret_cast<const char *>(&value), sizeof(value));
  for (double value : tensor.double_data()) out.append(reinterpret_cast<const char *>(&value), sizeof(value));
  return out;
}

template <typename Proto> static bool parse(const std::string &path, Proto &proto) {
  std::stringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return proto.ParseFromString(bytes.str());
}

std::vector<std::string> ingot::test::graphInputs(const std::string &model) {
  onnx::ModelProto proto;
  std::vector<std::string> names;
  if (parse(model, proto))
    for (const auto &input : proto.graph().input()) names.push_back(input.name());
  return names;
}

std::optional<reference::Array> ingot::test::readTensorFile(const std::string &path, MLIRContext &context) {
  onnx::TensorProto tensor;
  if (!parse(path, tensor)) return std::nullopt;
  Type element = elementType(context, tensor.data_type());
  if (!element) return std::nullopt;
  auto type = checkedTensorType(SmallVector<int64_t>(tensor.dims().begin(), tensor.dims().end()), element);
  std::string data = bytesOf(tensor, element);
  if (!type || data.size() != storageBytes(type)) return std::nullopt;
  return reference::fromBytes(type, ArrayRef(data.data(), data.size()));
}
