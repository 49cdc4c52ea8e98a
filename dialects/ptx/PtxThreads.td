// Threads of the ptx dialect: who am I, and what threads do together.

def Ptx_Register : Ptx_Enum<"Register", "a special register", [
    I32EnumAttrCase<"thread", 0>, I32EnumAttrCase<"block_threads", 1>, I32EnumAttrCase<"block", 2>,
    I32EnumAttrCase<"blocks", 3>, I32EnumAttrCase<"lane", 4>]>;
def Ptx_RegisterAttr : Ptx_EnumAttr<Ptx_Register, "register">;
def Ptx_IdOp : Ptx_Pure<"id"> {
  let summary = "%tid.x, %ntid.x, %ctaid.x, %nctaid.x or %laneid";
  let arguments = (ins Ptx_RegisterAttr:$which);
  let results = (outs I32:$result);
  let assemblyFormat = "$which attr-dict `:` type($result)";
}

def Ptx_BarrierOp : Ptx_Op<"barrier"> {
  let summary = "bar.sync id [, threads]: whole warps, and memory of the block is in order behind it";
  let arguments = (ins DefaultValuedAttr<I32Attr, "0">:$id, OptionalAttr<I32Attr>:$threads);
  let assemblyFormat = "attr-dict";
  let hasVerifier = 1;
}
def Ptx_WarpSyncOp : Ptx_Op<"warp_sync"> {
  let summary = "bar.warp.sync: the threads of the mask meet, and memory among them is in order behind it";
  let arguments = (ins I32:$mask);
  let assemblyFormat = "$mask attr-dict";
}

def Ptx_ShuffleMode : Ptx_Enum<"ShuffleMode", "which lane a value comes from", [
    I32EnumAttrCase<"idx", 0>, I32EnumAttrCase<"bfly", 1>, I32EnumAttrCase<"up", 2>, I32EnumAttrCase<"down", 3>]>;
def Ptx_ShuffleModeAttr : Ptx_EnumAttr<Ptx_ShuffleMode, "shuffle_mode">;
def Ptx_ShuffleOp : Ptx_Op<"shuffle", [AllTypesMatch<["value", "result"]>]> {
  let summary = "shfl.sync: the value of another lane of the same segment of `width` lanes";
  let description = [{
    idx: of lane `lane` of the segment; bfly: of lane xor `lane`; up, down: of the lane `lane` below or above, its own
    where the segment ends. Every lane of `mask` executes it with the same mask.
  }];
  let arguments = (ins Ptx_ShuffleModeAttr:$mode, Ptx_Word:$value, I32:$lane, I32:$mask,
                       DefaultValuedAttr<I32Attr, "32">:$width);
  let results = (outs Ptx_Word:$result);
  let assemblyFormat = "$mode $value `,` $lane `,` $mask attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Ptx_BallotOp : Ptx_Op<"ballot"> {
  let summary = "vote.sync.ballot: bit k is lane k's predicate";
  let arguments = (ins I1:$predicate, I32:$mask);
  let results = (outs I32:$result);
  let assemblyFormat = "$predicate `,` $mask attr-dict `:` type($result)";
}
def Ptx_VoteMode : Ptx_Enum<"VoteMode", "how predicates join", [
    I32EnumAttrCase<"any", 0>, I32EnumAttrCase<"all", 1>]>;
def Ptx_VoteModeAttr : Ptx_EnumAttr<Ptx_VoteMode, "vote_mode">;
def Ptx_VoteOp : Ptx_Op<"vote"> {
  let summary = "vote.sync.any or .all";
  let arguments = (ins Ptx_VoteModeAttr:$mode, I1:$predicate, I32:$mask);
  let results = (outs I1:$result);
  let assemblyFormat = "$mode $predicate `,` $mask attr-dict `:` type($result)";
}

def Ptx_GriddepWaitOp : Ptx_Op<"griddep_wait"> {
  let summary = "griddepcontrol.wait: what earlier grids wrote is visible behind it (nothing below sm_90)";
  let assemblyFormat = "attr-dict";
}
def Ptx_GriddepLaunchOp : Ptx_Op<"griddep_launch"> {
  let summary = "griddepcontrol.launch_dependents: the next grid may start (nothing below sm_90)";
  let assemblyFormat = "attr-dict";
}
