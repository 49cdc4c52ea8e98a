// The weights dialect: where weights come from and what becomes of them, never their values.
// `weights.source` names a byte range of an input file. `weights.recipe` is a DAG of closed ops over sources; the
// writer evaluates it as a stream of rows. Peak memory therefore does not grow with the model.
#ifndef INGOT_DIALECTS_WEIGHTS_OPS
#define INGOT_DIALECTS_WEIGHTS_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Weights_Dialect : Dialect {
  let name = "weights";
  let cppNamespace = "::ingot::weights";
  let useDefaultAttributePrinterParser = 1;
}

class Weights_Op<string mnemonic, list<Trait> traits = []> : Op<Weights_Dialect, mnemonic, traits>;

// What a group's values are relative to. The value of a grid point is, with s the group's scale,
//   symmetric: q * s                 q in [-2^(bits-1), 2^(bits-1)) (stored with an offset of 2^(bits-1))
//   zero_point: (q - z) * s          z an integer of `bits` bits, one a group
//   minimum:   fma(q, s, m)          q in [0, 2^bits), m one a group; dequantised to f32 in one fma
def Weights_ZeroKind : I32EnumAttr<"ZeroKind", "how a group is offset", [
    I32EnumAttrCase<"symmetric", 0>, I32EnumAttrCase<"zero_point", 1>, I32EnumAttrCase<"minimum", 2>]> {
  let cppNamespace = "::ingot::weights";
  let genSpecializedAttr = 0;
}
def Weights_ZeroKindAttr : EnumAttr<Weights_Dialect, Weights_ZeroKind, "zero">;

