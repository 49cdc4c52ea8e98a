// fuse: rows form -> launches form (dialects/decoder/README.md).
#ifndef INGOT_PASSES_FUSE
#define INGOT_PASSES_FUSE

include "mlir/Pass/PassBase.td"

def UnifyRecipes : Pass<"unify-recipes", "::mlir::ModuleOp"> {
  let summary = "simplify recipes and make equal ones one symbol, so that tied weights are stored once";
  let dependentDialects = ["::ingot::weights::WeightsDialect"];
}

def MergeQkv : Pass<"merge-qkv", "::mlir::func::FuncOp"> {
  let summary = "one linear for the query, key and value of an attention, each part starting at a unit";
  let dependentDialects = ["::ingot::decoder::DecoderDialect", "::ingot::weights::WeightsDialect"];
}

def MergeGate : Pass<"merge-gate", "::mlir::func::FuncOp"> {
  let summary = "one linear for gate and up, alternating in blocks of 16 columns";
  let dependentDialects = ["::ingot::decoder::DecoderDialect", "::ingot::weights::WeightsDialect"];
}

def SplitAttention : Pass<"split-attention", "::mlir::func::FuncOp"> {
  let summary = "attention = append + attend";
  let dependentDialects = ["::ingot::decoder::DecoderDialect"];
}

def MergeRows : Pass<"merge-rows", "::mlir::func::FuncOp"> {
  let summary = "join neighbouring decoder.rows and drop what only their borders needed";
  let dependentDialects = ["::ingot::decoder::DecoderDialect", "::ingot::graph::GraphDialect"];
}

def FoldColumns : Pass<"fold-columns", "::mlir::ModuleOp"> {
  let summary = "linears of picked weight rows instead of rows that pick columns of a linear";
  let dependentDialects = ["::ingot::decoder::DecoderDialect", "::ingot::weights::WeightsDialect"];
}

def OutlineLaunches : Pass<"outline-launches", "::mlir::func::FuncOp"> {
  let summary = "put every op into a launch: prologue, root, epilogue";
  let dependentDialects = ["::ingot::decoder::DecoderDialect"];
}

def VerifyFuse : Pass<"verify-fuse", "::mlir::ModuleOp"> {
  let summary = "check that fuse's result follows the launch rules";
}

#endif
