// What import makes of graphs, and how it says what it cannot.
#include "test/unit/import/model_builder.h"

#include <gtest/gtest.h>

using namespace ingot::test;

static size_t count(const std::string &text, const std::string &what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

TEST(Import, ListsEveryGapWithNodeOperatorAndReason) {
  ModelBuilder builder;
  builder.input("x", {-1, 4}).output("y");
  builder.node("Frobnicate", {"x"}, {"a"}, "com.acme");
  builder.node("Exp", {"a"}, {"b"});
  builder.node("Scan", {"b"}, {"c"});
  setInt(builder.node("Neg", {"c"}, {"y"}), "surprise", 1);
  mlir::MLIRContext context;
  auto imported = importBytes(builder.bytes(), context);
  EXPECT_FALSE(imported.module);
  EXPECT_EQ(imported.all(), "node 'n1' (com.acme.Frobnicate): the operator is not supported\n"
                            "node 'n3' (Scan): loops are not supported; export the model without them (unrolled, or "
                            "traced)\n");
}

TEST(Import, AnUnreadAttributeOperandOrResultIsAGap) {
  mlir::MLIRContext context;
  ModelBuilder attribute, operand, result;
  attribute.input("x", {4}).output("y");
  setInt(attribute.node("Neg", {"x"}, {"y"}), "surprise", 1);
  EXPECT_EQ(importBytes(attribute.bytes(), context).all(), "node 'n1' (Neg): attribute 'surprise' is not supported\n");
  operand.input("x", {4}).output("y");
  operand.node("Neg", {"x", "x"}, {"y"});
  EXPECT_EQ(importBytes(operand.bytes(), context).all(), "node 'n1' (Neg): operand 1 ('x') is not supported\n");
  result.input("x", {4}).output("y").output("z");
  result.node("Neg", {"x"}, {"y", "z"});
  EXPECT_EQ(importBytes(result.bytes(), context).all(), "node 'n1' (Neg): result 1 ('z') is not supported\n");
}

TEST(Import, NodesThatNoOutputNeedsAreLeftOut) {
  ModelBuilder builder;
  builder.input("x", {4}).output("y");
  builder.node("Conv", {"x"}, {"unused"});
  builder.node("Neg", {"x"}, {"y"});
  mlir::MLIRContext context;
  EXPECT_TRUE(importBytes(builder.bytes(), context).module);
}

TEST(Import, NodesMayComeInAnyOrderButNotInACycle) {
  mlir::MLIRContext context;
  ModelBuilder shuffled, cycle;
  shuffled.input("x", {4}).output("y");
  shuffled.node("Neg", {"a"}, {"y"});
  shuffled.node("Exp", {"x"}, {"a"});
  EXPECT_TRUE(importBytes(shuffled.bytes(), context).module);
  cycle.input("x", {4}).output("y");
  cycle.node("Add", {"x", "b"}, {"a"});
  cycle.node("Neg", {"a"}, {"b"});
  cycle.node("Neg", {"b"}, {"y"});
  EXPECT_NE(importBytes(cycle.bytes(), context).all().find("is not defined before it"), std::string::npos);
}

TEST(Import, KeepsNamesAndDimParametersOfTheSignature) {
  ModelBuilder builder;
  builder.input("x", {-1, 4}).output("y");
  builder.node("Neg", {"x"}, {"y"});
  mlir::MLIRContext context;
  std::string text = importBytes(builder.bytes(), context).text();
  EXPECT_NE(text.find("%arg0: tensor<?x4xf32> {graph.dims = [\"d1\", \"\"], graph.name = \"x\"}"), std::string::npos)
      << text;
  EXPECT_NE(text.find("-> (tensor<?x4xf32> {graph.dims = [\"\", \"\"], graph.name = \"y\"})"), std::string::npos)
      << text;
}

TEST(Import, WeightsStayInTheFileAndTiedOnesAreOneSource) {
  ModelBuilder builder;
  builder.input("x", {-1, 256}).output("y").output("z");
  builder.tensor("w", {256, 256}, 256 * 256 * 4);
  builder.node("MatMul", {"x", "w"}, {"y"});
  builder.node("MatMul", {"y", "w"}, {"z"});
  mlir::MLIRContext context;
  std::string text = importBytes(builder.bytes(), context).text();
  EXPECT_EQ(count(text, "weights.source"), 1u) << text;
  EXPECT_EQ(count(text, "weights.recipe"), 1u) << text;
  EXPECT_EQ(count(text, "weights.transpose"), 1u) << text;
  EXPECT_EQ(count(text, "decoder.linear"), 2u) << text;
  EXPECT_EQ(count(text, "graph.weight"), 0u) << text;
}

TEST(Import, LayoutOpsBetweenAWeightAndItsUseBecomePartOfTheRecipe) {
  ModelBuilder builder;
  builder.input("x", {-1, 256}).output("y");
  builder.tensor("w", {512, 256}, 512 * 256 * 4);
  builder.node("Transpose", {"w"}, {"t"}); // undone by the recipe's own transpose
  builder.node("MatMul", {"x", "t"}, {"y"});
  mlir::MLIRContext context;
  std::string text = importBytes(builder.bytes(), context).text();
  EXPECT_EQ(count(text, "weights.transpose"), 0u) << text;
  EXPECT_EQ(count(text, "tensor<?x512xf32>"), 3u) << text;
}

TEST(Import, SmallConstantArithmeticIsFolded) {
  ModelBuilder builder;
  builder.input("x", {2, 6}).output("y");
  builder.node("Shape", {"x"}, {"dims"});
  auto &one = builder.tensor("one", {1}, 8, onnx::TensorProto::INT64);
  one.set_raw_data(std::string("\1\0\0\0\0\0\0\0", 8));
  builder.node("Gather", {"dims", "one"}, {"columns"});
  builder.node("Concat", {"columns", "one"}, {"shape"});
  setInt(*builder.model.mutable_graph()->mutable_node(2), "axis", 0);
  builder.node("Concat", {"shape", "shape"}, {"four"});
  setInt(*builder.model.mutable_graph()->mutable_node(3), "axis", 0);
  builder.node("Expand", {"one", "shape"}, {"e"});
  builder.node("Reshape", {"x", "columns2"}, {"y"});
  builder.node("Mul", {"columns", "two"}, {"columns2"});
  auto &two = builder.tensor("two", {1}, 8, onnx::TensorProto::INT64);
  two.set_raw_data(std::string("\2\0\0\0\0\0\0\0", 8));
  mlir::MLIRContext context;
  auto imported = importBytes(builder.bytes(), context);
  ASSERT_TRUE(imported.module) << imported.all();
  EXPECT_NE(imported.text().find("-> tensor<12xf32>"), std::string::npos) << imported.text();
}

TEST(Import, AConstantWithoutElementsIsRead) {
  ModelBuilder builder;
  builder.input("x", {1}).output("y");
  auto &value = *builder.node("Constant", {}, {"shape"}).add_attribute();
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  value.mutable_t()->set_data_type(onnx::TensorProto::INT64);
  value.mutable_t()->add_dims(0);
  value.mutable_t()->set_raw_data("");
  builder.node("Reshape", {"x", "shape"}, {"y"});
  mlir::MLIRContext context;
  auto imported = importBytes(builder.bytes(), context);
  ASSERT_TRUE(imported.module) << imported.all();
  EXPECT_NE(imported.text().find("-> tensor<f32>"), std::string::npos) << imported.text();
}

TEST(Import, ABoundInputBecomesAConstant) {
  ModelBuilder builder;
  builder.input("x", {2, 3}).input("axes", {1}, onnx::TensorProto::INT64).output("y");
  builder.node("ReduceSum", {"x", "axes"}, {"y"});
  mlir::MLIRContext context;
  EXPECT_EQ(importBytes(builder.bytes(), context).all(), "node 'n1' (ReduceSum): its axes must be constant\n");
  ingot::ImportOptions options;
  auto type = mlir::RankedTensorType::get({1}, mlir::IntegerType::get(&context, 64));
  options.bindings["axes"] = mlir::DenseElementsAttr::get(type, int64_t(1));
  auto imported = importBytes(builder.bytes(), context, "", options);
  ASSERT_TRUE(imported.module) << imported.all();
  EXPECT_NE(imported.text().find("tensor<2x1xf32>"), std::string::npos);
}

TEST(Import, RefusesOpsetsThatNobodyHasRead) {
  mlir::MLIRContext context;
  for (int64_t opset : {6, 28, 1000}) {
    ModelBuilder builder(opset);
    builder.input("x", {4}).output("y");
    builder.node("Neg", {"x"}, {"y"});
    EXPECT_NE(importBytes(builder.bytes(), context).all().find("ONNX opset"), std::string::npos);
  }
}
