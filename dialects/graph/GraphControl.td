// Control flow: one op, a choice between two regions.
#ifndef INGOT_DIALECTS_GRAPH_CONTROL
#define INGOT_DIALECTS_GRAPH_CONTROL

include "dialects/graph/GraphBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def Graph_IfOp : Op<Graph_Dialect, "if", [RecursivelySpeculatable, RecursiveMemoryEffects, NoRegionArguments,
                                          SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "the values yielded by one of two regions, by a condition of one element";
  let arguments = (ins AnyRankedTensor:$condition);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$then_region, SizedRegion<1>:$else_region);
  let assemblyFormat = "$condition attr-dict `:` functional-type(operands, results) $then_region `else` $else_region";
  let hasVerifier = 1;
}
def Graph_YieldOp : Op<Graph_Dialect, "yield", [Pure, Terminator, ReturnLike, HasParent<"IfOp">]> {
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif
