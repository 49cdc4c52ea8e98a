// quantize: decides the arithmetic of every root: weight format, activation format, cache type (the numerics contract).
#ifndef INGOT_PASSES_QUANTIZE
#define INGOT_PASSES_QUANTIZE

include "mlir/Pass/PassBase.td"

def QuantizeWeights : Pass<"quantize-weights", "::mlir::ModuleOp"> {
  let summary = "round float weights to nearest on an integer grid; grids that the file brought stay as they are";
  let dependentDialects = ["::ingot::weights::WeightsDialect"];
  let options = [
    Option<"body", "body", "std::string", "\"none\"", "none, int8 or int4[:GROUP], for linears of the body">,
    Option<"head", "head", "std::string", "\"none\"", "the same for the head's linear and embedding tables">];
}

def NarrowScales : Pass<"narrow-scales", "::mlir::ModuleOp"> {
  let summary = "store a grid's scales and minima as f16 where every one of them is exactly an f16";
  let dependentDialects = ["::ingot::weights::WeightsDialect"];
}

def QuantizeActivations : Pass<"quantize-activations", "::mlir::ModuleOp"> {
  let summary = "set `num` of every launch with a linear root";
  let dependentDialects = ["::ingot::decoder::DecoderDialect"];
  let options = [
    Option<"activations", "activations", "std::string", "\"auto\"",
           "f32, int8, or auto: int8 where the grid was chosen here or the graph says accuracy_level 4">];
}

def QuantizeCache : Pass<"quantize-cache", "::mlir::ModuleOp"> {
  let summary = "set the element type of the KV caches";
  let dependentDialects = ["::ingot::decoder::DecoderDialect"];
  let options = [Option<"type", "type", "std::string", "\"graph\"", "graph (keep), f32, f16 or bf16">];
}

def VerifyQuantize : Pass<"verify-quantize", "::mlir::ModuleOp"> {
  let summary = "check that every root's arithmetic is decided";
}

#endif
