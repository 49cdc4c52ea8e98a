// Attributes and enumerations of the decoder dialect.

class Decoder_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::ingot::decoder";
  let genSpecializedAttr = 0;
}

def Decoder_NormKind : Decoder_Enum<"NormKind", "row normalisation", [
    I32EnumAttrCase<"rms", 0>, I32EnumAttrCase<"layer", 1>, I32EnumAttrCase<"l2", 2>]>;
def Decoder_NormKindAttr : EnumAttr<Decoder_Dialect, Decoder_NormKind, "norm_kind">;

// gelu is the erf form, gelu_tanh the tanh approximation (Hendrycks & Gimpel 2016), quick_gelu x * sigmoid(1.702 x).
def Decoder_ActKind : Decoder_Enum<"ActKind", "pointwise activation", [
    I32EnumAttrCase<"silu", 0>, I32EnumAttrCase<"gelu", 1>, I32EnumAttrCase<"gelu_tanh", 2>,
    I32EnumAttrCase<"quick_gelu", 3>, I32EnumAttrCase<"relu", 4>, I32EnumAttrCase<"relu_squared", 5>,
    I32EnumAttrCase<"sigmoid", 6>, I32EnumAttrCase<"tanh", 7>]>;
def Decoder_ActKindAttr : EnumAttr<Decoder_Dialect, Decoder_ActKind, "act_kind">;

def Decoder_MaskAttr : AttrDef<Decoder_Dialect, "Mask"> {
  let mnemonic = "mask";
  let summary = "which keys j a query at position q sees: j <= q and, with window > 0, j > q - window";
  let parameters = (ins DefaultValuedParameter<"int64_t", "0">:$window);
  let assemblyFormat = "`<` `causal` (`,` `window` `=` $window^)? `>`";
}

def Decoder_ActivationKind : Decoder_Enum<"ActivationKind", "format a root's activations are in", [
    I32EnumAttrCase<"f32", 0>, I32EnumAttrCase<"int8", 1>]>;

def Decoder_NumAttr : AttrDef<Decoder_Dialect, "Num"> {
  let mnemonic = "num";
  let summary = "arithmetic of a launch's root (the numerics contract); the weight's side is its recipe's type";
  let description = "`group` is the number of columns that share an int8 activation scale; 0 with f32 activations.";
  let parameters = (ins EnumParameter<Decoder_ActivationKind>:$activations, DefaultValuedParameter<"int64_t", "0">:$group);
  let assemblyFormat = "`<` struct(params) `>`";
}
