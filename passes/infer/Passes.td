// Passes of the phase infer.
#ifndef INGOT_PASSES_INFER_PASSES
#define INGOT_PASSES_INFER_PASSES

include "mlir/Pass/PassBase.td"

def RecogniseNorms : Pass<"recognise-norms", "::mlir::ModuleOp"> {
  let summary = "norms spelled in graph ops -> decoder.norm";
  let dependentDialects = ["::ingot::decoder::DecoderDialect", "::ingot::weights::WeightsDialect"];
}

def RecogniseActivations : Pass<"recognise-activations", "::mlir::ModuleOp"> {
  let summary = "activations spelled in graph ops -> graph.unary or decoder.act";
  let dependentDialects = ["::ingot::decoder::DecoderDialect"];
}

def Infer : Pass<"infer", "::mlir::ModuleOp"> {
  let summary = "import form -> rows: proves the chunk law and makes @body and @head";
  let options = [
    Option<"maxContext", "max-context", "int64_t", "0", "positions a session may use at most; 0 = the model's own limit">,
    Option<"configContext", "config-context", "int64_t", "0", "what the model's configuration says, for graphs without position tables; 0 = nothing">,
    Option<"modelFile", "model-file", "std::string", /*default=*/"", "the model file that weights.source is relative to">,
  ];
}

def VerifyInfer : Pass<"verify-infer", "::mlir::ModuleOp"> {
  let summary = "what fuse may rely on; the list of rules is in VerifyInfer.cpp";
}

#endif
