// specialize: fixes what the runtime will not decide: packed layouts, the longest context.
#ifndef INGOT_PASSES_SPECIALIZE
#define INGOT_PASSES_SPECIALIZE

include "mlir/Pass/PassBase.td"

def LimitContext : Pass<"limit-context", "::mlir::ModuleOp"> {
  let summary = "lower the model's longest context to what --max-context asks for";
  let options = [Option<"tokens", "tokens", "int64_t", "0", "0: the model's own limit">];
}

def PackRecipes : Pass<"pack-recipes", "::mlir::ModuleOp"> {
  let summary = "give every recipe its packed layout: r16 for what linears and embeds read, rows for vectors and tables";
  let dependentDialects = ["::ingot::weights::WeightsDialect"];
}

def VerifySpecialize : Pass<"verify-specialize", "::mlir::ModuleOp"> {
  let summary = "check that every recipe is packed and the context is bounded";
}

#endif
