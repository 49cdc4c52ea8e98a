// The graph dialect's base: the closed set of tensor primitives that every ONNX spelling becomes at import.
// Tensors are ranked; a dim is static where known and '?' else. Broadcasting is NumPy's, as in ONNX.
#ifndef INGOT_DIALECTS_GRAPH_BASE
#define INGOT_DIALECTS_GRAPH_BASE

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Graph_Dialect : Dialect {
  let name = "graph";
  let cppNamespace = "::ingot::graph";
  let useDefaultAttributePrinterParser = 1;
}

class Graph_Enum<string name, string text, list<I32EnumAttrCase> cases> : I32EnumAttr<name, text, cases> {
  let cppNamespace = "::ingot::graph";
  let genSpecializedAttr = 0;
}

// Every op is pure and can infer its result types from operands (constants included), attributes and properties.
// Declared and inferred types may differ in how many dims are known, never in element type or rank.
class Graph_Op<string mnemonic, list<Trait> traits = []>
    : Op<Graph_Dialect, mnemonic, !listconcat([Pure, InferTypeOpAdaptorBase<[{
  static bool isCompatibleReturnTypes(::mlir::TypeRange a, ::mlir::TypeRange b) {
    return ::ingot::graph::areCompatible(a, b);
  }
}]>], traits)> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

// The same for an op whose result types cannot be inferred: the importer names them.
class Graph_TypedOp<string mnemonic, list<Trait> traits = []>
    : Op<Graph_Dialect, mnemonic, !listconcat([Pure], traits)>;

#endif
