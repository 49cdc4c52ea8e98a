// The operators of the genai dialect: their forms, and what is refused by name.
#include "test/unit/import/model_builder.h"

#include <gtest/gtest.h>

using namespace ingot::test;

namespace {

// MatMulNBits with K = 40 (no multiple of the block 32), N = 8.
ModelBuilder nbits(int64_t bits, bool packedZeros, bool floatZeros) {
  ModelBuilder builder;
  size_t blob = 32 * bits / 8;
  builder.input("x", {-1, -2, 40}).output("y");
  builder.tensor("q", {8, 2, int64_t(blob)}, 8 * 2 * blob, onnx::TensorProto::UINT8);
  builder.tensor("s", {16}, 64);
  size_t zeroBytes = 8 * ((2 * bits + 7) / 8);
  if (packedZeros) builder.tensor("z", {int64_t(zeroBytes)}, zeroBytes, onnx::TensorProto::UINT8);
  if (floatZeros) builder.tensor("z", {8, 2}, 64);
  std::vector<std::string> inputs = {"x", "q", "s"};
  if (packedZeros || floatZeros) inputs.push_back("z");
  auto &node = builder.node("MatMulNBits", inputs, {"y"}, "com.microsoft");
  setInt(node, "K", 40), setInt(node, "N", 8), setInt(node, "bits", bits), setInt(node, "block_size", 32);
  setInt(node, "accuracy_level", 4);
  return builder;
}

ModelBuilder attention() {
  ModelBuilder builder;
  builder.input("q", {-1, -2, 64}).input("k", {-1, -2, 32}).input("v", {-1, -2, 32});
  builder.input("past_k", {-1, 2, -3, 16}).input("past_v", {-1, 2, -3, 16});
  builder.input("lengths", {-1}, onnx::TensorProto::INT32).input("total", {}, onnx::TensorProto::INT32);
  builder.output("y").output("present_k").output("present_v");
  auto &node = builder.node("GroupQueryAttention", {"q", "k", "v", "past_k", "past_v", "lengths", "total"},
                            {"y", "present_k", "present_v"}, "com.microsoft");
  setInt(node, "num_heads", 4), setInt(node, "kv_num_heads", 2);
  return builder;
}

} // namespace

TEST(GenaiImport, MatMulNBitsKeepsTheFilesGrid) {
  mlir::MLIRContext context;
  auto symmetric = importBytes(nbits(4, false, false).bytes(), context);
  ASSERT_TRUE(symmetric.module) << symmetric.all();
  std::string text = symmetric.text();
  EXPECT_NE(text.find("tensor<8x40xf32, #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f32>>"),
            std::string::npos);
  EXPECT_NE(text.find("accuracy_level = 4"), std::string::npos);
  EXPECT_NE(importBytes(nbits(4, true, false).bytes(), context).text().find("zero = zero_point"), std::string::npos);
  EXPECT_NE(importBytes(nbits(4, false, true).bytes(), context).text().find("zero = minimum"), std::string::npos);
  EXPECT_NE(importBytes(nbits(8, true, false).bytes(), context).text().find("bits = 8"), std::string::npos);
}

TEST(GenaiImport, MatMulNBitsRefusesWhatDoesNotFit) {
  mlir::MLIRContext context;
  auto broken = [&](const std::string &name, int64_t value) {
    ModelBuilder builder = nbits(4, false, false);
    for (auto &attribute : *builder.model.mutable_graph()->mutable_node(0)->mutable_attribute())
      if (attribute.name() == name) attribute.set_i(value);
    return importBytes(builder.bytes(), context).all();
  };
  EXPECT_NE(broken("K", 41).find("contracts 40 columns with a weight of 41"), std::string::npos) << broken("K", 41);
  EXPECT_NE(broken("N", 9).find("its quants do not fit K and N"), std::string::npos);
  EXPECT_NE(broken("bits", 3).find("bits = 3 is not supported"), std::string::npos);
  EXPECT_NE(broken("block_size", 0).find("block_size must be"), std::string::npos);
  EXPECT_NE(broken("K", INT64_MAX).find("K and N must be positive"), std::string::npos);
}

