// A rotary embedding is recognised by what its columns compute; what only looks like one is not.
#include "dialects/graph/Graph.h"
#include "mlir/Parser/Parser.h"
#include "passes/infer/Convention.h"
#include "passes/infer/IndexFunction.h"
#include "passes/infer/RotaryEmbedding.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

/// y1 = x1 * `a` (op1) x2 * `b`, y2 = x2 * `c` (op2) x1 * `d` over heads of 4 columns; pairs (k, k + 2) for step 1 and
/// (2k, 2k + 1) for step 2. cos0, sin0 turn by the frequencies 1 and 0.25; cos1, sin1 by 1 and 0.5.
struct Spelling {
  std::string a = "cos0", op1 = "sub", b = "sin0", c = "cos0", op2 = "add", d = "sin0";
  int step = 1;
  std::string join = "half"; ///< or "stack": y1 and y2 alternate
};

std::string waves(int which, const char *second) {
  std::string n = std::to_string(which);
  return "%f" + n + " = graph.constant dense<[1.0, " + second + "]> : tensor<2xf32>\n" + "%t" + n +
         " = graph.binary mul %p, %f" + n + " : (tensor<?x?x1x1xf32>, tensor<2xf32>) -> tensor<?x?x1x2xf32>\n" +
         "%cos" + n + " = graph.unary cos %t" + n + " : (tensor<?x?x1x2xf32>) -> tensor<?x?x1x2xf32>\n" + "%sin" + n +
         " = graph.unary sin %t" + n + " : (tensor<?x?x1x2xf32>) -> tensor<?x?x1x2xf32>\n";
}

std::string product(const std::string &name, const std::string &x, const std::string &wave) {
  return "%" + name + " = graph.binary mul %" + x + ", %" + wave +
         " : (tensor<?x?x2x2xf32>, tensor<?x?x1x2xf32>) -> tensor<?x?x2x2xf32>\n";
}

std::string slice(const std::string &name, int from, int to, int step) {
  return "%" + name + " = graph.slice %x, %i" + std::to_string(from) + ", %i" + std::to_string(to) +
         " {axes = array<i64: 3>, steps = array<i64: " + std::to_string(step) +
         ">} : (tensor<?x?x2x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x2xf32>\n";
}

std::string moduleOf(const Spelling &s) {
  std::string text = R"(
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x8xf32> weights.yield %0 : tensor<32x8xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"},
                %positions: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x?x2x4xf32> {graph.name = "logits"}) {
  %e = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %shape = graph.constant dense<[0, 0, 2, 4]> : tensor<4xi64>
  %x = graph.reshape %e, %shape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %p1 = graph.unsqueeze %positions [2, 3] : (tensor<?x?xi64>) -> tensor<?x?x1x1xi64>
  %p = graph.cast %p1 : (tensor<?x?x1x1xi64>) -> tensor<?x?x1x1xf32>
  %i0 = graph.constant dense<0> : tensor<1xi64>
  %i1 = graph.constant dense<1> : tensor<1xi64>
  %i2 = graph.constant dense<2> : tensor<1xi64>
  %i4 = graph.constant dense<4> : tensor<1xi64>
)";
  text += waves(0, "0.25") + waves(1, "0.5");
  text += s.step == 1 ? slice("x1", 0, 2, 1) + slice("x2", 2, 4, 1) : slice("x1", 0, 4, 2) + slice("x2", 1, 4, 2);
  text += product("xa", "x1", s.a) + product("xb", "x2", s.b) + product("xc", "x2", s.c) + product("xd", "x1", s.d);
  std::string type = "(tensor<?x?x2x2xf32>, tensor<?x?x2x2xf32>) -> tensor<?x?x2x2xf32>\n";
  text += "%y1 = graph.binary " + s.op1 + " %xa, %xb : " + type + "%y2 = graph.binary " + s.op2 + " %xc, %xd : " + type;
  if (s.join == "half")
    return text + R"(
  %y = graph.concat %y1, %y2 {axis = 3 : i64} : (tensor<?x?x2x2xf32>, tensor<?x?x2x2xf32>) -> tensor<?x?x2x4xf32>
  return %y : tensor<?x?x2x4xf32> })";
  return text + R"(
  %z1 = graph.unsqueeze %y1 [4] : (tensor<?x?x2x2xf32>) -> tensor<?x?x2x2x1xf32>
  %z2 = graph.unsqueeze %y2 [4] : (tensor<?x?x2x2xf32>) -> tensor<?x?x2x2x1xf32>
  %z = graph.concat %z1, %z2 {axis = 4 : i64} : (tensor<?x?x2x2x1xf32>, tensor<?x?x2x2x1xf32>) -> tensor<?x?x2x2x2xf32>
  %y = graph.reshape %z, %shape : (tensor<?x?x2x2x2xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  return %y : tensor<?x?x2x4xf32> })";
}

