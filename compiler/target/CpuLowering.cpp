// The MLIR half of code generation: upstream conversions to the LLVM dialect, run on every kernel's module in parallel.
#include "compiler/target/CpuStages.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;

namespace ingot::cpu {

LogicalResult lowerKernels(ModuleOp module) {
  if (failed(verify(module))) return failure();
  PassManager manager(module.getContext());
  manager.enableVerifier(false); // what upstream conversions make is checked once, as LLVM IR
  OpPassManager &kernel = manager.nest<ModuleOp>();
  kernel.addPass(createConvertSCFToCFPass());
  kernel.addPass(createArithToLLVMConversionPass());
  kernel.addPass(createConvertControlFlowToLLVMPass());
  kernel.addPass(createConvertFuncToLLVMPass());
  kernel.addPass(createReconcileUnrealizedCastsPass());
  return manager.run(module);
}

} // namespace ingot::cpu
