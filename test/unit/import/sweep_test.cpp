// Damaged models: whatever the bytes, import returns a module or says why not. Run under sanitizers in CI.
#include "compiler/import/Scanner.h"
#include "test/unit/import/model_builder.h"

#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

using namespace ingot::test;

static const std::string folder = INGOT_TEST_DATA "/stories260k/genai_int4";

static std::string readModel() {
  std::stringstream bytes;
  bytes << std::ifstream(folder + "/model.onnx", std::ios::binary).rdbuf();
  return bytes.str();
}

static void importDamaged(const std::string &bytes) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto imported = importBytes(bytes, context, folder);
  EXPECT_EQ(bool(imported.module), imported.diagnostics.empty());
}

TEST(ImportSweep, TheWholeModelImports) {
  mlir::MLIRContext context;
  auto imported = importBytes(readModel(), context, folder);
  EXPECT_TRUE(imported.module) << imported.all();
}

TEST(ImportSweep, Truncated) {
  std::string model = readModel();
  ASSERT_FALSE(model.empty());
  for (size_t i = 0; i < 64; ++i) {
    std::string cut = model.substr(0, model.size() * i / 64);
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    EXPECT_FALSE(importBytes(cut, context, folder).module) << i;
  }
}

TEST(ImportSweep, RandomByteFlips) {
  std::string model = readModel();
  ASSERT_FALSE(model.empty());
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = model;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips)
      damaged[random() % damaged.size()] ^= char(1 + random() % 255);
    importDamaged(damaged);
  }
}

TEST(ImportSweep, DimsOfInitializersAndInputsReplaced) {
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(readModel()));
  std::mt19937 random(11);
  const int64_t sizes[] = {0, 1, -1, 3, 1 << 20, int64_t(1) << 40, INT64_MAX, INT64_MIN};
  for (int i = 0; i < 300; ++i) {
    onnx::ModelProto damaged = model;
    auto *graph = damaged.mutable_graph();
    auto *tensor = graph->mutable_initializer(int(random() % unsigned(graph->initializer_size())));
    if (tensor->dims_size()) tensor->set_dims(int(random() % unsigned(tensor->dims_size())), sizes[random() % 8]);
    if (i % 3 == 0) tensor->set_data_type(int(random() % 26));
    auto *shape = graph->mutable_input(int(random() % unsigned(graph->input_size())))
                      ->mutable_type()
                      ->mutable_tensor_type()
                      ->mutable_shape();
    if (shape->dim_size())
      shape->mutable_dim(int(random() % unsigned(shape->dim_size())))->set_dim_value(sizes[random() % 8]);
    importDamaged(damaged.SerializeAsString());
  }
}

TEST(ImportSweep, AttributesReplaced) {
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(readModel()));
  std::mt19937 random(13);
  const int64_t values[] = {0, -1, 1, 7, 1 << 30, INT64_MAX, INT64_MIN};
  for (int i = 0; i < 300; ++i) {
    onnx::ModelProto damaged = model;
    auto *node = damaged.mutable_graph()->mutable_node(int(random() % unsigned(model.graph().node_size())));
    if (node->attribute_size()) {
      auto *attribute = node->mutable_attribute(int(random() % unsigned(node->attribute_size())));
      attribute->set_i(values[random() % 7]);
      attribute->set_f(float(values[random() % 7]));
      if (i % 5 == 0) attribute->set_type(onnx::AttributeProto::AttributeType(1 + random() % 8));
    }
    if (node->input_size() && i % 2) node->set_input(int(random() % unsigned(node->input_size())), "input_ids");
    importDamaged(damaged.SerializeAsString());
  }
}

TEST(ImportSweep, DeeplyNestedGraphsAreRefused) {
  onnx::ModelProto model;
  model.add_opset_import()->set_version(21);
  onnx::GraphProto *graph = model.mutable_graph();
  for (int i = 0; i < 40; ++i) graph = graph->add_node()->add_attribute()->mutable_g();
  mlir::MLIRContext context;
  EXPECT_NE(importBytes(model.SerializeAsString(), context).all().find("nested too deep"), std::string::npos);
}

TEST(ImportSweep, ScanningTakesTheBytesOut) {
  ModelBuilder builder;
  builder.tensor("w", {1 << 20}, 4 << 20);
  std::string bytes = builder.bytes(), error;
  auto scanned = ingot::scanModel(bytes, error);
  ASSERT_TRUE(scanned) << error;
  EXPECT_LT(scanned->size(), 200u);
}
