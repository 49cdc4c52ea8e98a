// What infer makes of a real graph means what was imported: the rows form on the reference evaluator, one call, against
// the import form fed in chunks with its cache.
#include "compiler/import/Import.h"
#include "compiler/reference/DecoderSession.h"
#include "mlir/Pass/PassManager.h"
#include "passes/infer/Passes.h"
#include "test/unit/infer/rows_evaluator.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace ingot;

namespace {
class Meaning : public testing::TestWithParam<const char *> {
protected:
  std::string path = std::string(INGOT_TEST_DATA) + "/stories260k/" + GetParam() + "/model.onnx";
  MLIRContext context;

  OwningOpRef<ModuleOp> imported() {
    DiagnosticSink sink;
    auto module = importOnnx(path, context, {}, sink);
    for (const ingot::Diagnostic &diagnostic : sink.all()) ADD_FAILURE() << toString(diagnostic);
    return module;
  }
};

TEST_P(Meaning, rowsOfOneCallEqualTheImportedGraphInChunks) {
  std::vector<int64_t> tokens = {1, 403, 407, 261, 378, 432, 383, 285, 410};
  OwningOpRef<ModuleOp> graph = imported(), rows = imported();
  ASSERT_TRUE(graph && rows);
  PassManager manager(&context);
  InferOptions options;
  options.modelFile = path;
  buildInferPipeline(manager, options);
  ASSERT_TRUE(succeeded(manager.run(*rows)));

  infer::RowsEvaluator evaluator(*rows, path);
  auto whole = evaluator.logits(tokens);
  ASSERT_TRUE(whole) << evaluator.error();
  reference::DecoderSession session(*graph, path);
  std::vector<double> chunked;
  for (size_t begin : {0, 4, 5}) {
    size_t end = begin == 0 ? 4 : begin == 4 ? 5 : tokens.size();
    auto part = session.feed(ArrayRef(tokens).slice(begin, end - begin));
    ASSERT_TRUE(part) << session.error();
    chunked.insert(chunked.end(), part->reals.begin(), part->reals.end());
  }
  ASSERT_EQ(whole->reals.size(), chunked.size());
  for (size_t i = 0; i < chunked.size(); ++i) ASSERT_NEAR(whole->reals[i], chunked[i], 1e-4) << i;
}

INSTANTIATE_TEST_SUITE_P(Stories, Meaning, testing::Values("genai_fp32", "genai_int4"),
                         [](const auto &info) { return std::string(info.param); });
} // namespace
