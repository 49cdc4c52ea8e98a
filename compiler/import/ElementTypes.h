// ONNX's tensor element types and MLIR's.
#pragma once
#include "mlir/IR/BuiltinTypes.h"
#include <string>

namespace ingot {

/// The MLIR type of an ONNX type number: signed integers are signless, unsigned ones `ui`, bool is i1. Null for
/// strings, complex numbers and types this importer does not know.
mlir::Type elementType(mlir::MLIRContext &context, int32_t onnxType);

/// "float16", or "type 42".
std::string elementTypeName(int32_t onnxType);

/// Bits of one element as ONNX stores it (a bool is 8).
unsigned storageBits(mlir::Type element);

/// A tensor type of untrusted dims (kDynamic allowed); null if one is negative or the static dims' product, in bits,
/// passes 2^62.
mlir::RankedTensorType checkedTensorType(llvm::ArrayRef<int64_t> dims, mlir::Type element);

/// Bytes of a static tensor as ONNX stores it.
uint64_t storageBytes(mlir::RankedTensorType type);

} // namespace ingot
