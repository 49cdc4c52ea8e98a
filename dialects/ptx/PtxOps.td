// The ptx dialect: one op is one PTX instruction that LLVM/MLIR 19 has no sound op for (or whose op distribute-lanes
// would take apart). Values are scalars of a thread: i1, i32, i64, f32 and pointers of the LLVM dialect.
//
// Invariants
//  1. An op says what PTX says: operands and results in PTX's order, masks and widths spelled out.
//  2. Ops that threads of a warp or a block execute together are never speculated, moved into control flow or merged
//     across it: they carry no trait that lets a pass do so, and compiler/target marks them convergent.
//  3. Nothing here depends on the virtual architecture, but griddep_wait and griddep_launch, which vanish below sm_90.
#ifndef INGOT_DIALECTS_PTX_OPS
#define INGOT_DIALECTS_PTX_OPS

include "mlir/Dialect/LLVMIR/LLVMOpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Ptx_Dialect : Dialect {
  let name = "ptx";
  let cppNamespace = "::ingot::ptx";
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
}

class Ptx_Op<string mnemonic, list<Trait> traits = []> : Op<Ptx_Dialect, mnemonic, traits>;
class Ptx_Pure<string mnemonic> : Ptx_Op<mnemonic, [Pure]>;

class Ptx_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::ingot::ptx";
  let genSpecializedAttr = 0;
}
class Ptx_EnumAttr<EnumAttrInfo info, string mnemonic> : EnumAttr<Ptx_Dialect, info, mnemonic> {
  let assemblyFormat = "$value";
}

// Generic addresses are taken for global ones: no kernel makes a generic address of anything else.
def Ptx_Global : AnyTypeOf<[LLVM_PointerInAddressSpace<0>, LLVM_PointerInAddressSpace<1>]>;
def Ptx_Shared : LLVM_PointerInAddressSpace<3>;
def Ptx_Word : AnyTypeOf<[I32, F32]>;

def Ptx_EntryAttr : AttrDef<Ptx_Dialect, "Entry"> {
  let mnemonic = "entry";
  let summary = "on a function: it is a kernel's entry";
  let description = [{
    `threads` is the size of its blocks (.maxntid), `ctas` how many of them an SM should hold at least (.minnctapersm; 0:
    no wish). The function returns nothing.
  }];
  let parameters = (ins "unsigned":$threads, DefaultValuedParameter<"unsigned", "0">:$ctas);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

include "dialects/ptx/PtxThreads.td"
include "dialects/ptx/PtxMemory.td"
include "dialects/ptx/PtxArithmetic.td"

#endif
