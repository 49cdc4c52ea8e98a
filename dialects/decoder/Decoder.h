// The decoder dialect. README.md tells its forms and launch rules; the .td files tell what each op means.
#pragma once
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/decoder/DecoderEnums.h.inc"

#include "dialects/decoder/DecoderDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/decoder/DecoderAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/decoder/DecoderOps.h.inc"
