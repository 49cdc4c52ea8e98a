// plan: tensors -> buffers, recipes -> offsets, launches -> steps. Its result is the artifact's plan.
#ifndef INGOT_PASSES_PLAN
#define INGOT_PASSES_PLAN

include "mlir/Pass/PassBase.td"

def PlaceWeights : Pass<"place-weights", "::mlir::ModuleOp"> {
  let summary = "give every recipe its offset in the weights segment, in the order of first use";
  let dependentDialects = ["::ingot::plan_ir::PlanDialect"];
}

def PlanSteps : Pass<"plan-steps", "::mlir::ModuleOp"> {
  let summary = "buffers by liveness, launches to steps, functions to the entries of a program";
  let dependentDialects = ["::ingot::plan_ir::PlanDialect"];
  let options = [
    Option<"target", "target", "std::string", "\"cpu\"", "the machine that the program is for: cpu or cuda">,
    Option<"queryTileRows", "query-tile-rows", "uint32_t", "1", "rows a query tile holds at most">,
  ];
}

def VerifyPlan : Pass<"verify-plan", "::mlir::ModuleOp"> {
  let summary = "check that symbols resolve and that live buffers do not overlap";
}

#endif
