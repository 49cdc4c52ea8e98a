// lower: launch regions -> kernels and plan.launch.
#ifndef INGOT_PASSES_LOWER
#define INGOT_PASSES_LOWER

include "mlir/Pass/PassBase.td"

def LowerLaunches : Pass<"lower-launches", "::mlir::ModuleOp"> {
  let summary = "one set of kernels per distinct launch region; equal layers share them";
  let dependentDialects = ["::ingot::plan_ir::PlanDialect"];
}

def DistributeLanes : Pass<"distribute-lanes", "::mlir::ModuleOp"> {
  let summary = "kernels on vectors of 16 lanes -> the code of one of the 16 threads of a worker";
  let dependentDialects = ["::ingot::ptx::PtxDialect", "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect",
                           "::mlir::LLVM::LLVMDialect"];
}

def VerifyLower : Pass<"verify-lower", "::mlir::ModuleOp"> {
  let summary = "check that only plan.launch ops are left and that every kernel they name exists";
}

#endif
