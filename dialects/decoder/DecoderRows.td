// Row-wise ops: row t of the result depends on row t of the operands only.
// In import form tensors are [B, S, ...] of the graph's element type; from `infer` on they are [T, n] f32.

def Decoder_EmbedOp : Decoder_Pure<"embed"> {
  let summary = "row ids[t] of a [vocab, d] recipe (any packed layout), times `scale`, f32";
  let arguments = (ins AnyRankedTensor:$ids, FlatSymbolRefAttr:$table, DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` functional-type($ids, $result)";
}
def Decoder_LookupRowsOp : Decoder_Pure<"lookup_rows"> {
  let summary = "row index[t] + offset of a plain table (learned positions)";
  let arguments = (ins AnyRankedTensor:$index, FlatSymbolRefAttr:$table, DefaultValuedAttr<I64Attr, "0">:$offset);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$index `,` $table attr-dict `:` functional-type($index, $result)";
}
def Decoder_AnglesOp : Decoder_Pure<"angles"> {
  let summary = "rotary angles of each position: [cos(p * f_0..f_{n-1}) | sin(...)] * scale, [T, 2n]";
  let description = [{
    Closed form: `freq` (n values). Table form: `cos` and `sin` name [positions, n] tables (what a graph had when no closed
    form reproduces it within 1.2e-7); exactly one of the two forms is present.
  }];
  let arguments = (ins AnyRankedTensor:$positions, OptionalAttr<DenseF32ArrayAttr>:$freq,
                       OptionalAttr<FlatSymbolRefAttr>:$cos, OptionalAttr<FlatSymbolRefAttr>:$sin,
                       DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$positions attr-dict `:` functional-type($positions, $result)";
  let hasVerifier = 1;
}
def Decoder_LinearOp : Decoder_Pure<"linear"> {
  let summary = "x @ W^T (+ bias): weight recipe [N, K], bias recipe [N]";
  let description = [{
    `accuracy_level` keeps MatMulNBits' hint (4: int8 activations welcome) until `quantize` decides.
    The recipe may have more rows than N when fuse padded it (see split and gate); extra columns are never read.
  }];
  let arguments = (ins AnyRankedTensor:$input, FlatSymbolRefAttr:$weight, OptionalAttr<FlatSymbolRefAttr>:$bias,
                       DefaultValuedAttr<I64Attr, "0">:$accuracy_level);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` functional-type($input, $result)";
}
def Decoder_ExpertLinearOp : Decoder_Pure<"expert_linear"> {
  let summary = "for each slot k of a row: x @ W[e]^T (+ bias[e]) with e = indices[k]: linears of a mixture of experts";
  let description = [{
    `indices` [.., slots] are whole numbers in [0, experts), as a router's topk gives them; the result is [.., slots * N], slot by
    slot. `weight` [experts * N, K] holds the experts one below the other, `bias` [experts * N] likewise. The input is [.., K],
    the same for every slot, or [.., slots * K]. Everything else of a mixture (scores, activation between two such linears,
    the weighted sum over slots) is row-wise and has ops of its own. Numerics: as `linear`, slot by slot.
    specialize pads every expert to a multiple of 16 rows: then the weight is [experts * alignTo(N, 16), K].
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$indices, FlatSymbolRefAttr:$weight,
                       OptionalAttr<FlatSymbolRefAttr>:$bias, I64Attr:$experts);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `,` $indices `,` $weight attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getSlots() { return getIndices().getType().getShape().back(); }
    /// Columns of a slot of the result.
    int64_t getSlotColumns() { return getResult().getType().getShape().back() / getSlots(); }
  }];
}
def Decoder_NormOp : Decoder_Pure<"norm"> {
  let summary = "normalises the last axis; gain and bias are [n] recipes";
  let description = [{
    `groups` > 1: the last axis is that many equal parts, normalised each by itself with the same gain of n / groups values
    (q/k norm over heads).
  }];
  let arguments = (ins Decoder_NormKindAttr:$kind, AnyRankedTensor:$input, OptionalAttr<FlatSymbolRefAttr>:$gain,
                       OptionalAttr<FlatSymbolRefAttr>:$bias, F32Attr:$eps, DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$kind $input attr-dict `:` functional-type($input, $result)";
}
def Decoder_RopeOp : Decoder_Pure<"rope"> {
  let summary = "rotary embedding of `heads` heads that lie side by side in the last axis";
  let description = [{
    `angles` [T, 2n]: cos then sin; the first 2n columns of each head turn, the rest pass. `interleaved`: pairs (2i, 2i+1)
    instead of (i, i+n). Arithmetic: numerics.md, line rope.
  }];
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$angles, I64Attr:$heads,
                       DefaultValuedAttr<BoolAttr, "false">:$interleaved);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `,` $angles attr-dict `:` functional-type(operands, $result)";
}
def Decoder_GateOp : Decoder_Pure<"gate"> {
  let summary = "act(gate) * up, where columns alternate in blocks: `block` of gate, `block` of up, ...";
  let description = [{
    The input has 2 * ceil(n / block) * block columns for n result columns (the last block of each may be padded); block = n
    means plain halves.
  }];
  let arguments = (ins Decoder_ActKindAttr:$kind, AnyRankedTensor:$input, I64Attr:$block);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$kind $input attr-dict `:` functional-type($input, $result)";
}
def Decoder_ActOp : Decoder_Pure<"act"> {
  let arguments = (ins Decoder_ActKindAttr:$kind, AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$kind $input attr-dict `:` functional-type($input, $result)";
}
def Decoder_AddOp : Decoder_Pure<"add", [Commutative]> {
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` functional-type(operands, $result)";
}
def Decoder_MulOp : Decoder_Pure<"mul", [Commutative]> {
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` functional-type(operands, $result)";
}
def Decoder_ScaleOp : Decoder_Pure<"scale"> {
  let summary = "input * factor";
  let arguments = (ins AnyRankedTensor:$input, F32Attr:$factor);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Decoder_SplitOp : Decoder_Pure<"split"> {
  let summary = "parts of the last axis; part i starts at the next multiple of `align` after part i-1";
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$sizes, DefaultValuedAttr<I64Attr, "1">:$align);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "$input $sizes attr-dict `:` functional-type($input, $results)";
  let hasVerifier = 1;
}
def Decoder_SoftcapOp : Decoder_Pure<"softcap"> {
  let summary = "cap * tanh(x / cap)";
  let arguments = (ins AnyRankedTensor:$input, F32Attr:$cap);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Decoder_TakeRowsOp : Decoder_Pure<"take_rows"> {
  let summary = "row logit_row[r] of the body's result: how the head picks the rows it needs, [T, n] -> [R, n]";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type($input, $result)";
}
def Decoder_RowsOp : Decoder_Pure<"rows", [IsolatedFromAbove, SingleBlock]> {
  let summary = "any row-wise computation: the region says what one row of the results is, in graph ops";
  let description = [{
    What has no op of its own. The region holds `graph` ops on static shapes of any element type and sees one row: argument i
    is row t of input i as a tensor whose elements are the row's columns in row-major order ([T, 64] f32 -> tensor<4x16xf32>;
    ids and positions [T] i32 -> tensor<i32>); then one argument a weight, the whole plain recipe. `decoder.yield` gives one
    row a result likewise. Rows are f32, so integers and truth values cross as exact floats (below 2^24).
    `%y = decoder.rows (%x : tensor<?x64xf32>) weights (@g) -> (tensor<?x64xf32>) { ^bb0(%a: tensor<4x16xf32>, %w: ...): ... }`
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, FlatSymbolRefArrayAttr:$weights);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}
