// Data movement and sources of values: where an element comes from, never what it is computed from.
#ifndef INGOT_DIALECTS_GRAPH_MOVEMENT
#define INGOT_DIALECTS_GRAPH_MOVEMENT

include "dialects/graph/GraphBase.td"

//===- sources ----------------------------------------------------------------------------------------------------===//

def Graph_ConstantOp : Graph_TypedOp<"constant", [ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "a small literal (at most 64 KiB; larger ones are graph.weight)";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
}
def Graph_WeightOp : Graph_TypedOp<"weight"> {
  let summary = "a tensor of the model file: the weights.source it names, whose bytes stay in the file";
  let arguments = (ins FlatSymbolRefAttr:$source);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($result)";
}
def Graph_RangeOp : Graph_Op<"range"> {
  let summary = "start, start + delta, ... while before limit; max(ceil((limit - start) / delta), 0) elements";
  let arguments = (ins AnyRankedTensor:$start, AnyRankedTensor:$limit, AnyRankedTensor:$delta);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
def Graph_IotaOp : Graph_TypedOp<"iota"> {
  let summary = "the index along `axis` at every element of a tensor of the given shape";
  let arguments = (ins AnyRankedTensor:$shape, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$shape attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Graph_FillOp : Graph_Op<"fill"> {
  let summary = "one value (a tensor of one element) in a tensor of the given shape";
  let arguments = (ins AnyRankedTensor:$shape, AnyRankedTensor:$value);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_ShapeOp : Graph_Op<"shape"> {
  let summary = "the dims [start, end) of the input as i64[end - start]; 0 <= start <= end <= rank";
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$start, I64Attr:$end);
  let results = (outs AnyRankedTensor:$result);
}

//===- the same elements in the same order ------------------------------------------------------------------------===//

def Graph_ReshapeOp : Graph_Op<"reshape"> {
  let summary = "row-major reshape; in `shape` -1 means the rest, and 0 the input's dim unless `allowzero`";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$shape, UnitAttr:$allowzero);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_SqueezeOp : Graph_Op<"squeeze"> {
  let summary = "removes the axes (ascending, each of size 1)";
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input $axes attr-dict `:` functional-type(operands, results)";
}
def Graph_UnsqueezeOp : Graph_Op<"unsqueeze"> {
  let summary = "inserts axes of size 1; `axes` (ascending) are positions in the result";
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input $axes attr-dict `:` functional-type(operands, results)";
}

//===- elements moved by position ---------------------------------------------------------------------------------===//

def Graph_TransposeOp : Graph_Op<"transpose"> {
  let summary = "result dim i is input dim permutation[i]";
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` functional-type(operands, results)";
}
def Graph_ExpandOp : Graph_Op<"expand"> {
  let summary = "broadcasts the input against `shape`, both ways as in ONNX";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$shape);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_SliceOp : Graph_Op<"slice"> {
  let summary = "input[start : end : step] along each of `axes`; starts and ends count and clamp as in NumPy";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$starts, AnyRankedTensor:$ends,
                       DenseI64ArrayAttr:$axes, DenseI64ArrayAttr:$steps);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_ConcatOp : Graph_Op<"concat"> {
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_PadMode : Graph_Enum<"PadMode", "what lies outside", [I32EnumAttrCase<"constant", 0>,
    I32EnumAttrCase<"reflect", 1>, I32EnumAttrCase<"edge", 2>, I32EnumAttrCase<"wrap", 3>]>;
def Graph_PadModeAttr : EnumAttr<Graph_Dialect, Graph_PadMode, "pad_mode">;
def Graph_PadOp : Graph_Op<"pad"> {
  let summary = "pads = begins of `axes`, then ends; negative ones crop";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$pads, AnyRankedTensor:$value,
                       DenseI64ArrayAttr:$axes, Graph_PadModeAttr:$mode);
  let results = (outs AnyRankedTensor:$result);
}

//===- elements moved by index tensors ----------------------------------------------------------------------------===//

def Graph_GatherOp : Graph_Op<"gather"> {
  let summary = "result[a.., i.., b..] = input[a.., indices[i..], b..]; negative indices count from the end";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$indices, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_GatherElementsOp : Graph_Op<"gather_elements"> {
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$indices, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_GatherNDOp : Graph_Op<"gather_nd"> {
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$indices, I64Attr:$batch_dims);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_ScatterReduction : Graph_Enum<"ScatterReduction", "how an update meets the old value", [
    I32EnumAttrCase<"none", 0>, I32EnumAttrCase<"add", 1>, I32EnumAttrCase<"mul", 2>, I32EnumAttrCase<"min", 3>,
    I32EnumAttrCase<"max", 4>]>;
def Graph_ScatterReductionAttr : EnumAttr<Graph_Dialect, Graph_ScatterReduction, "scatter_reduction">;
def Graph_ScatterElementsOp : Graph_Op<"scatter_elements"> {
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$indices, AnyRankedTensor:$updates, I64Attr:$axis,
                       Graph_ScatterReductionAttr:$reduction);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_ScatterNDOp : Graph_Op<"scatter_nd"> {
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$indices, AnyRankedTensor:$updates,
                       Graph_ScatterReductionAttr:$reduction);
  let results = (outs AnyRankedTensor:$result);
}
def Graph_NonzeroOp : Graph_Op<"nonzero"> {
  let summary = "i64[rank, n]: the indices of the n elements that are not zero, in row-major order";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
}

#endif
