// Elementwise ops: one value out of the values at the same (broadcast) index.
#ifndef INGOT_DIALECTS_GRAPH_ELEMENTWISE
#define INGOT_DIALECTS_GRAPH_ELEMENTWISE

include "dialects/graph/GraphBase.td"

def Graph_UnaryKind : Graph_Enum<"UnaryKind", "elementwise function of one operand", [
    I32EnumAttrCase<"neg", 0>, I32EnumAttrCase<"abs", 1>, I32EnumAttrCase<"sign", 2>, I32EnumAttrCase<"reciprocal", 3>,
    I32EnumAttrCase<"sqrt", 4>, I32EnumAttrCase<"exp", 5>, I32EnumAttrCase<"log", 6>, I32EnumAttrCase<"erf", 7>,
    I32EnumAttrCase<"floor", 8>, I32EnumAttrCase<"ceil", 9>,
    I32EnumAttrCase<"round", 10>,      // to nearest, ties to even
    I32EnumAttrCase<"sin", 11>, I32EnumAttrCase<"cos", 12>, I32EnumAttrCase<"tan", 13>,
    I32EnumAttrCase<"asin", 14>, I32EnumAttrCase<"acos", 15>, I32EnumAttrCase<"atan", 16>,
    I32EnumAttrCase<"sinh", 17>, I32EnumAttrCase<"cosh", 18>, I32EnumAttrCase<"tanh", 19>,
    I32EnumAttrCase<"asinh", 20>, I32EnumAttrCase<"acosh", 21>, I32EnumAttrCase<"atanh", 22>,
    I32EnumAttrCase<"sigmoid", 23>,
    I32EnumAttrCase<"softplus", 24>,   // log(1 + exp(x))
    I32EnumAttrCase<"relu", 25>,
    I32EnumAttrCase<"gelu", 26>,       // x/2 (1 + erf(x / sqrt 2))
    I32EnumAttrCase<"gelu_tanh", 27>,  // x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    I32EnumAttrCase<"logical_not", 28>, I32EnumAttrCase<"bit_not", 29>,
    I32EnumAttrCase<"is_nan", 30>, I32EnumAttrCase<"is_inf", 31>]>;
def Graph_UnaryKindAttr : EnumAttr<Graph_Dialect, Graph_UnaryKind, "unary_kind">;

def Graph_BinaryKind : Graph_Enum<"BinaryKind", "elementwise function of two operands", [
    I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"sub", 1>, I32EnumAttrCase<"mul", 2>,
    I32EnumAttrCase<"div", 3>,         // integers truncate towards zero
    I32EnumAttrCase<"mod", 4>,         // sign of the divisor
    I32EnumAttrCase<"rem", 5>,         // sign of the dividend (C's fmod)
    I32EnumAttrCase<"pow", 6>,         // the result has the base's type
    I32EnumAttrCase<"min", 7>, I32EnumAttrCase<"max", 8>,  // NaN if either is
    I32EnumAttrCase<"logical_and", 9>, I32EnumAttrCase<"logical_or", 10>, I32EnumAttrCase<"logical_xor", 11>,
    I32EnumAttrCase<"bit_and", 12>, I32EnumAttrCase<"bit_or", 13>, I32EnumAttrCase<"bit_xor", 14>,
    I32EnumAttrCase<"shift_left", 15>, I32EnumAttrCase<"shift_right", 16>]>;
def Graph_BinaryKindAttr : EnumAttr<Graph_Dialect, Graph_BinaryKind, "binary_kind">;

def Graph_CompareKind : Graph_Enum<"CompareKind", "comparison", [
    I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>, I32EnumAttrCase<"le", 3>,
    I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]>;
def Graph_CompareKindAttr : EnumAttr<Graph_Dialect, Graph_CompareKind, "compare_kind">;

def Graph_UnaryOp : Graph_Op<"unary"> {
  let arguments = (ins Graph_UnaryKindAttr:$kind, AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "`` $kind $input attr-dict `:` functional-type(operands, results)";
}
def Graph_BinaryOp : Graph_Op<"binary"> {
  let arguments = (ins Graph_BinaryKindAttr:$kind, AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Graph_CompareOp : Graph_Op<"compare"> {
  let arguments = (ins Graph_CompareKindAttr:$kind, AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Graph_SelectOp : Graph_Op<"select"> {
  let summary = "condition ? yes : no, all three broadcast";
  let arguments = (ins AnyRankedTensor:$condition, AnyRankedTensor:$yes, AnyRankedTensor:$no);
  let results = (outs AnyRankedTensor:$result);
  let hasVerifier = 1;
}
def Graph_CastOp : Graph_TypedOp<"cast"> {
  let summary = "the same values in another element type";
  let description = [{
    Float to integer truncates towards zero; to float rounds to nearest even; to i1 is `!= 0`. `saturate` concerns float8
    only: out-of-range values become the largest finite value instead of NaN or infinity.
  }];
  let arguments = (ins AnyRankedTensor:$input, DefaultValuedAttr<BoolAttr, "true">:$saturate);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif
