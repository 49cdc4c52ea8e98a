// act(x @ gate) * (x @ up) becomes gate(x @ [gate, up]) with columns alternating in blocks of 16: one pass over x, and
// a worker holds both halves of each product in registers.
#include "dialects/decoder/Decoder.h"
#include "passes/fuse/LinearPart.h"
#include "passes/fuse/Passes.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_MERGEGATE
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

static constexpr int64_t kBlock = 16;

/// [gate, up], each padded to a multiple of 16 rows, alternating in blocks of 16.
static FlatSymbolRefAttr interleave(ModuleOp module, ArrayRef<LinearPart> parts, bool bias) {
  RecipeBuilder recipe(module, parts[0].linear.getLoc());
  FlatSymbolRefAttr gate = bias ? parts[0].linear.getBiasAttr() : parts[0].linear.getWeightAttr();
  int64_t rows = llvm::alignTo(parts[0].size, kBlock);
  Value both = recipe.concatRows(loadParts(recipe, parts, kBlock, bias));
  Value mixed = recipe.permuteRows(both, {rows / kBlock, 2, kBlock}, {kBlock, rows, 1});
  return recipe.finish(mixed, (gate.getValue() + "_and_up").str());
}

static void merge(decoder::MulOp mul, decoder::ActOp act, ArrayRef<LinearPart> parts) {
  auto module = mul->getParentOfType<ModuleOp>();
  OpBuilder b(mul);
  decoder::LinearOp gate = parts[0].linear;
  auto weight = interleave(module, parts, false);
  FlatSymbolRefAttr bias = gate.getBias() ? interleave(module, parts, true) : FlatSymbolRefAttr();
  auto type = cast<RankedTensorType>(mul.getResult().getType());
  auto wide = RankedTensorType::get({type.getDimSize(0), 2 * int64_t(llvm::alignTo(type.getDimSize(1), kBlock))},
                                    type.getElementType());
  auto linear = b.create<decoder::LinearOp>(gate.getLoc(), wide, gate.getInput(), weight, bias,
                                            b.getI64IntegerAttr(gate.getAccuracyLevel()));
  auto result = b.create<decoder::GateOp>(mul.getLoc(), type, act.getKind(), linear.getResult(), kBlock);
  mul.replaceAllUsesWith(result.getResult());
  mul.erase();
  act.erase();
  eraseDeadParts(parts);
}

/// Gate and up behind act(gate) * up, when nobody else reads them.
static SmallVector<LinearPart> findParts(decoder::ActOp act, Value up) {
  if (!act || !act->hasOneUse() || !act.getInput().hasOneUse() || !up.hasOneUse()) return {};
  auto gatePart = partOf(act.getInput()), upPart = partOf(up);
  if (!gatePart || !upPart || gatePart->size != upPart->size) return {};
  SmallVector<LinearPart> parts{*gatePart, *upPart};
  return mergeable(parts) ? parts : SmallVector<LinearPart>();
}

namespace {
struct MergeGate : ingot::impl::MergeGateBase<MergeGate> {
  void runOnOperation() override {
    getOperation().walk([](decoder::MulOp mul) {
      for (auto [first, second] : {std::pair(mul.getLhs(), mul.getRhs()), std::pair(mul.getRhs(), mul.getLhs())}) {
        auto act = first.getDefiningOp<decoder::ActOp>();
        SmallVector<LinearPart> parts = findParts(act, second);
        if (parts.empty()) continue;
        merge(mul, act, parts);
        return;
      }
    });
  }
};
} // namespace
