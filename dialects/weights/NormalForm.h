// Recipe values in normal form: what one value of a model is, however its exporter spelled it. Layout ops, casts and
// element-wise ops with constants go *under* the dequantisation (weights.dequant_linear stays outermost), so that a
// grid survives a transposition or a reshape, and what an exporter wrote as Cast, Sub, Mul is the dequantisation it is.
//
// Invariants
//  1. Every function returns a value equal to what its name says, or null where no recipe op says it. Values are f32
//     or exactly as the file has them; casts between float types of a dequantised value vanish (f32 holds it better).
//  2. Equal meanings become equal ops: nothing is emitted that changes nothing.
//  3. Only rounding differs from the spelling, and only where `add` makes q * s + m one fma (exact for f16 scales).
#pragma once
#include "dialects/weights/Weights.h"
#include "mlir/IR/Builders.h"

namespace ingot::weights {

mlir::Value transpose(mlir::OpBuilder &builder, mlir::Value input, llvm::ArrayRef<int64_t> permutation);
mlir::Value reshape(mlir::OpBuilder &builder, mlir::Value input, llvm::ArrayRef<int64_t> shape);
/// input[begin : begin + extent] along one axis; the caller has checked the range.
mlir::Value slice(mlir::OpBuilder &builder, mlir::Value input, int64_t axis, int64_t begin, int64_t extent);
/// Values of one shape but for the axis.
mlir::Value concat(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> inputs, int64_t axis);
/// Null for casts that round or truncate to integers.
mlir::Value cast(mlir::OpBuilder &builder, mlir::Value input, mlir::Type element);

/// ONNX's DequantizeLinear: scale (and zero, if any) of one element, a vector along `axis`, or (block > 0) the input's
/// shape with `axis` divided by `block`. Null if they do not fit.
mlir::Value dequantise(mlir::OpBuilder &builder, mlir::Value quants, mlir::Value scale, mlir::Value zero, int64_t axis,
                       int64_t block);

/// Arithmetic with NumPy's broadcasting of `y` against `x`, whose shape the result has.
enum class Arithmetic { add, sub, mul };
mlir::Value arithmetic(mlir::OpBuilder &builder, Arithmetic kind, mlir::Value x, mlir::Value y);

/// The same number everywhere, however large the shape.
mlir::Value filled(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<int64_t> shape, mlir::Type element,
                   double value);

/// A dequantised matrix [N, K] as weights.dequant where a grid keeps it (blocks along K of whole 16 columns, or one a
/// row), else the value itself.
mlir::Value onGrid(mlir::OpBuilder &builder, mlir::Value matrix);

} // namespace ingot::weights
