// Whatever infer makes of a rotary embedding in primitives - decoder.rope, with permutations around it, or generic rows
// - means what the graph means.
#include "compiler/reference/DecoderSession.h"
#include "dialects/graph/Graph.h"
#include "dialects/weights/Weights.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/infer/Passes.h"
#include "test/unit/infer/rotary_spelling.h"
#include "test/unit/infer/rows_evaluator.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace ingot;

namespace {
class RotaryMeaning : public testing::Test {
protected:
  RotaryMeaning() {
    context.loadDialect<func::FuncDialect, graph::GraphDialect, decoder::DecoderDialect, weights::WeightsDialect>();
  }

  void expectSameMeaning(const infer::Spelling &spelling) {
    auto graph = parseSourceString<ModuleOp>(graphOf(spelling), &context);
    auto rows = parseSourceString<ModuleOp>(graphOf(spelling), &context);
    ASSERT_TRUE(graph && rows);
    PassManager manager(&context);
    InferOptions options;
    options.maxContext = 64;
    buildInferPipeline(manager, options);
    ASSERT_TRUE(succeeded(manager.run(*rows)));
    ropes = 0;
    rows->walk([&](decoder::RopeOp) { ++ropes; });
    std::vector<int64_t> tokens = {1, 30, 7, 7, 12, 3};
    infer::RowsEvaluator evaluator(*rows, "");
    auto made = evaluator.logits(tokens);
    ASSERT_TRUE(made) << evaluator.error();
    reference::DecoderSession session(*graph, "");
    auto meant = session.feed(tokens);
    ASSERT_TRUE(meant) << session.error();
    ASSERT_EQ(made->reals.size(), meant->reals.size());
    for (size_t i = 0; i < meant->reals.size(); ++i) ASSERT_NEAR(made->reals[i], meant->reals[i], 1e-5) << i;
  }

  MLIRContext context;
  int ropes = 0;
};

TEST_F(RotaryMeaning, everyLayoutOfPairs) {
  for (int step : {1, 2})
    for (const char *join : {"half", "stack"}) {
      SCOPED_TRACE(std::to_string(step) + join);
      infer::Spelling spelling;
      spelling.step = step, spelling.join = join;
      expectSameMeaning(spelling);
      EXPECT_EQ(ropes, 1);
    }
}

TEST_F(RotaryMeaning, turningBack) {
  infer::Spelling spelling;
  spelling.op1 = "add", spelling.op2 = "sub";
  expectSameMeaning(spelling);
  EXPECT_EQ(ropes, 1);
}

TEST_F(RotaryMeaning, whatOnlyLooksLikeIt) {
  infer::Spelling signs, angles, factors;
  signs.op2 = "sub", angles.c = "cos1", factors.a = "sin0";
  for (const infer::Spelling &spelling : {signs, angles, factors}) {
    expectSameMeaning(spelling);
    EXPECT_EQ(ropes, 0);
  }
}
} // namespace
