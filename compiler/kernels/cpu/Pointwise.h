// Ops that act on each element alone, as instructions on lanes. Used by row programs and by epilogues alike.
#pragma once
#include "compiler/kernels/cpu/Emitter.h"
#include "dialects/decoder/Decoder.h"

namespace ingot::cpu {

/// The arithmetic that MathFunctions.h is instantiated with: vectors (or scalars) of MLIR values.
struct LaneMath {
  using F = Value;
  using I = Value;
  using B = Value;
  using D = Value;
  Emitter &e;
  Type type; // of F: a vector of f32, or f32

  explicit LaneMath(Emitter &e) : e(e), type(e.lanesType()) {}
  LaneMath(Emitter &e, Type type) : e(e), type(type) {}

  F f(float v) { return e.constant(type, v); }
  I i(int32_t v) { return e.integer(intType(), v); }
  F add(F x, F y) { return e.add(x, y); }
  F sub(F x, F y) { return e.sub(x, y); }
  F mul(F x, F y) { return e.mul(x, y); }
  F div(F x, F y) { return e.div(x, y); }
  F fma(F x, F y, F z) { return e.fma(x, y, z); }
  F abs(F x) { return e.abs(x); }
  F sqrt(F x) { return e.sqrt(x); }
  I bits(F x) { return e.bitcast(intType(), x); }
  F asFloat(I x) { return e.bitcast(type, x); }
  I iadd(I x, I y) { return e.iadd(x, y); }
  I isub(I x, I y) { return e.isub(x, y); }
  I iand(I x, I y) { return e.iand(x, y); }
  I ior(I x, I y) { return e.ior(x, y); }
  I ixor(I x, I y) { return e.ixor(x, y); }
  I ishl(I x, int n) { return e.shl(x, n); }
  I isra(I x, int n) { return e.ashr(x, n); }
  B less(F x, F y) { return e.less(x, y); }
  B isZero(I x) { return e.ieq(x, i(0)); }
  F select(B c, F x, F y) { return e.select(c, x, y); }
  I iselect(B c, I x, I y) { return e.select(c, x, y); }
  F floor(F x) { return e.b.create<mlir::LLVM::FFloorOp>(x); }
  // MathWide.h
  D d(double v) { return e.constant(wideType(), v); }
  D wide(F x) { return e.b.create<mlir::arith::ExtFOp>(wideType(), x); }
  F narrow(D x) { return e.b.create<mlir::arith::TruncFOp>(type, x); }

private:
  Type wideType() {
    Type f64 = e.b.getF64Type();
    if (auto vector = mlir::dyn_cast<mlir::VectorType>(type)) return e.vec(f64, vector.getDimSize(0));
    return f64;
  }
  Type intType() {
    if (auto vector = mlir::dyn_cast<mlir::VectorType>(type)) return e.vec(e.i32, vector.getDimSize(0));
    return e.i32;
  }
};

Value emitActivation(Emitter &e, decoder::ActKind kind, Value x);

/// add, mul, scale, act, softcap: true when `op` is one of them.
bool isPointwise(mlir::Operation *op);
Value emitPointwise(Emitter &e, mlir::Operation *op, ValueRange lanes);

} // namespace ingot::cpu
