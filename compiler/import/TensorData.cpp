// From TensorProto to a validated byte range or a small literal.
#include "compiler/import/TensorData.h"
#include "compiler/import/ElementTypes.h"
#include "compiler/import/Scanner.h"
#include "onnx.pb.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ingot;

// Values stored one a varint: 16-bit floats as their bits, booleans as 0 or 1, nibbles two in one number.
template <typename Values> static std::string bytesOfVarints(const Values &values, Type element) {
  unsigned bytes = std::max(1u, storageBits(element) / 8);
  std::string out;
  for (auto value : values)
    for (unsigned i = 0; i < bytes; ++i) out.push_back(char(uint64_t(value) >> (8 * i)));
  return out;
}

static std::string bytesOfTypedData(const onnx::TensorProto &tensor, Type element) {
  if (tensor.int64_data_size()) return bytesOfVarints(tensor.int64_data(), element);
  if (tensor.uint64_data_size()) return bytesOfVarints(tensor.uint64_data(), element);
  if (tensor.int32_data_size()) return bytesOfVarints(tensor.int32_data(), element);
  std::string out; // floats that were stored unpacked, one field each
  for (float value : tensor.float_data()) out.append(reinterpret_cast<const char *>(&value), sizeof(value));
  for (double value : tensor.double_data()) out.append(reinterpret_cast<const char *>(&value), sizeof(value));
  return out;
}

static bool readExternal(const onnx::TensorProto &tensor, TensorData &data, std::string &error) {
  data.length = storageBytes(data.type);
  for (const auto &entry : tensor.external_data()) {
    llvm::StringRef key = entry.key(), value = entry.value();
    uint64_t number = 0;
    if (key == "location") {
      data.file = entry.value();
    } else if (key == "offset" || key == "length") {
      if (value.getAsInteger(10, number)) {
        error = "external data has a bad " + entry.key() + " '" + entry.value() + "'";
        return false;
      }
      if (key == "offset") data.offset = number;
      if (key == "length" && number != data.length) {
        error = "external data has " + entry.value() + " bytes where its type needs " + std::to_string(data.length);
        return false;
      }
    }
  }
  if (data.file.empty()) error = "external data has no location";
  return error.empty();
}

static bool readInline(const onnx::TensorProto &tensor, TensorData &data, std::string &error) {
  uint64_t bytes = storageBytes(data.type);
  if (tensor.has_raw_data()) {
    auto range = decodeRange(tensor.raw_data()); // always one after scanning
    if (!range) error = "its data was not scanned";
    if (range) data.offset = range->offset, data.length = range->length;
  } else {
    std::string literal = bytesOfTypedData(tensor, data.type.getElementType());
    data.length = literal.size();
    if (data.length == bytes && bytes > TensorData::maxConstantBytes)
      error = "over 64 KiB of values stored one by one; save the model with raw_data";
    else if (data.length == bytes)
      data.literal = elementsFromBytes(data.type, ArrayRef(literal.data(), literal.size()));
  }
  if (error.empty() && data.length != bytes)
    error = "has " + std::to_string(data.length) + " bytes of data where its type needs " + std::to_string(bytes);
  return error.empty();
}

std::optional<TensorData> ingot::tensorData(const onnx::TensorProto &tensor, MLIRContext &context, ExternalData &files,
                                            std::string &error) {
  TensorData data;
  data.name = tensor.name();
  Type element = elementType(context, tensor.data_type());
  if (!element) error = "has elements of " + elementTypeName(tensor.data_type()) + ", which is not supported";
  if (element) {
    data.type = checkedTensorType(SmallVector<int64_t>(tensor.dims().begin(), tensor.dims().end()), element);
    if (!data.type || !data.type.hasStaticShape()) error = "has a negative dim or too many elements";
  }
  bool good =
      error.empty() && (tensor.data_location() == onnx::TensorProto::EXTERNAL ? readExternal(tensor, data, error)
                                                                              : readInline(tensor, data, error));
  if (good && !data.literal) error = files.checkRange(data.file, data.offset, data.length);
  if (!error.empty()) return std::nullopt;
  return data;
}

DenseElementsAttr ingot::elementsFromBytes(RankedTensorType type, ArrayRef<char> bytes) {
  Type element = type.getElementType();
  unsigned bits = storageBits(element);
  if (bits >= 8 && !element.isInteger(1)) return DenseElementsAttr::getFromRawBuffer(type, bytes);
  SmallVector<APInt> values;
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    uint8_t byte = uint8_t(bytes[i * bits / 8]);
    values.push_back(element.isInteger(1) ? APInt(1, byte != 0) : APInt(4, (byte >> (i % 2 * 4)) & 15));
  }
  return DenseElementsAttr::get(type, values);
}

DenseElementsAttr ingot::readConstant(const TensorData &tensor, const ExternalData &files) {
  if (tensor.literal) return tensor.literal;
  std::vector<char> bytes(tensor.length);
  if (!files.read(tensor.file, tensor.offset, tensor.length, bytes.data())) return {};
  return elementsFromBytes(tensor.type, bytes);
}
