// lower: launch regions -> kernels and plan.launch.
#ifndef INGOT_PASSES_LOWER
#define INGOT_PASSES_LOWER

include "mlir/Pass/PassBase.td"

def LowerLaunches : Pass<"lower-launches", "::mlir::ModuleOp"> {
  let summary = "one set of kernels per distinct launch region; equal layers share them";
  let dependentDialects = ["::ingot::plan_ir::PlanDialect"];
}

def VerifyLower : Pass<"verify-lower", "::mlir::ModuleOp"> {
  let summary = "check that only plan.launch ops are left and that every kernel they name exists";
}

#endif
