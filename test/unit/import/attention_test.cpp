// Operators that are attention: one spelling for all of them, and nothing a file says about them is taken on trust.
#include "test/unit/import/model_builder.h"

#include <gtest/gtest.h>
#include <random>

using namespace ingot::test;

static std::string imported(ModelBuilder &builder) {
  mlir::MLIRContext context;
  auto result = importBytes(builder.bytes(), context);
  return result.module ? result.text() : result.all();
}

static bool contains(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

static ModelBuilder standard(bool causal) {
  ModelBuilder builder(23);
  builder.input("q", {1, -1, 32}).input("k", {1, -1, 16}).input("v", {1, -1, 16});
  builder.input("pk", {1, 2, -2, 8}).input("pv", {1, 2, -2, 8}).output("y").output("nk").output("nv");
  auto &node = builder.node("Attention", {"q", "k", "v", "", "pk", "pv"}, {"y", "nk", "nv"});
  setInt(node, "q_num_heads", 4);
  setInt(node, "kv_num_heads", 2);
  setInt(node, "is_causal", causal);
  return builder;
}

TEST(ImportAttention, OfTheStandardBecomesGraphOps) {
  ModelBuilder builder = standard(true);
  std::string text = imported(builder);
  EXPECT_TRUE(contains(text, "graph.softmax")) << text;
  EXPECT_TRUE(contains(text, "graph.compare le")) << text;
  EXPECT_TRUE(contains(text, "tensor<1x?x32xf32>")) << text;
  ModelBuilder open = standard(false);
  EXPECT_FALSE(contains(imported(open), "graph.compare"));
}

TEST(ImportAttention, OnePastOfContribAttentionIsTaken) {
  ModelBuilder builder;
  builder.input("x", {1, -1, 16}).input("past", {2, 1, 2, -2, 8}).output("y").output("present");
  builder.tensor("w", {16, 48}, 16 * 48 * 4);
  builder.tensor("b", {48}, 48 * 4);
  auto &node = builder.node("Attention", {"x", "w", "b", "", "past"}, {"y", "present"}, "com.microsoft");
  setInt(node, "num_heads", 2);
  setInt(node, "unidirectional", 1);
  std::string text = imported(builder);
  EXPECT_TRUE(contains(text, "decoder.linear")) << text;
  EXPECT_TRUE(contains(text, "graph.softmax")) << text;
}

TEST(ImportAttention, DecodeOnlyOperatorsSayWhatWouldHelp) {
  ModelBuilder builder;
  builder.input("x", {1, 1, 16}).output("y");
  builder.node("DecoderMaskedMultiHeadAttention", {"x"}, {"y"}, "com.microsoft");
  EXPECT_TRUE(contains(imported(builder), "export the model with MultiHeadAttention"));
}

TEST(ImportAttention, QueriesThatDoNotFitAreAGap) {
  ModelBuilder builder = standard(true);
  builder.model.mutable_graph()->mutable_node(0)->mutable_attribute(0)->set_i(3);
  EXPECT_TRUE(contains(imported(builder), "heads")) << imported(builder);
}

TEST(ImportAttention, AFlagIsZeroOrOne) {
  ModelBuilder builder = standard(true);
  builder.model.mutable_graph()->mutable_node(0)->mutable_attribute(2)->set_i(2);
  EXPECT_TRUE(contains(imported(builder), "attribute 'is_causal' is 2; 0 or 1 was expected")) << imported(builder);
}

// Operands of any rank, dims and type, attributes of any value.
TEST(ImportSweep, AttentionOfAnyShape) {
  struct Operator {
    const char *name, *domain;
    std::vector<const char *> attributes;
    unsigned operands, results;
  };
  const Operator operators[] = {
      {"Attention", "", {"q_num_heads", "kv_num_heads", "is_causal", "qk_matmul_output_mode"}, 7, 4},
      {"RotaryEmbedding", "", {"num_heads", "rotary_embedding_dim", "interleaved"}, 4, 1},
      {"RotaryEmbedding", "com.microsoft", {"num_heads", "rotary_embedding_dim", "interleaved"}, 4, 1},
      {"TensorScatter", "", {"axis"}, 3, 1},
      {"Attention", "com.microsoft", {"num_heads", "unidirectional"}, 6, 2},
      {"MultiHeadAttention", "com.microsoft", {"num_heads", "unidirectional"}, 8, 3},
      {"GroupQueryAttention", "com.microsoft", {"num_heads", "kv_num_heads", "do_rotary", "smooth_softmax"}, 16, 3},
      {"EmbedLayerNormalization", "com.microsoft", {"mask_index_type"}, 9, 3},
      {"FusedMatMul", "com.microsoft", {"transA", "transB", "transBatchA", "transBatchB"}, 2, 1}};
  const int64_t dims[] = {0, 1, 2, 3, 4, 8, 16, -1, -2}, values[] = {0, 1, 2, 3, 4, -1, 65536, INT64_MAX, INT64_MIN};
  const int types[] = {onnx::TensorProto::FLOAT, onnx::TensorProto::FLOAT16, onnx::TensorProto::INT64,
                       onnx::TensorProto::INT32, onnx::TensorProto::BOOL};
  std::mt19937 random(19);
  for (int i = 0; i < 3000; ++i) {
    const Operator &op = operators[random() % std::size(operators)];
    ModelBuilder builder(24);
    std::vector<std::string> operands, results;
    for (unsigned k = 0; k < op.operands; ++k) {
      operands.push_back(random() % 4 && k > 1 ? "" : "i" + std::to_string(k));
      if (operands.back().empty()) continue;
      std::vector<int64_t> shape;
      unsigned rank = random() % 3 ? 3 + random() % 2 : random() % 6;
      for (unsigned d = 0; d < rank; ++d) shape.push_back(dims[random() % std::size(dims)]);
      builder.input(operands.back(), shape, types[random() % 3 ? 0 : random() % 5]);
    }
    for (unsigned k = 0; k < op.results; ++k) {
      results.push_back("o" + std::to_string(k));
      if (k == 0 || random() % 2) builder.output(results.back());
    }
    auto &node = builder.node(op.name, operands, results, op.domain);
    for (const char *name : op.attributes)
      if (random() % 2) setInt(node, name, values[random() % std::size(values)]);
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    auto result = importBytes(builder.bytes(), context);
    EXPECT_EQ(bool(result.module), result.diagnostics.empty());
  }
}
