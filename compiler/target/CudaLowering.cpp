// The MLIR half of code generation for CUDA: ptx ops first, then upstream conversions, every kernel in parallel.
#include "compiler/target/CudaStages.h"
#include "dialects/ptx/Ptx.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;

namespace ingot::cuda {

namespace {
struct LowerPtx : PassWrapper<LowerPtx, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LowerPtx)
  LowerPtx(unsigned level) : level(level) {}
  StringRef getArgument() const override { return "lower-ptx"; }
  void getDependentDialects(DialectRegistry &registry) const override { registry.insert<LLVM::LLVMDialect>(); }
  void runOnOperation() override {
    if (failed(lowerPtx(getOperation(), level))) signalPassFailure();
  }
  unsigned level;
};
} // namespace

LogicalResult lowerKernels(ModuleOp module, unsigned level) {
  PassManager manager(module.getContext());
  manager.enableVerifier(false); // what upstream conversions make is checked once, as LLVM IR
  OpPassManager &kernel = manager.nest<ModuleOp>();
  kernel.addPass(std::make_unique<LowerPtx>(level));
  kernel.addPass(createConvertSCFToCFPass());
  kernel.addPass(createArithToLLVMConversionPass());
  kernel.addPass(createConvertControlFlowToLLVMPass());
  kernel.addPass(createConvertFuncToLLVMPass());
  kernel.addPass(createReconcileUnrealizedCastsPass());
  return manager.run(module);
}

std::vector<EntryPoint> takeEntries(ModuleOp kernel) {
  std::vector<EntryPoint> entries;
  for (auto function : kernel.getOps<LLVM::LLVMFuncOp>()) {
    auto entry = function->getAttrOfType<ptx::EntryAttr>(ptx::entryAttrName);
    if (!entry) continue;
    entries.push_back({function.getName().str(), entry.getThreads(), entry.getCtas()});
    function->removeAttr(ptx::entryAttrName);
  }
  return entries;
}

} // namespace ingot::cuda
