// What a model needs beside its functions: caches, states, limits.

def Decoder_CacheGroupOp : Decoder_Op<"cache_group", [Symbol]> {
  let summary = "layers that share a KV cache geometry, hence a page pool and a block table";
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$layers, I64Attr:$kv_heads, I64Attr:$key_dim,
                       I64Attr:$value_dim, TypeAttr:$type, DefaultValuedAttr<I64Attr, "0">:$window);
  let assemblyFormat = "$sym_name attr-dict";
}
def Decoder_StateSlotOp : Decoder_Op<"state_slot", [Symbol]> {
  let summary = "bytes a sequence of a recurrent model keeps (reserved: no op uses it yet)";
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$bytes);
  let assemblyFormat = "$sym_name attr-dict";
}
def Decoder_LimitsOp : Decoder_Op<"limits"> {
  let summary = "bounds that were proved or assumed while reading the graph";
  let description = [{
    `max_new_per_sequence`: 0 any number of new tokens of a sequence in one step, 1 decode only (design section 3).
    `relaxations`: names of assumptions that change the graph's meaning, e.g. "dynamic-quant-per-row".
  }];
  let arguments = (ins I64Attr:$max_context, DefaultValuedAttr<I64Attr, "0">:$max_new_per_sequence, StrArrayAttr:$relaxations);
  let assemblyFormat = "attr-dict";
}
