// The ptx dialect: PTX instructions as ops. See PtxOps.td.
#pragma once
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/ptx/PtxEnums.h.inc"

#include "dialects/ptx/PtxDialect.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/ptx/PtxAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/ptx/PtxOps.h.inc"

namespace ingot::ptx {

/// The attribute that makes a function an entry: an EntryAttr.
inline constexpr llvm::StringLiteral entryAttrName = "ptx.entry";

} // namespace ingot::ptx
