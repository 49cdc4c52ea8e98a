// Attention and its cache.

def Decoder_AttentionOp : Decoder_Op<"attention", [AttrSizedOperandSegments, AttrSizedResultSegments]> {
  let summary = "causal attention of new tokens over cached and new keys";
  let description = [{
    q [.., heads * key_dim], k [.., kv_heads * key_dim], v [.., kv_heads * value_dim], all after rotary.
    score = scale * q.k, then softcap (0: none), then alibi, then mask. `alibi` has a slope a query head: slope[h] * (j - q) is
    added to the score (Press et al. 2022; any multiple of j alone is the same under softmax). `sinks` names a [heads] recipe:
    exp(sink[h]) joins the softmax's denominator and no value (GPT-OSS).

    Import form: `past_key`/`past_value` [B, kv_heads, P, d] with results `present_*` [B, kv_heads, T, d]; `seqlens` (T - 1 a
    batch row) and `total` (T) are claims of the graph that `infer` must prove; `cache` and `layer` are absent.
    From `infer` on: q, k, v are [T, n]; `cache` and `layer` are present, everything optional is gone.
  }];
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value,
                       Optional<AnyRankedTensor>:$past_key, Optional<AnyRankedTensor>:$past_value,
                       Optional<AnyRankedTensor>:$seqlens, Optional<AnyRankedTensor>:$total,
                       OptionalAttr<FlatSymbolRefAttr>:$cache, OptionalAttr<I64Attr>:$layer,
                       I64Attr:$heads, I64Attr:$kv_heads, F32Attr:$scale, DefaultValuedAttr<F32Attr, "0.0f">:$softcap,
                       Decoder_MaskAttr:$mask, OptionalAttr<DenseF32ArrayAttr>:$alibi,
                       OptionalAttr<FlatSymbolRefAttr>:$sinks);
  let results = (outs AnyRankedTensor:$result, Optional<AnyRankedTensor>:$present_key,
                      Optional<AnyRankedTensor>:$present_value);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`past` $past_key^ `,` $past_value)? (`seqlens` $seqlens^)? (`total` $total^)?
    attr-dict `:` functional-type(operands, $result) (`present` type($present_key)^ `,` type($present_value))?
  }];
  let hasVerifier = 1;
}

def Decoder_AppendOp : Decoder_Op<"append"> {
  let summary = "writes key and value rows of this step's tokens into the cache; pads are skipped";
  let arguments = (ins AnyRankedTensor:$key, AnyRankedTensor:$value, FlatSymbolRefAttr:$cache, I64Attr:$layer);
  let assemblyFormat = "$key `,` $value attr-dict `:` type(operands)";
}

def Decoder_AttendOp : Decoder_Op<"attend"> {
  let summary = "softmax(scale * q.K + mask) V over the cached positions of each row's own sequence";
  let arguments = (ins AnyRankedTensor:$query, FlatSymbolRefAttr:$cache, I64Attr:$layer, I64Attr:$heads, F32Attr:$scale,
                       DefaultValuedAttr<F32Attr, "0.0f">:$softcap, Decoder_MaskAttr:$mask,
                       OptionalAttr<DenseF32ArrayAttr>:$alibi, OptionalAttr<FlatSymbolRefAttr>:$sinks);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$query attr-dict `:` functional-type($query, $result)";
}
