// Every launch becomes a plan.launch that names its kernels. Regions are hashed with weights and layer abstracted, so
// that the thirty equal layers of a model share one set of kernels.
#include "dialects/plan/Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "passes/lower/KernelGenerator.h"
#include "passes/lower/Passes.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_LOWERLAUNCHES
#include "passes/lower/Passes.h.inc"
} // namespace ingot

/// Weight symbols in binding order (launch rule 6), each once.
static SmallVector<Attribute> weightsOf(decoder::LaunchOp launch) {
  llvm::SetVector<Attribute> weights;
  for (Operation &op : launch.getBody().front())
    for (FlatSymbolRefAttr symbol : decoder::weightSymbols(&op)) weights.insert(symbol);
  return SmallVector<Attribute>(weights.begin(), weights.end());
}

static IntegerAttr layerOf(decoder::LaunchOp launch) {
  for (Operation &op : launch.getBody().front()) {
    if (auto append = dyn_cast<decoder::AppendOp>(op)) return append.getLayerAttr();
    if (auto attend = dyn_cast<decoder::AttendOp>(op)) return attend.getLayerAttr();
  }
  return {};
}

namespace {
struct LowerLaunches : ingot::impl::LowerLaunchesBase<LowerLaunches> {
  LowerLaunches() = default;
  explicit LowerLaunches(KernelGenerator &generator) : generator(&generator) {}

  void runOnOperation() override {
    if (!generator) {
      getOperation().emitError("lower-launches needs a kernel generator");
      return signalPassFailure();
    }
    SmallVector<decoder::LaunchOp> launches;
    for (auto function : getOperation().getOps<func::FuncOp>())
      llvm::append_range(launches, function.getOps<decoder::LaunchOp>());
    for (decoder::LaunchOp launch : launches)
      if (failed(lower(launch))) return signalPassFailure();
  }

private:
  ArrayAttr variants(ArrayRef<KernelVariant> list, uint64_t hash) {
    Builder b(&getContext());
    SmallVector<Attribute> attributes;
    for (const KernelVariant &v : list) {
      auto grid = v.grid == GridKind::rows ? plan_ir::Grid::rows : plan_ir::Grid::q_tiles;
      attributes.push_back(plan_ir::VariantAttr::get(
          &getContext(), v.maxRows, FlatSymbolRefAttr::get(&getContext(), v.kernel), grid, v.units, v.per, v.streams));
      if (!kernelNames.insert(v.kernel).second) continue;
      OpBuilder atEnd = OpBuilder::atBlockEnd(getOperation().getBody());
      auto hashAttr = b.getIntegerAttr(b.getIntegerType(64, /*isSigned=*/false), APInt(64, hash));
      atEnd.create<plan_ir::KernelOp>(getOperation().getLoc(), b.getStringAttr(v.kernel), hashAttr,
                                      b.getI64IntegerAttr(v.scratchBytes), b.getI64IntegerAttr(v.blockThreads),
                                      b.getI64IntegerAttr(v.blockItems), b.getI64IntegerAttr(v.sharedBytes));
    }
    return b.getArrayAttr(attributes);
  }

  LogicalResult lower(decoder::LaunchOp launch) {
    uint64_t hash = generator->hash(launch);
    auto found = generated.find(hash);
    if (found == generated.end()) {
      FailureOr<LaunchKernels> kernels = generator->generate(launch);
      if (failed(kernels)) return launch.emitOpError("has no kernel for this machine");
      found = generated.emplace(hash, std::move(*kernels)).first;
    }
    const LaunchKernels &kernels = found->second;
    OpBuilder b(launch);
    auto lowered = b.create<plan_ir::LaunchOp>(
        launch.getLoc(), launch.getResultTypes(), launch.getNameAttr(), launch.getInputs(),
        b.getArrayAttr(weightsOf(launch)), layerOf(launch), variants(kernels.prepare, hash),
        variants(kernels.main, hash), kernels.finish.empty() ? ArrayAttr() : variants(kernels.finish, hash),
        b.getI64IntegerAttr(kernels.preparedBytesPerRow), b.getI64IntegerAttr(kernels.partialBytes),
        b.getI64IntegerAttr(kernels.preparePrivateRows), b.getI64IntegerAttr(kernels.opsPerRow));
    launch.replaceAllUsesWith(lowered.getResults());
    launch.erase();
    return success();
  }

  KernelGenerator *generator = nullptr;
  std::map<uint64_t, LaunchKernels> generated;
  std::set<std::string> kernelNames;
};
} // namespace

std::unique_ptr<Pass> ingot::createLowerLaunches(KernelGenerator &generator) {
  return std::make_unique<LowerLaunches>(generator);
}

void ingot::buildLowerPipeline(OpPassManager &manager, KernelGenerator &generator) {
  manager.addPass(createLowerLaunches(generator));
  manager.addPass(createVerifyLower());
}
