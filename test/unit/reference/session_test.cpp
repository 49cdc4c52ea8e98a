// A real model through import and the reference evaluator: stories260k, its first greedy tokens and the chunk law.
#include "compiler/import/Import.h"
#include "compiler/reference/DecoderSession.h"

#include "mlir/IR/MLIRContext.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace ingot;
using reference::Array;
using reference::DecoderSession;
using reference::Mode;

namespace {

// The prompt "Once upon a time" and the greedy ids that follow, from ONNX Runtime (goldens.json, both forms).
const std::vector<int64_t> prompt = {1, 403, 407, 261, 378};
const std::vector<int64_t> greedy = {432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338};

struct Model {
  explicit Model(const std::string &form) : file(std::string(INGOT_TEST_DATA "/stories260k/") + form + "/model.onnx") {
    DiagnosticSink sink;
    module = importOnnx(file, context, {}, sink);
  }
  std::string file;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

int64_t argmaxOfLast(const Array &logits) {
  auto last = logits.reals.end() - logits.shape[1];
  return std::max_element(last, logits.reals.end()) - last;
}

std::vector<int64_t> generate(const Model &model, Mode mode) {
  DecoderSession session(*model.module, model.file, mode);
  std::vector<int64_t> ids;
  auto logits = session.feed(prompt);
  for (size_t i = 0; i < greedy.size() && logits; ++i) {
    ids.push_back(argmaxOfLast(*logits));
    logits = session.feed({ids.back()});
  }
  EXPECT_TRUE(logits) << session.error();
  return ids;
}

} // namespace

TEST(DecoderSession, GeneratesOnnxRuntimesTokens) {
  for (const char *form : {"genai_fp32", "genai_int4"}) {
    Model model(form);
    ASSERT_TRUE(model.module) << form;
    EXPECT_EQ(generate(model, Mode::plain), greedy) << form;
    EXPECT_EQ(generate(model, Mode::contract), greedy) << form;
  }
}

TEST(DecoderSession, TheContractModeIsBitEqualInAnyChunks) {
  Model model("genai_int4");
  ASSERT_TRUE(model.module);
  std::vector<int64_t> ids = prompt;
  ids.insert(ids.end(), greedy.begin(), greedy.end());
  DecoderSession whole(*model.module, model.file, Mode::contract), parts(*model.module, model.file, Mode::contract);
  auto expected = whole.feed(ids);
  ASSERT_TRUE(expected) << whole.error();
  std::vector<double> rows;
  for (size_t at = 0; at < ids.size(); at += 3) {
    auto chunk = parts.feed(llvm::ArrayRef(ids).slice(at, std::min<size_t>(3, ids.size() - at)));
    ASSERT_TRUE(chunk) << parts.error();
    rows.insert(rows.end(), chunk->reals.begin(), chunk->reals.end());
  }
  EXPECT_EQ(rows, expected->reals);
}

TEST(DecoderSession, AnIdOutsideOfTheVocabularyIsAnError) {
  Model model("genai_fp32");
  ASSERT_TRUE(model.module);
  DecoderSession session(*model.module, model.file);
  EXPECT_FALSE(session.feed({512}));
  EXPECT_NE(session.error().find("id 512 is outside of the table"), std::string::npos) << session.error();
}
