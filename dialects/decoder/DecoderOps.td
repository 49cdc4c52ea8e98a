// The decoder dialect: what a decoder-only model is made of. README.md tells its three forms and the launch rules.
#ifndef INGOT_DIALECTS_DECODER_OPS
#define INGOT_DIALECTS_DECODER_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Decoder_Dialect : Dialect {
  let name = "decoder";
  let cppNamespace = "::ingot::decoder";
  let useDefaultAttributePrinterParser = 1;
}

class Decoder_Op<string mnemonic, list<Trait> traits = []> : Op<Decoder_Dialect, mnemonic, traits>;
class Decoder_Pure<string mnemonic, list<Trait> traits = []> : Decoder_Op<mnemonic, !listconcat([Pure], traits)>;

include "dialects/decoder/DecoderAttrs.td"
include "dialects/decoder/DecoderSymbols.td"
include "dialects/decoder/DecoderRows.td"
include "dialects/decoder/DecoderAttention.td"
include "dialects/decoder/DecoderLaunch.td"

#endif
