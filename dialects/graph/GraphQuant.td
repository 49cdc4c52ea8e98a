// Quantised tensors: between integer grids and reals.
#ifndef INGOT_DIALECTS_GRAPH_QUANT
#define INGOT_DIALECTS_GRAPH_QUANT

include "dialects/graph/GraphBase.td"

def Graph_DequantOp : Graph_Op<"dequant"> {
  let summary = "(input - zero) * scale in the scale's type";
  let description = [{
    scale has one element (per tensor), is a vector along `axis`, or (block > 0) has the input's shape with dim `axis`
    divided by `block`, rounded up. `zero` has the scale's shape; absent = 0.
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$scale, Optional<AnyRankedTensor>:$zero, I64Attr:$axis,
                       I64Attr:$block);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_QuantiseOp : Graph_TypedOp<"quantise"> {
  let summary = "saturate(round-to-nearest-even(input / scale) + zero)";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$scale, Optional<AnyRankedTensor>:$zero, I64Attr:$axis,
                       I64Attr:$block);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
def Graph_DynamicQuantOp : Graph_Op<"dynamic_quant"> {
  let summary = "ONNX's DynamicQuantizeLinear: ui8 values, scale, zero point from the whole tensor's min and max";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result, AnyRankedTensor:$scale, AnyRankedTensor:$zero);
}

#endif
