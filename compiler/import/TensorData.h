// A tensor of the model file before it becomes IR: its type and where its bytes lie. Nothing is read until asked.
#pragma once
#include "compiler/import/ExternalData.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <optional>
#include <string>

namespace onnx {
class TensorProto;
}

namespace ingot {

struct TensorData {
  static constexpr uint64_t maxConstantBytes = 64 << 10;

  std::string name;
  mlir::RankedTensorType type;
  std::string file;    ///< "" = the model file
  uint64_t offset = 0; ///< meaningless when `literal` is set
  uint64_t length = 0;
  mlir::DenseElementsAttr literal; ///< set when the values were stored as varints and have no byte range

  bool isSmall() const { return literal || length <= maxConstantBytes; }
};

/// Validates a scanned TensorProto: type, dims, size of its data, range. Nothing, and a reason in `error`, if it is
/// bad.
std::optional<TensorData> tensorData(const onnx::TensorProto &tensor, mlir::MLIRContext &context, ExternalData &files,
                                     std::string &error);

/// The values of a small tensor; null if its file cannot be read.
mlir::DenseElementsAttr readConstant(const TensorData &tensor, const ExternalData &files);

/// Elements of `type` from bytes as ONNX stores them (packed nibbles, bools as bytes); `bytes` has storageBytes(type).
mlir::DenseElementsAttr elementsFromBytes(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);

} // namespace ingot
