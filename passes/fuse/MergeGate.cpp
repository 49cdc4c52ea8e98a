// act(x @ gate) * (x @ up) becomes gate(x @ [gate, up]) with columns alternating in blocks of 16: one pass over x, and
// a worker holds both halves of each product in registers.
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/Passes.h"
#include "passes/fuse/RecipeBuilder.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_MERGEGATE
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

static constexpr int64_t kBlock = 16;

/// Two linears can be one when they read the same rows and their recipes have the same grid (or float type) and
/// columns.
static bool mergeable(decoder::LinearOp a, decoder::LinearOp b) {
  auto ta = recipeType(a, a.getWeightAttr()), tb = recipeType(b, b.getWeightAttr());
  return a != b && a.getInput() == b.getInput() && ta.getElementType() == tb.getElementType() &&
         ta.getEncoding() == tb.getEncoding() && ta.getShape() == tb.getShape() &&
         a.getBias().has_value() == b.getBias().has_value() && a.getAccuracyLevel() == b.getAccuracyLevel() &&
         a->hasOneUse() && b->hasOneUse();
}

/// [gate, up], each padded to a multiple of 16 rows, alternating in blocks of 16.
static FlatSymbolRefAttr interleave(ModuleOp module, Location loc, FlatSymbolRefAttr gate, FlatSymbolRefAttr up) {
  RecipeBuilder recipe(module, loc);
  Value g = recipe.load(gate), u = recipe.load(up);
  int64_t rows = llvm::alignTo(cast<RankedTensorType>(g.getType()).getDimSize(0), kBlock);
  Value both = recipe.concatRows({recipe.padRows(g, rows), recipe.padRows(u, rows)});
  Value mixed = recipe.permuteRows(both, {rows / kBlock, 2, kBlock}, {kBlock, rows, 1});
  return recipe.finish(mixed, (gate.getValue() + "_and_up").str());
}

static void merge(decoder::MulOp mul, decoder::ActOp act, decoder::LinearOp gate, decoder::LinearOp up) {
  auto module = mul->getParentOfType<ModuleOp>();
  OpBuilder b(mul);
  auto weight = interleave(module, gate.getLoc(), gate.getWeightAttr(), up.getWeightAttr());
  FlatSymbolRefAttr bias;
  if (gate.getBias()) bias = interleave(module, gate.getLoc(), gate.getBiasAttr(), up.getBiasAttr());
  auto type = cast<RankedTensorType>(mul.getResult().getType());
  auto wide = RankedTensorType::get({type.getDimSize(0), 2 * int64_t(llvm::alignTo(type.getDimSize(1), kBlock))},
                                    type.getElementType());
  auto linear = b.create<decoder::LinearOp>(gate.getLoc(), wide, gate.getInput(), weight, bias,
                                            b.getI64IntegerAttr(gate.getAccuracyLevel()));
  auto result = b.create<decoder::GateOp>(mul.getLoc(), type, act.getKind(), linear.getResult(), kBlock);
  mul.replaceAllUsesWith(result.getResult());
  mul.erase();
  act.erase();
  gate.erase();
  up.erase();
}

namespace {
struct MergeGate : ingot::impl::MergeGateBase<MergeGate> {
  void runOnOperation() override {
    getOperation().walk([](decoder::MulOp mul) {
      for (auto [first, second] : {std::pair(mul.getLhs(), mul.getRhs()), std::pair(mul.getRhs(), mul.getLhs())}) {
        auto act = first.getDefiningOp<decoder::ActOp>();
        auto up = second.getDefiningOp<decoder::LinearOp>();
        auto gate = act && act->hasOneUse() ? act.getInput().getDefiningOp<decoder::LinearOp>() : decoder::LinearOp();
        if (!gate || !up || !mergeable(gate, up)) continue;
        merge(mul, act, gate, up);
        return;
      }
    });
  }
};
} // namespace
