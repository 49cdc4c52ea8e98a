// Arithmetic of the ptx dialect. A *pair* is two f16 or two bf16 in a word, the first in the low half.

def Ptx_MmaKind : Ptx_Enum<"MmaKind", "element types of A and B, and the tile", [
    I32EnumAttrCase<"f16", 0>, I32EnumAttrCase<"bf16", 1>, I32EnumAttrCase<"s8s8", 2>, I32EnumAttrCase<"u8s8", 3>]>;
def Ptx_MmaKindAttr : Ptx_EnumAttr<Ptx_MmaKind, "mma_kind">;
def Ptx_MmaOp : Ptx_Op<"mma", [AttrSizedOperandSegments]> {
  let summary = "mma.sync row.col: m16n8k16 of f16 or bf16 into f32, m16n8k32 of 8-bit integers into i32 (wrapping)";
  let description = [{
    With g = lane / 4, t = lane mod 4 and w elements a word (2 of 16 bits, 4 of 8 bits), a word holds w consecutive k:
    a = 4 words: [row g, k = wt], [row g+8, k = wt], [row g, k = wt + 4w], [row g+8, k = wt + 4w];
    b = 2 words: [k = wt, column g], [k = wt + 4w, column g];
    c, d = [row g, columns 2t, 2t+1], [row g+8, columns 2t, 2t+1].
    The whole warp executes it.
  }];
  let arguments = (ins Ptx_MmaKindAttr:$kind, Variadic<I32>:$a, Variadic<I32>:$b, Variadic<Ptx_Word>:$c);
  let results = (outs Variadic<Ptx_Word>:$d);
  let assemblyFormat = "$kind `(` $a `)` `(` $b `)` `(` $c `)` attr-dict `:` type($c) `->` type($d)";
  let hasVerifier = 1;
}

def Ptx_Signs : Ptx_Enum<"Signs", "signedness of the bytes of a and b", [
    I32EnumAttrCase<"ss", 0>, I32EnumAttrCase<"us", 1>, I32EnumAttrCase<"su", 2>, I32EnumAttrCase<"uu", 3>]>;
def Ptx_SignsAttr : Ptx_EnumAttr<Ptx_Signs, "signs">;
def Ptx_Dp4aOp : Ptx_Pure<"dp4a"> {
  let summary = "c + the sum of the products of four bytes (wrapping)";
  let arguments = (ins Ptx_SignsAttr:$signs, I32:$a, I32:$b, I32:$c);
  let results = (outs I32:$d);
  let assemblyFormat = "$signs $a `,` $b `,` $c attr-dict `:` type($d)";
}

def Ptx_PairType : Ptx_Enum<"PairType", "elements of a pair", [
    I32EnumAttrCase<"f16", 0>, I32EnumAttrCase<"bf16", 1>]>;
def Ptx_PairTypeAttr : Ptx_EnumAttr<Ptx_PairType, "pair_type">;
def Ptx_PackOp : Ptx_Pure<"pack"> {
  let summary = "cvt.rn.f16x2.f32 or bf16x2: two f32 rounded to nearest even";
  let arguments = (ins Ptx_PairTypeAttr:$type, F32:$low, F32:$high);
  let results = (outs I32:$pair);
  let assemblyFormat = "$type $low `,` $high attr-dict `:` type($pair)";
}
def Ptx_PackS8Op : Ptx_Pure<"pack_s8"> {
  let summary = "cvt.pack.sat.s8.s32: bytes 0, 1 = low, high saturated; bytes 2, 3 = bytes 0, 1 of `rest`";
  let arguments = (ins I32:$low, I32:$high, I32:$rest);
  let results = (outs I32:$result);
  let assemblyFormat = "$low `,` $high `,` $rest attr-dict `:` type($result)";
}
def Ptx_PairAddOp : Ptx_Pure<"pair_add"> {
  let summary = "add.rn.f16x2: each half rounded (f16 only: bf16x2 has no add below sm_90)";
  let arguments = (ins I32:$a, I32:$b);
  let results = (outs I32:$d);
  let assemblyFormat = "$a `,` $b attr-dict `:` type($d)";
}
def Ptx_PairFmaOp : Ptx_Pure<"pair_fma"> {
  let summary = "fma.rn.f16x2 or bf16x2: each half rounded once";
  let arguments = (ins Ptx_PairTypeAttr:$type, I32:$a, I32:$b, I32:$c);
  let results = (outs I32:$d);
  let assemblyFormat = "$type $a `,` $b `,` $c attr-dict `:` type($d)";
}

def Ptx_Function : Ptx_Enum<"Function", "a function of the special function unit", [
    I32EnumAttrCase<"ex2", 0>, I32EnumAttrCase<"lg2", 1>, I32EnumAttrCase<"rcp", 2>, I32EnumAttrCase<"rsqrt", 3>,
    I32EnumAttrCase<"tanh", 4>]>;
def Ptx_FunctionAttr : Ptx_EnumAttr<Ptx_Function, "function">;
def Ptx_ApproxOp : Ptx_Pure<"approx"> {
  let summary = "FUNCTION.approx.f32 (subnormals kept): good to a few ulp, the same bits on one architecture only";
  let arguments = (ins Ptx_FunctionAttr:$function, F32:$x);
  let results = (outs F32:$result);
  let assemblyFormat = "$function $x attr-dict `:` type($result)";
}

def Ptx_PrmtOp : Ptx_Pure<"prmt"> {
  let summary = "byte k of the result = byte (selector >> 4k & 7) of a (0..3) and b (4..7)";
  let arguments = (ins I32:$a, I32:$b, I32:$selector);
  let results = (outs I32:$d);
  let assemblyFormat = "$a `,` $b `,` $selector attr-dict `:` type($d)";
}
def Ptx_Lop3Op : Ptx_Pure<"lop3"> {
  let summary = "any bitwise function of three words: `table` = f(0xf0, 0xcc, 0xaa)";
  let arguments = (ins I32:$a, I32:$b, I32:$c, I32Attr:$table);
  let results = (outs I32:$d);
  let assemblyFormat = "$a `,` $b `,` $c `,` $table attr-dict `:` type($d)";
  let hasVerifier = 1;
}