class RotaryOfPrimitives : public testing::Test {
protected:
  RotaryOfPrimitives() {
    DialectRegistry registry;
    registry.insert<func::FuncDialect, graph::GraphDialect, decoder::DecoderDialect, weights::WeightsDialect>();
    registerIndexFunctions(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  std::optional<RotaryEmbedding> recognised(const Spelling &spelling) {
    module = parseSourceString<ModuleOp>(moduleOf(spelling), &context);
    if (!module) return ADD_FAILURE() << "the graph does not parse", std::nullopt;
    auto main = module->lookupSymbol<func::FuncOp>("main");
    Typing typing(main, "");
    if (failed(applyConvention(typing, LearntSizes()))) return ADD_FAILURE() << "convention", std::nullopt;
    typing.run();
    RotaryTables tables(*module, "");
    return recogniseRotary(typing, tables, main.getBody().front().getTerminator()->getOperand(0));
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

TEST_F(RotaryOfPrimitives, halfSplitPairsTurnInPlace) {
  auto rotary = recognised({});
  ASSERT_TRUE(rotary);
  EXPECT_FALSE(rotary->interleaved);
  EXPECT_EQ(rotary->heads, 2);
  EXPECT_EQ(rotary->size, 4);
  EXPECT_EQ(ArrayRef(rotary->source), ArrayRef<int64_t>({0, 1, 2, 3}));
  EXPECT_EQ(ArrayRef(rotary->target), ArrayRef<int64_t>({0, 1, 2, 3}));
  ASSERT_EQ(rotary->angles.sin.size(), 2u);
  EXPECT_EQ(rotary->angles.sin[0].frequency, 1.0f);
  EXPECT_EQ(rotary->angles.sin[1].frequency, 0.25f);
}

TEST_F(RotaryOfPrimitives, interleavedPairsTurnInPlace) {
  Spelling spelling;
  spelling.step = 2, spelling.join = "stack";
  auto rotary = recognised(spelling);
  ASSERT_TRUE(rotary);
  EXPECT_TRUE(rotary->interleaved);
  EXPECT_EQ(ArrayRef(rotary->source), ArrayRef<int64_t>({0, 1, 2, 3}));
  EXPECT_EQ(ArrayRef(rotary->target), ArrayRef<int64_t>({0, 1, 2, 3}));
}

TEST_F(RotaryOfPrimitives, interleavedPairsMayEndUpInHalves) {
  Spelling spelling;
  spelling.step = 2;
  auto rotary = recognised(spelling);
  ASSERT_TRUE(rotary);
  // Either layout is right as long as column source[k] becomes column target[k].
  for (int64_t k = 0; k < 4; ++k) EXPECT_EQ(rotary->target[k], rotary->source[k] / 2 + rotary->source[k] % 2 * 2) << k;
}

TEST_F(RotaryOfPrimitives, turningBackIsANegativeFrequency) {
  Spelling spelling;
  spelling.op1 = "add", spelling.op2 = "sub";
  auto rotary = recognised(spelling);
  ASSERT_TRUE(rotary);
  EXPECT_EQ(rotary->angles.sin[1].frequency, -0.25f);
}

TEST_F(RotaryOfPrimitives, equalSignsAreNoRotation) {
  for (const char *op : {"add", "sub"}) {
    Spelling spelling;
    spelling.op1 = spelling.op2 = op;
    EXPECT_FALSE(recognised(spelling)) << op;
  }
}

TEST_F(RotaryOfPrimitives, swappedFactorsAreNotRecognised) {
  Spelling spelling;
  spelling.a = spelling.c = "sin0", spelling.b = spelling.d = "cos0";
  EXPECT_FALSE(recognised(spelling));
  Spelling one;
  one.a = "sin0", one.b = "cos0";
  EXPECT_FALSE(recognised(one));
}

TEST_F(RotaryOfPrimitives, differentAnglesInAPairAreNotRecognised) {
  for (std::string Spelling::*place : {&Spelling::a, &Spelling::b, &Spelling::c, &Spelling::d}) {
    Spelling spelling;
    spelling.*place = (spelling.*place).substr(0, 3) + "1";
    EXPECT_FALSE(recognised(spelling)) << spelling.*place;
  }
}

} // namespace
