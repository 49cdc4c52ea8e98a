// The weights dialect: sources and recipes. See WeightsOps.td for what each op means.
#pragma once
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/weights/WeightsEnums.h.inc"

#include "dialects/weights/WeightsDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/weights/WeightsAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/weights/WeightsOps.h.inc"
