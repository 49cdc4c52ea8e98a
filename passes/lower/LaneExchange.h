// The threads of a worker: who a thread is, what it holds of constants, and how values move between the 16.
// Private to distribute-lanes.
#pragma once
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"

namespace ingot {

inline constexpr int64_t kLanes = 16;

class LaneExchange {
public:
  using OpBuilder = mlir::OpBuilder;
  using Location = mlir::Location;
  using Value = mlir::Value;

  /// Makes the thread's number and its worker's mask where `b` stands: the start of a function whose blocks are one row
  /// of threads.
  LaneExchange(OpBuilder &b, Location loc);

  /// bar.warp.sync among the worker's threads.
  void wait(OpBuilder &b, Location loc);
  /// Lane l gets lane index[l] of `from`; negative: any value. `index` may be shorter than 16.
  Value permute(OpBuilder &b, Location loc, Value from, llvm::ArrayRef<int32_t> index);
  /// i1: whether the thread is one of the lanes; those past the list count as not.
  Value lanesWhere(OpBuilder &b, Location loc, llvm::ArrayRef<bool> lanes);
  /// The thread's element of a constant vector.
  Value table(OpBuilder &b, Location loc, mlir::DenseElementsAttr values);
  /// i64: the lane, clamped below `count`.
  Value laneBelow(OpBuilder &b, Location loc, int64_t count);
  /// acc + the four products of unsigned and signed bytes.
  Value dotBytes(OpBuilder &b, Location loc, Value acc, Value u8, Value s8);

  /// All lanes ask for the same one.
  static bool isBroadcast(llvm::ArrayRef<int32_t> index);

private:
  Value integer(OpBuilder &b, Location loc, unsigned width, int64_t value);
  Value integers(OpBuilder &b, Location loc, unsigned width, llvm::ArrayRef<int64_t> values);
  Value shuffleWord(OpBuilder &b, Location loc, Value word, Value lane, bool butterfly);
  Value shuffle(OpBuilder &b, Location loc, Value from, Value lane, bool butterfly);

  Value lane, lane64, mask;
};

} // namespace ingot
