// A rotary embedding is recognised by what its columns compute; what only looks like one is not.
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "dialects/weights/Weights.h"
#include "mlir/Parser/Parser.h"
#include "passes/infer/IndexFunction.h"
#include "passes/infer/RotaryEmbedding.h"
#include "test/unit/infer/rotary_spelling.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

namespace {

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
    module = parseSourceString<ModuleOp>(graphOf(spelling), &context);
    if (!module) return ADD_FAILURE() << "the graph does not parse", std::nullopt;
    auto main = module->lookupSymbol<func::FuncOp>("main");
    Typing typing(main, "");
    Shape shape{Dim(), typing.freshDim()};
    typing.setToken(main.getArgument(0), shape);
    typing.setClosed(main.getArgument(1), shape,
                     [&](Indices at) { return typing.exprs.add(typing.exprs.past(), at[1]); });
    typing.run();
    RotaryTables tables(*module, "");
    Operation *flattened = main.getBody().front().getTerminator()->getOperand(0).getDefiningOp();
    return recogniseRotary(typing, tables, flattened->getOperand(0));
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
