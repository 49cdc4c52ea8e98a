// What infer needs to know of an op. Attached from outside (Rules*.cpp), so that dialects stay vocabulary.
#ifndef INGOT_PASSES_INFER_INDEXFUNCTION
#define INGOT_PASSES_INFER_INDEXFUNCTION

include "mlir/IR/OpBase.td"

def IndexFunction : OpInterface<"IndexFunction"> {
  let cppNamespace = "::ingot::infer";
  let description = [{
    How a result's elements follow from the operands': shapes, closed forms, token axes. And what the op becomes in a row
    program. An op without the interface is a gap.
  }];
  let methods = [
    InterfaceMethod<[{
      Gives every result an abstract value, or reports why it has none. Called once, after all operands are typed.
    }], "void", "inferValues", (ins "::ingot::infer::Typing &":$typing)>,
    InterfaceMethod<[{
      Emits the rows of every token-dependent result. Called for live ops only, after their operands' rows; an operand
      without rows was reported upstream. The default reports that the op has no row form.
    }], "void", "lowerRows", (ins "::ingot::infer::RowBuilder &":$rows), "", [{ rows.noRowForm($_op); }]>
  ];
}

#endif
