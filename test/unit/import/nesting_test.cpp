// Graphs inside of graphs: functions that the model defines, and branches of If.
#include "test/unit/import/model_builder.h"

#include <gtest/gtest.h>
#include <random>

using namespace ingot::test;

static onnx::FunctionProto &function(ModelBuilder &builder, const std::string &name, std::vector<std::string> inputs,
                                     std::vector<std::string> outputs) {
  auto *made = builder.model.add_functions();
  made->set_name(name);
  made->set_domain("local");
  for (const auto &input : inputs) made->add_input(input);
  for (const auto &output : outputs) made->add_output(output);
  auto *opset = made->add_opset_import();
  opset->set_version(21);
  return *made;
}

template <typename Graph>
static onnx::NodeProto &node(Graph &graph, const std::string &op, std::vector<std::string> inputs,
                             std::vector<std::string> outputs, const std::string &domain = "") {
  auto *made = graph.add_node();
  made->set_op_type(op);
  made->set_domain(domain);
  for (const auto &input : inputs) made->add_input(input);
  for (const auto &output : outputs) made->add_output(output);
  return *made;
}

static onnx::AttributeProto &attribute(onnx::NodeProto &node, const std::string &name, int type) {
  auto *made = node.add_attribute();
  made->set_name(name);
  made->set_type(onnx::AttributeProto::AttributeType(type));
  return *made;
}

static onnx::GraphProto &branch(onnx::NodeProto &node, const std::string &name, const std::string &output) {
  auto *graph = attribute(node, name, onnx::AttributeProto::GRAPH).mutable_g();
  graph->add_output()->set_name(output);
  return *graph;
}

// y = c ? exp(x) : -w, where w is made outside of the branches.
static ModelBuilder chooser() {
  ModelBuilder builder;
  builder.input("x", {4}).input("c", {1}, onnx::TensorProto::BOOL).output("y");
  builder.node("Abs", {"x"}, {"w"});
  auto &choice = builder.node("If", {"c"}, {"y"});
  node(branch(choice, "then_branch", "y"), "Exp", {"x"}, {"y"});
  node(branch(choice, "else_branch", "y"), "Neg", {"w"}, {"y"});
  return builder;
}

TEST(ImportFunctions, AreInlinedWithTheirAttributesAndAbsentOperands) {
  ModelBuilder builder;
  builder.input("x", {4}).output("y");
  auto &inner = function(builder, "Inner", {"a", "low", "high"}, {"b"});
  node(inner, "Clip", {"a", "low", "high"}, {"b"});
  auto &outer = function(builder, "Outer", {"a"}, {"b"});
  outer.add_attribute("slope");
  auto &leaky = node(outer, "LeakyRelu", {"a"}, {"t"});
  attribute(leaky, "alpha", onnx::AttributeProto::FLOAT).set_ref_attr_name("slope");
  node(outer, "Inner", {"t"}, {"b"}, "local");
  auto *local = outer.add_opset_import();
  local->set_domain("local");
  local->set_version(1);
  setFloat(builder.node("Outer", {"x"}, {"y"}, "local"), "slope", 0.75f);
  mlir::MLIRContext context;
  auto imported = importBytes(builder.bytes(), context);
  ASSERT_TRUE(imported.module) << imported.all();
  EXPECT_NE(imported.text().find("7.500000e-01"), std::string::npos) << imported.text();
  EXPECT_EQ(imported.text().find("graph.binary max"), std::string::npos) << imported.text(); // no bounds were given
}

TEST(ImportFunctions, RecursionAndUnknownAttributesAreGaps) {
  ModelBuilder recursive, unknown;
  recursive.input("x", {4}).output("y");
  node(function(recursive, "F", {"a"}, {"b"}), "F", {"a"}, {"b"}, "local");
  recursive.node("F", {"x"}, {"y"}, "local");
  mlir::MLIRContext context;
  EXPECT_NE(importBytes(recursive.bytes(), context).all().find("its function calls itself"), std::string::npos);
  unknown.input("x", {4}).output("y");
  node(function(unknown, "F", {"a"}, {"b"}), "Exp", {"a"}, {"b"});
  setInt(unknown.node("F", {"x"}, {"y"}, "local"), "surprise", 1);
  EXPECT_NE(importBytes(unknown.bytes(), context).all().find("no attribute 'surprise'"), std::string::npos);
}

