// Quantised weights: every packed form becomes a recipe, what does not fit is refused by name.
#include "test/unit/import/model_builder.h"

#include <gtest/gtest.h>

using namespace ingot::test;

namespace {

constexpr int ui8 = onnx::TensorProto::UINT8;

ModelBuilder nbits(int64_t bits, int64_t block) {
  ModelBuilder builder;
  int64_t blocks = (96 + block - 1) / block, blob = block * bits / 8;
  builder.input("x", {-1, -2, 96}).output("y");
  builder.tensor("q", {8, blocks, blob}, size_t(8 * blocks * blob), ui8);
  builder.tensor("s", {8 * blocks}, size_t(32 * blocks));
  auto &node = builder.node("MatMulNBits", {"x", "q", "s"}, {"y"}, "com.microsoft");
  setInt(node, "K", 96), setInt(node, "N", 8), setInt(node, "bits", bits), setInt(node, "block_size", block);
  return builder;
}

ModelBuilder bnb4(int64_t kind, int64_t absmax) {
  ModelBuilder builder;
  builder.input("x", {-1, -2, 96}).output("y");
  builder.tensor("q", {384}, 384, ui8);
  builder.tensor("s", {absmax}, size_t(4 * absmax));
  auto &node = builder.node("MatMulBnb4", {"x", "q", "s"}, {"y"}, "com.microsoft");
  setInt(node, "K", 96), setInt(node, "N", 8), setInt(node, "block_size", 64), setInt(node, "quant_type", kind);
  return builder;
}

// A table of 2100 x 64, too large to be folded, behind Gather or before it.
ModelBuilder quantisedTable(bool gatherFirst) {
  ModelBuilder builder;
  builder.input("ids", {-1, -2}, onnx::TensorProto::INT64).output("y");
  builder.tensor("q", {2100, 64}, 2100 * 64, ui8);
  builder.tensor("s", {}, 4);
  builder.tensor("z", {}, 1, ui8);
  builder.node("Gather", {gatherFirst ? "q" : "w", "ids"}, {gatherFirst ? "rows" : "y"});
  builder.node("DequantizeLinear", {gatherFirst ? "rows" : "q", "s", "z"}, {gatherFirst ? "y" : "w"});
  if (!gatherFirst) builder.model.mutable_graph()->mutable_node()->SwapElements(0, 1);
  return builder;
}

std::string imported(const ModelBuilder &builder) {
  mlir::MLIRContext context;
  auto result = importBytes(builder.bytes(), context);
  return result.module ? result.text() : result.all();
}

bool has(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

} // namespace

TEST(QuantImport, TwoBitsBecomeAFourBitGridWithZeroPoints) {
  std::string text = imported(nbits(2, 32));
  EXPECT_TRUE(has(text, "weights.unpack")) << text;
  EXPECT_TRUE(has(text, "#weights.grid<bits = 4, group = 32, zero = zero_point, scale = f32>")) << text;
}

TEST(QuantImport, BlocksThatNoLayoutHoldsAreDequantised) {
  std::string text = imported(nbits(4, 8));
  EXPECT_TRUE(has(text, "weights.dequant_linear")) << text;
  EXPECT_FALSE(has(text, "#weights.grid")) << text;
}

TEST(QuantImport, CodeBooksAreLookedUp) {
  std::string text = imported(bnb4(1, 12));
  EXPECT_TRUE(has(text, "high_first")) << text;
  EXPECT_TRUE(has(text, "weights.lookup")) << text;
  EXPECT_TRUE(has(imported(bnb4(2, 12)), "quant_type must be 0 (fp4) or 1 (nf4)"));
  EXPECT_TRUE(has(imported(bnb4(0, 11)), "its absmax does not fit K and N"));
}

TEST(QuantImport, AQuantisedTableIsOneRecipeHoweverItsRowsAreTaken) {
  std::string before = imported(quantisedTable(false)), after = imported(quantisedTable(true));
  EXPECT_TRUE(has(before, "decoder.embed")) << before;
  EXPECT_TRUE(has(before, "#weights.grid<bits = 8, group = 64, zero = symmetric") ||
              has(before, "#weights.grid<bits = 8, group = 64, zero = zero_point"))
      << before;
  EXPECT_TRUE(has(after, "decoder.embed")) << after;
  EXPECT_TRUE(has(after, "#weights.grid<bits = 8, group = 64")) << after;
}

TEST(QuantImport, ADequantisationThatDoesNotFitIsRefused) {
  ModelBuilder builder;
  builder.input("x", {-1, -2, 64}).output("y");
  builder.tensor("q", {64, 40}, 64 * 40, ui8);
  builder.tensor("s", {39}, 39 * 4);
  setInt(builder.node("DequantizeLinear", {"q", "s"}, {"w"}), "axis", 1);
  builder.node("MatMul", {"x", "w"}, {"y"});
  EXPECT_FALSE(has(imported(builder), "func.func")) << imported(builder);
}
