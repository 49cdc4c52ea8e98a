// Small ONNX models for tests, built with the protobuf classes.
#pragma once
#include "compiler/import/Import.h"
#include "onnx.pb.h"

#include "mlir/IR/MLIRContext.h"
#include <string>
#include <vector>

namespace ingot::test {

class ModelBuilder {
public:
  explicit ModelBuilder(int64_t opset = 21) {
    model.set_ir_version(10);
    addOpset("", opset);
    addOpset("com.microsoft", 1);
  }

  ModelBuilder &input(const std::string &name, std::vector<int64_t> dims, int type = onnx::TensorProto::FLOAT);
  ModelBuilder &output(const std::string &name);
  onnx::NodeProto &node(const std::string &op, std::vector<std::string> inputs, std::vector<std::string> outputs,
                        const std::string &domain = "");
  /// Raw data of `bytes` zeros, unless the caller replaces it.
  onnx::TensorProto &tensor(const std::string &name, std::vector<int64_t> dims, size_t bytes,
                            int type = onnx::TensorProto::FLOAT);
  onnx::TensorProto &external(const std::string &name, std::vector<int64_t> dims, const std::string &location,
                              const std::string &offset, const std::string &length);

  std::string bytes() const { return model.SerializeAsString(); }
  onnx::ModelProto model;

private:
  void addOpset(const std::string &domain, int64_t version);
};

void setInt(onnx::NodeProto &node, const std::string &name, int64_t value);
void setFloat(onnx::NodeProto &node, const std::string &name, float value);

/// An import whose diagnostics are texts.
struct Imported {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<std::string> diagnostics;
  std::string all() const;  ///< one a line
  std::string text() const; ///< the module printed
};
Imported importBytes(const std::string &bytes, mlir::MLIRContext &context, const std::string &folder = "",
                     const ImportOptions &options = {});

} // namespace ingot::test