// 2^26 nodes out of 26 functions.
TEST(ImportFunctions, ExpansionIsBounded) {
  ModelBuilder builder;
  builder.input("x", {4}).output("y");
  for (int i = 0; i < 26; ++i) {
    auto &body = function(builder, "F" + std::to_string(i), {"a"}, {"b"});
    std::string callee = i ? "F" + std::to_string(i - 1) : "Exp", domain = i ? "local" : "";
    node(body, callee, {"a"}, {"t"}, domain);
    node(body, callee, {"t"}, {"b"}, domain);
  }
  builder.node("F25", {"x"}, {"y"}, "local");
  mlir::MLIRContext context;
  EXPECT_NE(importBytes(builder.bytes(), context).all().find("too many nodes"), std::string::npos);
}

TEST(ImportFunctions, ABodyDoesNotSeeTheGraphAround) {
  ModelBuilder builder;
  builder.input("x", {4}).output("y");
  node(function(builder, "F", {}, {"b"}), "Exp", {"x"}, {"b"});
  builder.node("F", {}, {"y"}, "local");
  mlir::MLIRContext context;
  EXPECT_NE(importBytes(builder.bytes(), context).all().find("'x' is not defined"), std::string::npos);
}

TEST(ImportIf, OnAnInputBecomesTwoRegions) {
  mlir::MLIRContext context;
  auto imported = importBytes(chooser().bytes(), context);
  ASSERT_TRUE(imported.module) << imported.all();
  EXPECT_NE(imported.text().find("graph.if"), std::string::npos);
}

TEST(ImportIf, OnABoundInputIsOneBranch) {
  mlir::MLIRContext context;
  for (bool value : {true, false}) {
    ingot::ImportOptions options;
    auto type = mlir::RankedTensorType::get({1}, mlir::IntegerType::get(&context, 1));
    options.bindings["c"] = mlir::DenseElementsAttr::get(type, value);
    options.bindings["absent"] = options.bindings["c"];
    auto imported = importBytes(chooser().bytes(), context, "", options);
    ASSERT_TRUE(imported.module) << imported.all();
    EXPECT_EQ(imported.text().find("graph.if"), std::string::npos);
    EXPECT_EQ(imported.text().find("exp") != std::string::npos, value);
  }
}

TEST(ImportIf, GapsOfBothBranchesAreTold) {
  ModelBuilder builder = chooser();
  auto &choice = *builder.model.mutable_graph()->mutable_node(1);
  for (auto &each : *choice.mutable_attribute()) each.mutable_g()->mutable_node(0)->set_op_type("Frobnicate");
  mlir::MLIRContext context;
  EXPECT_EQ(importBytes(builder.bytes(), context).diagnostics.size(), 2u);
}

// Whatever is renamed, dropped or swapped in nested graphs: a module or diagnostics.
TEST(ImportSweep, NestedGraphsDamaged) {
  ModelBuilder builder = chooser();
  builder.model.mutable_graph()->mutable_output(0)->set_name("z");
  node(function(builder, "F", {"a", "o"}, {"b"}), "Exp", {"a"}, {"b"});
  builder.node("F", {"y"}, {"z"}, "local");
  std::string bytes = builder.bytes();
  std::mt19937 random(17);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = bytes;
    for (unsigned flips = 1 + random() % 3; flips > 0; --flips)
      damaged[random() % damaged.size()] ^= char(1 + random() % 255);
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    auto imported = importBytes(damaged, context);
    EXPECT_EQ(bool(imported.module), imported.diagnostics.empty());
  }
}
