// Ops that combine elements along an axis.
#ifndef INGOT_DIALECTS_GRAPH_CONTRACTION
#define INGOT_DIALECTS_GRAPH_CONTRACTION

include "dialects/graph/GraphBase.td"

def Graph_ReduceKind : Graph_Enum<"ReduceKind", "how elements along the axes combine", [
    I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"mean", 1>, I32EnumAttrCase<"max", 2>, I32EnumAttrCase<"min", 3>,
    I32EnumAttrCase<"prod", 4>]>;
def Graph_ReduceKindAttr : EnumAttr<Graph_Dialect, Graph_ReduceKind, "reduce_kind">;

def Graph_ReduceOp : Graph_Op<"reduce"> {
  let summary = "along `axes` (ascending); reduced axes stay as size 1 with `keepdims`";
  let arguments = (ins Graph_ReduceKindAttr:$kind, AnyRankedTensor:$input, DenseI64ArrayAttr:$axes, UnitAttr:$keepdims);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "`` $kind $input $axes attr-dict `:` functional-type(operands, results)";
}
def Graph_SoftmaxOp : Graph_Op<"softmax"> {
  let summary = "exp(x - max) / sum along one axis";
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_CumsumOp : Graph_Op<"cumsum"> {
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$axis, UnitAttr:$exclusive, UnitAttr:$reverse);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_TopkOp : Graph_Op<"topk"> {
  let summary = "the k largest (smallest) along an axis, sorted; equal elements by ascending index";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$k, I64Attr:$axis, BoolAttr:$largest);
  let results = (outs AnyRankedTensor:$values, AnyRankedTensor:$indices);
}
def Graph_MatmulOp : Graph_Op<"matmul"> {
  let summary = "NumPy's matmul: batch dims broadcast, 1-d operands gain and lose a dim";
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}

#endif
