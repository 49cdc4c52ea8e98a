// Launch regions: what becomes one step of the plan. Fusion is outlining; inlining a launch gives back the meaning.

def Decoder_LaunchOp : Decoder_Op<"launch", [IsolatedFromAbove, SingleBlock]> {
  let summary = "ordinary ops that run as one grid (with an optional prepare grid): at most one root";
  let description = [{
    Roots: linear, expert_linear, attend. Without a root: a row program (embed, angles, take_rows, norms, ...).
    `num` is set by `quantize` on launches with a linear root.
  }];
  let arguments = (ins SymbolNameAttr:$name, Variadic<AnyRankedTensor>:$inputs, OptionalAttr<Decoder_NumAttr>:$num);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The linear, expert_linear or attend op of the region; null in a row program.
    ::mlir::Operation *getRoot();
  }];
}
def Decoder_YieldOp : Decoder_Op<"yield", [Pure, Terminator, ParentOneOf<["LaunchOp", "RowsOp"]>]> {
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}
