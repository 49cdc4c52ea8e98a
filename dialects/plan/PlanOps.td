// The plan dialect: what the runtime executes. It mirrors runtime/format/plan.fbs table by table and field by field
// (test/unit/plan holds it to that), so that a plan can be read, printed and tested as IR before it becomes bytes.
#ifndef INGOT_DIALECTS_PLAN_OPS
#define INGOT_DIALECTS_PLAN_OPS

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::ingot::plan_ir";
  let useDefaultAttributePrinterParser = 1;
}

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

class Plan_Enum<string name, string summary, list<I32EnumAttrCase> cases> : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::ingot::plan_ir";
  let genSpecializedAttr = 0;
}
def Plan_Target : Plan_Enum<"Target", "the machine that a program is for", [
    I32EnumAttrCase<"cpu", 0>, I32EnumAttrCase<"cuda", 1>]>;
def Plan_TargetAttr : EnumAttr<Plan_Dialect, Plan_Target, "target">;
def Plan_Space : Plan_Enum<"Space", "where the rows of a buffer come from", [
    I32EnumAttrCase<"body", 0>, I32EnumAttrCase<"head", 1>]>;
def Plan_SpaceAttr : EnumAttr<Plan_Dialect, Plan_Space, "space">;
def Plan_Grid : Plan_Enum<"Grid", "how many items a grid has", [
    I32EnumAttrCase<"rows", 0>, I32EnumAttrCase<"q_tiles", 1>]>;
def Plan_BindingKind : Plan_Enum<"BindingKind", "what goes into a kernel's slot", [
    I32EnumAttrCase<"buffer", 0>, I32EnumAttrCase<"weight", 1>, I32EnumAttrCase<"immediate", 2>,
    I32EnumAttrCase<"prepared", 3>, I32EnumAttrCase<"logits", 4>]>;

def Plan_VariantAttr : AttrDef<Plan_Dialect, "Variant"> {
  let mnemonic = "variant";
  let summary = "a kernel for a class of row counts (the M class)";
  let parameters = (ins "uint32_t":$max_rows, "::mlir::FlatSymbolRefAttr":$kernel, EnumParameter<Plan_Grid>:$grid,
                        "uint32_t":$units, "uint32_t":$per, "uint32_t":$streams);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Plan_BindingAttr : AttrDef<Plan_Dialect, "Binding"> {
  let mnemonic = "binding";
  let summary = "one slot: `symbol` names a buffer or weight, `value` is an immediate";
  let parameters = (ins EnumParameter<Plan_BindingKind>:$kind, OptionalParameter<"::mlir::FlatSymbolRefAttr">:$symbol,
                        DefaultValuedParameter<"uint64_t", "0">:$value);
  let assemblyFormat = "`<` $kind (`:` $symbol^)? (`=` $value^)? `>`";
}

def Plan_ProgramOp : Plan_Op<"program", [NoTerminator, SingleBlock, SymbolTable]> {
  let summary = "the model as code for one kind of machine: kernels, buffers and the two entries; weights are the module's";
  let arguments = (ins Plan_TargetAttr:$target, I64Attr:$q_tile_rows);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$target attr-dict-with-keyword $body";
}
def Plan_KernelOp : Plan_Op<"kernel", [Symbol]> {
  let summary = "generated code of one launch region and M class; the shape of a CTA is 0 on the CPU";
  let arguments = (ins SymbolNameAttr:$sym_name, UI64Attr:$hash, I64Attr:$scratch_bytes,
                       DefaultValuedAttr<I64Attr, "0">:$block_threads, DefaultValuedAttr<I64Attr, "0">:$block_items,
                       DefaultValuedAttr<I64Attr, "0">:$shared_bytes);
  let assemblyFormat = "$sym_name attr-dict";
}
def Plan_BufferOp : Plan_Op<"buffer", [Symbol]> {
  let summary = "an activation: base = arena + offset_per_row * row capacity";
  let arguments = (ins SymbolNameAttr:$sym_name, Plan_SpaceAttr:$space, I64Attr:$bytes_per_row, I64Attr:$offset_per_row);
  let assemblyFormat = "$sym_name $space attr-dict";
}
def Plan_WeightOp : Plan_Op<"weight", [Symbol]> {
  let summary = "where the packed result of the recipe of the same name lies in the weights segment";
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$recipe, StrAttr:$layout, I64Attr:$offset,
                       I64Attr:$size, I64Attr:$rows, I64Attr:$cols);
  let assemblyFormat = "$sym_name $recipe attr-dict";
}
def Plan_EntryOp : Plan_Op<"entry", [NoTerminator, SingleBlock]> {
  let summary = "the steps of the body or the head, in order";
  let arguments = (ins Plan_SpaceAttr:$space, I64Attr:$arena_bytes_per_row);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$space attr-dict-with-keyword $body";
}
def Plan_StepOp : Plan_Op<"step", [HasParent<"EntryOp">]> {
  let summary = "one launch of the plan";
  let arguments = (ins StrAttr:$name, TypedArrayAttrBase<Plan_BindingAttr, "bindings">:$bindings,
                       TypedArrayAttrBase<Plan_VariantAttr, "variants">:$prepare,
                       TypedArrayAttrBase<Plan_VariantAttr, "variants">:$main,
                       OptionalAttr<TypedArrayAttrBase<Plan_VariantAttr, "variants">>:$finish,
                       I64Attr:$prepared_bytes_per_row, DefaultValuedAttr<I64Attr, "0">:$partial_bytes,
                       I64Attr:$prepare_private_rows, I64Attr:$weight_bytes, I64Attr:$ops_per_row);
  let assemblyFormat = "$name attr-dict";
}

// Between lower and plan: a launch whose region became kernels, still in SSA form.
def Plan_LaunchOp : Plan_Op<"launch"> {
  let summary = "a lowered decoder.launch: tensors are not yet buffers";
  let arguments = (ins StrAttr:$name, Variadic<AnyRankedTensor>:$inputs,
                       TypedArrayAttrBase<SymbolRefAttr, "weights">:$weights, OptionalAttr<I64Attr>:$layer,
                       TypedArrayAttrBase<Plan_VariantAttr, "variants">:$prepare,
                       TypedArrayAttrBase<Plan_VariantAttr, "variants">:$main,
                       OptionalAttr<TypedArrayAttrBase<Plan_VariantAttr, "variants">>:$finish,
                       I64Attr:$prepared_bytes_per_row, DefaultValuedAttr<I64Attr, "0">:$partial_bytes,
                       I64Attr:$prepare_private_rows, I64Attr:$ops_per_row);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "$name `(` $inputs `)` attr-dict `:` functional-type($inputs, $results)";
}

#endif