def Weights_GridAttr : AttrDef<Weights_Dialect, "Grid"> {
  let mnemonic = "grid";
  let summary = "tensor encoding: the values lie on a grid of `bits`-bit integers with a scale per `group` columns";
  let description = [{
    Used as the encoding of a recipe value's tensor type: `tensor<64x64xf32, #weights.grid<bits = 4, group = 32,
    zero = symmetric, scale = f16>>`. The element type is f32: the values as they are dequantised. Row permutation, slicing,
    concatenation and padding may keep it (pieces along columns are whole groups); all else drops it.
    `scale` is the element type the scales (and minima) are stored in: f16 when every one of them is exactly an f16
    (`ingot::scaleTypeOf` tells), else f32, which is always right.
  }];
  let parameters = (ins "unsigned":$bits, "unsigned":$group, EnumParameter<Weights_ZeroKind>:$zero, "::mlir::Type":$scale);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Weights_LayoutKind : I32EnumAttr<"LayoutKind", "packed layout family", [
    I32EnumAttrCase<"rows", 0>,      // plain row-major [rows, cols], for tables and vectors
    I32EnumAttrCase<"r16", 1>]> {    // blocks of 16 rows; float: [block][k][16], integer: R16K32 (docs/weights.md)
  let cppNamespace = "::ingot::weights";
  let genSpecializedAttr = 0;
}
def Weights_LayoutKindAttr : EnumAttr<Weights_Dialect, Weights_LayoutKind, "layout">;

//===- symbols ----------------------------------------------------------------------------------------------------===//

def Weights_SourceOp : Weights_Op<"source", [Symbol]> {
  let summary = "a tensor in a byte range of an input file, as ONNX stores it (row-major, little-endian)";
  let description = [{
    `file` is relative to the model's folder; "" is the model file itself. Sub-byte types (ui4, i4) are packed two a
    byte, low nibble first. `weights.source @w {file = "model.onnx.data", offset = 4096, length = 16384} : tensor<64x64xf32>`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrAttr:$file, I64Attr:$offset, I64Attr:$length, TypeAttr:$type);
  let assemblyFormat = "$sym_name attr-dict `:` $type";
  let hasVerifier = 1;
}

def Weights_RecipeOp : Weights_Op<"recipe", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "how one packed (or plain) weight is made from sources";
  let description = [{
    A single block ending in `weights.yield`. Logical shape of a linear's weight is [out, in] ([N, K]): the importer
    transposes ONNX's [K, N]. Equal recipes are one symbol, so tied weights are stored once.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let extraClassDeclaration = [{
    /// The type that the recipe yields.
    ::mlir::RankedTensorType getResultType();
    ::mlir::Value getResult();
  }];
  let hasVerifier = 1;
}

//===- recipe ops: all pure ---------------------------------------------------------------------------------------===//

class Weights_Pure<string mnemonic, list<Trait> traits = []> : Weights_Op<mnemonic, !listconcat([Pure], traits)> {
  let hasVerifier = 1;
}

def Weights_LoadOp : Weights_Pure<"load", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the tensor of a source";
  let arguments = (ins FlatSymbolRefAttr:$source);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$source attr-dict `:` type($result)";
}
def Weights_ConstantOp : Weights_Pure<"constant", [ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "a small literal (at most 64 KiB)";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
}
def Weights_SliceOp : Weights_Pure<"slice"> {
  let summary = "input[begin : begin + extent of the result] along one axis";
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$axis, I64Attr:$begin);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_ConcatOp : Weights_Pure<"concat"> {
  let summary = "the inputs one after the other along one axis";
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type($inputs, $result)";
}
def Weights_TransposeOp : Weights_Pure<"transpose"> {
  let summary = "axis i of the result is axis permutation[i] of the input";
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` functional-type($input, $result)";
}
def Weights_ReshapeOp : Weights_Pure<"reshape"> {
  let summary = "the same elements in row-major order under another shape";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_PermuteRowsOp : Weights_Pure<"permute_rows"> {
  let summary = "result row r = input row index(r)";
  let description = [{
    The permutation is a nest of strided counters, so that it stays small: with `extents` [e0, e1, ...] and `strides`
    [s0, s1, ...], row r written in mixed radix as (i0, i1, ...) reads input row i0*s0 + i1*s1 + ... . Rows past the input
    (>= its row count) read as zero rows. E.g. interleaving gate and up (each n rows) in blocks of 16:
    extents [n/16, 2, 16], strides [16, n, 1].
  }];
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$extents, DenseI64ArrayAttr:$strides);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_PadRowsOp : Weights_Pure<"pad_rows"> {
  let summary = "zero rows appended up to the result's row count";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_CastOp : Weights_Pure<"cast"> {
  let summary = "the values in another element type, rounded to nearest even";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_ScaleOp : Weights_Pure<"scale"> {
  let summary = "input * factor, rounded once in f32";
  let arguments = (ins AnyRankedTensor:$input, F32Attr:$factor);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_AddScalarOp : Weights_Pure<"add_scalar"> {
  let summary = "input + addend, rounded once in f32 (gemma's 1 + w)";
  let arguments = (ins AnyRankedTensor:$input, F32Attr:$addend);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_RepeatOp : Weights_Pure<"repeat"> {
  let summary = "every element `times` times along one axis: result[i] = input[i / times]; the last run may be short";
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$axis, I64Attr:$times);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_UnpackOp : Weights_Pure<"unpack"> {
  let summary = "the `bits`-bit numbers (1, 2 or 4) of the bytes along the last axis, low bits first unless `high_first`";
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$bits, UnitAttr:$high_first);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_LookupOp : Weights_Pure<"lookup"> {
  let summary = "table[code] for every ui8 code; the table is a vector of floats";
  let arguments = (ins AnyRankedTensor:$table, AnyRankedTensor:$codes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$table `[` $codes `]` attr-dict `:` functional-type(operands, $result)";
}
def Weights_DequantLinearOp : Weights_Pure<"dequant_linear", [AttrSizedOperandSegments]> {
  let summary = "(input - zeros) * scales + minima in f32, one rounding an operation";
  let description = [{
    Any rank and any number type. `scales`, `zeros` and `minima` have ceil(dim / blocks[axis]) elements along every axis: element
    i takes number i / blocks[axis]. Its values are dense: `weights.dequant` is the form that packed layouts keep
    (NormalForm.h turns the one into the other where a grid can express it).
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$scales, Optional<AnyRankedTensor>:$zeros,
                       Optional<AnyRankedTensor>:$minima, DenseI64ArrayAttr:$blocks);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `,` $scales (`zeros` $zeros^)? (`minima` $minima^)? `blocks` $blocks attr-dict `:` functional-type(operands, $result)
  }];
}
def Weights_DequantOp : Weights_Pure<"dequant"> {
  let summary = "the file's own integer grid, values [N, K]";
  let description = [{
    `quants` is [N, blocks, block * bits / 8] ui8 (MatMulNBits, low bits first), the same rows as [N, ceil(K * bits / 8)] ui8,
    or one integer an element [N, K]; `scales` [N, blocks] f32/f16/bf16 (or flat); `zeros` (optional) packed integers
    [N, ceil(blocks * bits / 8)] ui8, integer [N, blocks], or floats [N, blocks] (or flat); absent: 2^(bits-1) (for signed
    quants 0). K need not be a multiple of `block`: the last block is short. The result carries #weights.grid with the same
    bits, group = block: nothing is re-rounded. Float zero points give `minimum` grids with m = -z * s rounded to f32 once;
    where the grid says f16, m is the f16 within 2^-23 of that, which z = -m / s was made from (docs/weights.md). With
    `minima`, `zeros` are floats and are the minima themselves.
  }];
  let arguments = (ins AnyRankedTensor:$quants, AnyRankedTensor:$scales, Optional<AnyRankedTensor>:$zeros,
                       I64Attr:$bits, I64Attr:$block, UnitAttr:$minima);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$quants `,` $scales (`,` $zeros^)? attr-dict `:` functional-type(operands, $result)";
}
def Weights_QuantiseOp : Weights_Pure<"quantise"> {
  let summary = "round to nearest onto the grid of the result's encoding";
  let description = [{
    Round-to-nearest (RTN) per group of `group` columns, the last of which may be short; symmetric grids only. int8:
    s = amax / 127. int4: s = the signed value of largest magnitude / -8. Scales are rounded to the grid's scale type before
    the division. A value that is not finite is an error.
  }];
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Weights_PackOp : Weights_Pure<"pack"> {
  let summary = "the bytes as kernels read them; the input's grid (or float type) is kept exactly";
  let arguments = (ins AnyRankedTensor:$input, Weights_LayoutKindAttr:$layout);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input $layout attr-dict `:` functional-type($input, $result)";
  let description = "The result type repeats the input's logical type; the byte count follows from it and the layout.";
}
def Weights_YieldOp : Weights_Op<"yield", [Pure, Terminator, HasParent<"RecipeOp">]> {
  let arguments = (ins AnyRankedTensor:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

#endif