TEST(GenaiImport, GroupQueryAttentionBecomesAttentionInImportForm) {
  mlir::MLIRContext context;
  auto imported = importBytes(attention().bytes(), context);
  ASSERT_TRUE(imported.module) << imported.all();
  std::string text = imported.text();
  EXPECT_NE(text.find("decoder.attention"), std::string::npos);
  EXPECT_NE(text.find("scale = 2.500000e-01"), std::string::npos) << text;
  EXPECT_NE(text.find("tensor<?x2x?x16xf32> {graph.dims = [\"\", \"\", \"\", \"\"], graph.name = \"present_k\"}"),
            std::string::npos);
}

TEST(GenaiImport, AttentionExtensionsAreRefusedByName) {
  mlir::MLIRContext context;
  auto refused = [&](size_t operand, const std::string &name) {
    ModelBuilder builder = attention();
    auto *node = builder.model.mutable_graph()->mutable_node(0);
    while (node->input_size() <= int(operand)) node->add_input("");
    node->set_input(int(operand), "q");
    std::string text = importBytes(builder.bytes(), context).all();
    EXPECT_NE(text.find("'" + name + "' is not supported"), std::string::npos) << text;
  };
  refused(12, "k_scale");
  refused(13, "v_scale");
}

TEST(GenaiImport, SmoothSoftmaxIsASinkOfZeros) {
  mlir::MLIRContext context;
  ModelBuilder smooth = attention();
  setInt(*smooth.model.mutable_graph()->mutable_node(0), "smooth_softmax", 1);
  auto imported = importBytes(smooth.bytes(), context);
  ASSERT_TRUE(imported.module) << imported.all();
  EXPECT_NE(imported.text().find("sinks = @"), std::string::npos) << imported.text();
}

TEST(GenaiImport, AnAttentionBiasMakesGraphOps) {
  mlir::MLIRContext context;
  ModelBuilder biased = attention();
  biased.input("bias", {1, 1, -5, -6});
  auto *node = biased.model.mutable_graph()->mutable_node(0);
  while (node->input_size() <= 10) node->add_input("");
  node->set_input(10, "bias");
  auto imported = importBytes(biased.bytes(), context);
  ASSERT_TRUE(imported.module) << imported.all();
  EXPECT_EQ(imported.text().find("decoder.attention"), std::string::npos);
  EXPECT_NE(imported.text().find("graph.softmax"), std::string::npos);
}

TEST(GenaiImport, WindowSoftcapAndScaleReachTheOp) {
  mlir::MLIRContext context;
  ModelBuilder builder = attention();
  auto &node = *builder.model.mutable_graph()->mutable_node(0);
  setInt(node, "local_window_size", 6), setFloat(node, "softcap", 5), setFloat(node, "scale", 0.5f);
  std::string text = importBytes(builder.bytes(), context).text();
  EXPECT_NE(text.find("#decoder.mask<causal, window = 6>"), std::string::npos) << text;
  EXPECT_NE(text.find("softcap = 5.0"), std::string::npos);
  EXPECT_NE(text.find("scale = 5.000000e-01"), std::string::npos);
}

TEST(GenaiImport, SkipNormsGiveTheSumAsWell) {
  mlir::MLIRContext context;
  ModelBuilder builder;
  builder.input("x", {-1, -2, 8}).input("skip", {-1, -2, 8}).output("y").output("sum");
  builder.tensor("g", {8}, 32);
  setFloat(builder.node("SkipSimplifiedLayerNormalization", {"x", "skip", "g"}, {"y", "", "", "sum"}, "com.microsoft"),
           "epsilon", 1e-6f);
  auto imported = importBytes(builder.bytes(), context);
  ASSERT_TRUE(imported.module) << imported.all();
  EXPECT_NE(imported.text().find("decoder.norm"), std::string::npos) << imported.text();
}
