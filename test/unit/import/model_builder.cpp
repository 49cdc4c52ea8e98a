#include "test/unit/import/model_builder.h"

#include "llvm/Support/raw_ostream.h"

using namespace ingot;
using namespace ingot::test;

void ModelBuilder::addOpset(const std::string &domain, int64_t version) {
  auto *opset = model.add_opset_import();
  opset->set_domain(domain);
  opset->set_version(version);
}

// A negative dim is a dynamic one.
ModelBuilder &ModelBuilder::input(const std::string &name, std::vector<int64_t> dims, int type) {
  auto *value = model.mutable_graph()->add_input();
  value->set_name(name);
  auto *tensor = value->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  auto *shape = tensor->mutable_shape();
  for (int64_t dim : dims) {
    auto *made = shape->add_dim();
    if (dim >= 0)
      made->set_dim_value(dim);
    else
      made->set_dim_param("d" + std::to_string(-dim));
  }
  return *this;
}

ModelBuilder &ModelBuilder::output(const std::string &name) {
  model.mutable_graph()->add_output()->set_name(name);
  return *this;
}

onnx::NodeProto &ModelBuilder::node(const std::string &op, std::vector<std::string> inputs,
                                    std::vector<std::string> outputs, const std::string &domain) {
  auto *node = model.mutable_graph()->add_node();
  node->set_op_type(op);
  node->set_domain(domain);
  node->set_name("n" + std::to_string(model.graph().node_size()));
  for (const auto &name : inputs) node->add_input(name);
  for (const auto &name : outputs) node->add_output(name);
  return *node;
}

onnx::TensorProto &ModelBuilder::tensor(const std::string &name, std::vector<int64_t> dims, size_t bytes, int type) {
  auto *tensor = model.mutable_graph()->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(type);
  for (int64_t dim : dims) tensor->add_dims(dim);
  tensor->set_raw_data(std::string(bytes, '\0'));
  return *tensor;
}

onnx::TensorProto &ModelBuilder::external(const std::string &name, std::vector<int64_t> dims,
                                          const std::string &location, const std::string &offset,
                                          const std::string &length) {
  auto &made = tensor(name, dims, 0);
  made.clear_raw_data();
  made.set_data_location(onnx::TensorProto::EXTERNAL);
  for (auto [key, value] : {std::pair{"location", location}, {"offset", offset}, {"length", length}}) {
    auto *entry = made.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
  return made;
}

void ingot::test::setInt(onnx::NodeProto &node, const std::string &name, int64_t value) {
  auto *attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::INT);
  attribute->set_i(value);
}

void ingot::test::setFloat(onnx::NodeProto &node, const std::string &name, float value) {
  auto *attribute = node.add_attribute();
  attribute->set_name(name);
  attribute->set_type(onnx::AttributeProto::FLOAT);
  attribute->set_f(value);
}

std::string Imported::all() const {
  std::string lines;
  for (const auto &line : diagnostics) lines += line + "\n";
  return lines;
}

std::string Imported::text() const {
  std::string printed;
  llvm::raw_string_ostream stream(printed);
  if (module) (*module)->print(stream);
  return printed;
}

Imported ingot::test::importBytes(const std::string &bytes, mlir::MLIRContext &context, const std::string &folder,
                                  const ImportOptions &options) {
  DiagnosticSink sink;
  Imported imported;
  imported.module = importOnnxBytes(bytes, folder, context, options, sink);
  for (const Diagnostic &diagnostic : sink.all()) imported.diagnostics.push_back(toString(diagnostic));
  return imported;
}
