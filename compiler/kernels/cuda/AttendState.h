// (m, l, o): running maximum, sum of exponentials, weighted values; and how one joins another (numerics.md, attention).
#pragma once
#include "compiler/kernels/cpu/Emitter.h"

namespace ingot::cuda {

/// e^x by ex2.approx.ftz: a few ulp near 0, where the weight is; below 2^-126, 0.
cpu::Value exponential(cpu::Emitter &e, cpu::Value x);

/// How (m, l) of a part joins an older one: o becomes fma(o, alpha, o of the part * beta) where `seen`.
struct Joined {
  cpu::Value seen, m, l, alpha, beta; // a part that saw nothing (m = -inf) changes nothing
  cpu::Value column(cpu::Emitter &e, cpu::Value mine, cpu::Value theirs) const; // scalars or lanes
};
Joined join(cpu::Emitter &e, cpu::Value m, cpu::Value l, cpu::Value partM, cpu::Value partL);

/// m and l are scalars, o scalars of a thread or lanes.
struct AttendState {
  cpu::Value m, l;
  llvm::SmallVector<cpu::Value> o;

  static AttendState empty(cpu::Emitter &e, size_t columns, mlir::Type type);
  llvm::SmallVector<cpu::Value> values() const;
  static AttendState of(mlir::ValueRange all) {
    return {all[0], all[1], llvm::SmallVector<cpu::Value>(all.drop_front(2))};
  }
};

/// `old` with `part` behind it.
AttendState combine(cpu::Emitter &e, const AttendState &old, const AttendState &part);

} // namespace ingot::cuda
