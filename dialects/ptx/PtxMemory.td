// Memory of the ptx dialect. All shared memory of a kernel is the launch's dynamic shared memory.

def Ptx_SharedOp : Ptx_Pure<"shared"> {
  let summary = "the address `offset` bytes into the block's dynamic shared memory, which begins 16-byte aligned";
  let arguments = (ins DefaultValuedAttr<I32Attr, "0">:$offset);
  let results = (outs Ptx_Shared:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Ptx_LoadOp : Ptx_Op<"load"> {
  let summary = "ld of 1, 2 or 4 words, aligned to their size";
  let arguments = (ins Arg<AnyTypeOf<[Ptx_Global, Ptx_Shared]>, "", [MemRead]>:$address);
  let results = (outs Variadic<Ptx_Word>:$words);
  let assemblyFormat = "$address attr-dict `:` type($address) `->` type($words)";
  let hasVerifier = 1;
}
def Ptx_StoreOp : Ptx_Op<"store"> {
  let summary = "st of 1, 2 or 4 words, aligned to their size";
  let arguments = (ins Arg<AnyTypeOf<[Ptx_Global, Ptx_Shared]>, "", [MemWrite]>:$address, Variadic<Ptx_Word>:$words);
  let assemblyFormat = "$address `,` $words attr-dict `:` type($address) `,` type($words)";
  let hasVerifier = 1;
}
def Ptx_LoadNcOp : Ptx_Op<"load_nc"> {
  let summary = "ld.global.nc of 1, 2 or 4 words of what no kernel ever writes: weights";
  let description = [{
    It may stand above griddep_wait, where the grid before this one still writes its results. `streaming`: read once,
    kept out of L1.
  }];
  let arguments = (ins Arg<Ptx_Global, "", [MemRead]>:$address, UnitAttr:$streaming);
  let results = (outs Variadic<I32>:$words);
  let assemblyFormat = "(`streaming` $streaming^)? $address attr-dict `:` type($address) `->` type($words)";
  let hasVerifier = 1;
}
def Ptx_PrefetchOp : Ptx_Op<"prefetch"> {
  let summary = "prefetch.global.L2";
  let arguments = (ins Ptx_Global:$address);
  let assemblyFormat = "$address attr-dict `:` type($address)";
}

def Ptx_CpAsyncOp : Ptx_Op<"cp_async"> {
  let summary = "cp.async.cg 16 bytes from global to shared memory; with `bytes` (0..16) the rest becomes zeros";
  let arguments = (ins Arg<Ptx_Shared, "", [MemWrite]>:$shared, Arg<Ptx_Global, "", [MemRead]>:$global,
                       Optional<I32>:$bytes);
  let assemblyFormat = "$shared `,` $global (`,` $bytes^)? attr-dict `:` type($global)";
}
def Ptx_CpAsyncCommitOp : Ptx_Op<"cp_async_commit"> {
  let summary = "cp.async.commit_group: the thread's copies so far are a group";
  let assemblyFormat = "attr-dict";
}
def Ptx_CpAsyncWaitOp : Ptx_Op<"cp_async_wait"> {
  let summary = "cp.async.wait_group: all but the `pending` newest groups of this thread have landed";
  let arguments = (ins I32Attr:$pending);
  let assemblyFormat = "$pending attr-dict";
  let hasVerifier = 1;
}

def Ptx_LdmatrixOp : Ptx_Op<"ldmatrix"> {
  let summary = "ldmatrix m8n8 b16: 1, 2 or 4 matrices, a word of each";
  let description = [{
    Lanes 0..7 give the addresses of the first matrix's rows (16 bytes each, 16-byte aligned), 8..15 of the second's and
    so on. Lane l gets elements 2(l mod 4) and 2(l mod 4)+1 of row l/4; with `trans` of column l/4. The whole warp
    executes it.
  }];
  let arguments = (ins Arg<Ptx_Shared, "", [MemRead]>:$address, UnitAttr:$trans);
  let results = (outs Variadic<I32>:$words);
  let assemblyFormat = "(`trans` $trans^)? $address attr-dict `:` type($words)";
  let hasVerifier = 1;
}

def Ptx_Order : Ptx_Enum<"Order", "memory order", [
    I32EnumAttrCase<"relaxed", 0>, I32EnumAttrCase<"acquire", 1>, I32EnumAttrCase<"release", 2>,
    I32EnumAttrCase<"acq_rel", 3>, I32EnumAttrCase<"sc", 4>]>;
def Ptx_OrderAttr : Ptx_EnumAttr<Ptx_Order, "order">;
def Ptx_Scope : Ptx_Enum<"Scope", "whom the order is for", [
    I32EnumAttrCase<"cta", 0>, I32EnumAttrCase<"gpu", 1>, I32EnumAttrCase<"sys", 2>]>;
def Ptx_ScopeAttr : Ptx_EnumAttr<Ptx_Scope, "scope">;
def Ptx_AtomicKind : Ptx_Enum<"AtomicKind", "what an atomic does", [
    I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"max", 1>, I32EnumAttrCase<"exch", 2>]>;
def Ptx_AtomicKindAttr : Ptx_EnumAttr<Ptx_AtomicKind, "atomic_kind">;
def Ptx_AtomicOp : Ptx_Op<"atomic", [AllTypesMatch<["value", "result"]>]> {
  let summary = "atom.global on unsigned integers: gives the value before";
  let description = [{Never on floats: the order of additions would show in the bits.}];
  let arguments = (ins Ptx_AtomicKindAttr:$kind, Ptx_OrderAttr:$order, Ptx_ScopeAttr:$scope,
                       Arg<Ptx_Global, "", [MemRead, MemWrite]>:$address, AnyTypeOf<[I32, I64]>:$value);
  let results = (outs AnyTypeOf<[I32, I64]>:$result);
  let assemblyFormat = "$kind $order $scope $address `,` $value attr-dict `:` type($address) `,` type($value)";
  let hasVerifier = 1;
}
def Ptx_FenceOp : Ptx_Op<"fence"> {
  let summary = "fence.acq_rel or fence.sc";
  let arguments = (ins Ptx_OrderAttr:$order, Ptx_ScopeAttr:$scope);
  let assemblyFormat = "$order $scope attr-dict";
  let hasVerifier = 1;
}
