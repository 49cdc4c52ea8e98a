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

namespace ingot::decoder {
/// The weights that an op names, in binding order (launch rule 6): its symbol attributes in alphabetical order, lists
/// element by element, `cache` excluded.
llvm::SmallVector<mlir::FlatSymbolRefAttr> weightSymbols(mlir::Operation *op);
} // namespace ingot::decoder
