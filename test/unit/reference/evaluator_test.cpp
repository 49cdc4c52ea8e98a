// The evaluator on small functions: values by hand, and errors instead of undefined behaviour.
#include "compiler/reference/Evaluator.h"
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "dialects/weights/Weights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace ingot;
using reference::Array;

namespace {

class EvaluatorTest : public testing::Test {
protected:
  EvaluatorTest() {
    context
        .loadDialect<mlir::func::FuncDialect, graph::GraphDialect, decoder::DecoderDialect, weights::WeightsDialect>();
  }

  Array reals(std::vector<int64_t> shape, std::vector<double> values) {
    Array array = reference::makeArray(mlir::Float32Type::get(&context), shape);
    array.reals = std::move(values);
    return array;
  }
  Array integers(std::vector<int64_t> shape, std::vector<int64_t> values) {
    Array array = reference::makeArray(mlir::IntegerType::get(&context, 64), shape);
    array.integers = std::move(values);
    return array;
  }

  std::optional<std::vector<Array>> run(const std::string &body, std::vector<Array> arguments) {
    module = mlir::parseSourceString<mlir::ModuleOp>(body, &context);
    EXPECT_TRUE(module);
    if (!module) return std::nullopt;
    reference::Evaluator evaluator(*module, "");
    auto results = evaluator.run("f", std::move(arguments));
    error = evaluator.error();
    return results;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::string error;
};

} // namespace

TEST_F(EvaluatorTest, RoundsEveryResultToItsType) {
  auto sum = run("func.func @f(%x: tensor<1xf32>, %y: tensor<1xf32>) -> tensor<1xf32> {\n"
                 "  %0 = graph.binary add %x, %y : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>\n"
                 "  return %0 : tensor<1xf32> }",
                 {reals({1}, {16777216}), reals({1}, {1})});
  ASSERT_TRUE(sum) << error;
  EXPECT_EQ((*sum)[0].reals[0], 16777216);
}

TEST_F(EvaluatorTest, IntegersDivideTowardsZeroAndModFollowsTheDivisor) {
  std::string body = "func.func @f(%x: tensor<4xi64>, %y: tensor<4xi64>) -> (tensor<4xi64>, tensor<4xi64>) {\n"
                     "  %0 = graph.binary div %x, %y : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>\n"
                     "  %1 = graph.binary mod %x, %y : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>\n"
                     "  return %0, %1 : tensor<4xi64>, tensor<4xi64> }";
  auto results = run(body, {integers({4}, {7, -7, 7, INT64_MIN}), integers({4}, {2, 2, -2, -1})});
  ASSERT_TRUE(results) << error;
  EXPECT_EQ((*results)[0].integers, (std::vector<int64_t>{3, -3, -3, INT64_MIN}));
  EXPECT_EQ((*results)[1].integers, (std::vector<int64_t>{1, 1, -1, 0}));
  EXPECT_FALSE(run(body, {integers({4}, {1, 1, 1, 1}), integers({4}, {1, 1, 0, 1})}));
  EXPECT_NE(error.find("divided by zero"), std::string::npos);
}

TEST_F(EvaluatorTest, AnIndexOutOfRangeIsAnError) {
  std::string body = "func.func @f(%x: tensor<3xf32>, %i: tensor<1xi64>) -> tensor<1xf32> {\n"
                     "  %0 = graph.gather %x, %i {axis = 0 : i64} : (tensor<3xf32>, tensor<1xi64>) -> tensor<1xf32>\n"
                     "  return %0 : tensor<1xf32> }";
  auto last = run(body, {reals({3}, {1, 2, 3}), integers({1}, {-1})});
  ASSERT_TRUE(last) << error;
  EXPECT_EQ((*last)[0].reals[0], 3);
  for (int64_t index : {int64_t(3), int64_t(-4), INT64_MIN, INT64_MAX})
    EXPECT_FALSE(run(body, {reals({3}, {1, 2, 3}), integers({1}, {index})})) << index;
}

TEST_F(EvaluatorTest, ShapesThatAreTooLargeAreErrors) {
  std::string body = "func.func @f(%s: tensor<2xi64>, %v: tensor<f32>) -> tensor<?x?xf32> {\n"
                     "  %0 = graph.fill %s, %v : (tensor<2xi64>, tensor<f32>) -> tensor<?x?xf32>\n"
                     "  return %0 : tensor<?x?xf32> }";
  EXPECT_TRUE(run(body, {integers({2}, {2, 3}), reals({}, {1})})) << error;
  EXPECT_FALSE(run(body, {integers({2}, {int64_t(1) << 32, int64_t(1) << 32}), reals({}, {1})}));
  EXPECT_FALSE(run(body, {integers({2}, {-1, 3}), reals({}, {1})}));
}

TEST_F(EvaluatorTest, AttentionSeesItsWindowOnly) {
  std::string body =
      "func.func @f(%q: tensor<1x3x1xf32>, %v: tensor<1x3x1xf32>) -> tensor<1x3x1xf32> {\n"
      "  %0 = decoder.attention %q, %q, %v {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.0 : f32,\n"
      "    mask = #decoder.mask<causal, window = 2>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>}\n"
      "    : (tensor<1x3x1xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> tensor<1x3x1xf32>\n"
      "  return %0 : tensor<1x3x1xf32> }";
  auto y = run(body, {reals({1, 3, 1}, {1, 1, 1}), reals({1, 3, 1}, {2, 4, 8})});
  ASSERT_TRUE(y) << error;
  EXPECT_EQ((*y)[0].reals, (std::vector<double>{2, 3, 6})); // equal scores: the mean of the last two
}

TEST_F(EvaluatorTest, TheBranchOfAConditionRuns) {
  std::string body = "func.func @f(%c: tensor<i1>, %x: tensor<1xf32>) -> tensor<1xf32> {\n"
                     "  %0 = graph.if %c : (tensor<i1>) -> tensor<1xf32> {\n"
                     "    graph.yield %x : tensor<1xf32>\n"
                     "  } else {\n"
                     "    %1 = graph.unary neg %x : (tensor<1xf32>) -> tensor<1xf32>\n"
                     "    graph.yield %1 : tensor<1xf32>\n"
                     "  }\n"
                     "  return %0 : tensor<1xf32> }";
  Array condition = reference::makeArray(mlir::IntegerType::get(&context, 1), {});
  for (int64_t value : {1, 0}) {
    condition.integers[0] = value;
    auto y = run(body, {condition, reals({1}, {5})});
    ASSERT_TRUE(y) << error;
    EXPECT_EQ((*y)[0].reals[0], value ? 5 : -5);
  }
}
