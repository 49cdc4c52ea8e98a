// The graph dialect: a closed set of tensor primitives. The .td files say what each op means, README.md why so.
#pragma once
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace ingot::graph {

/// Declared and inferred result types agree: same element types and ranks, and no dim known differently.
bool areCompatible(mlir::TypeRange a, mlir::TypeRange b);

/// The integers of a graph.constant (any integer type), in row-major order; nothing for any other value.
std::optional<llvm::SmallVector<int64_t>> constantIntegers(mlir::Value value);

/// What is known of a 1-d integer tensor of static length used as a shape: kDynamic where an element is unknown.
/// Sees through constant, shape and concat. Nothing when even the length is unknown.
std::optional<llvm::SmallVector<int64_t>> knownShape(mlir::Value shape);

/// The NumPy broadcast of two shapes, kDynamic where not derivable; nothing if they cannot broadcast.
std::optional<llvm::SmallVector<int64_t>> broadcastShapes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

} // namespace ingot::graph

#include "dialects/graph/GraphEnums.h.inc"

#include "dialects/graph/GraphDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/graph/GraphAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/graph/GraphOps.h.inc"
