// Where a launch's kernels find things: slots of the arguments block, strides of rows, formats of weights.
//
// Invariants (launch rule 6)
//  1. Slots: f32 inputs, weights (each symbol once, by first appearance), results, prepared, layer. Inputs of i32
//     (tokens, positions) have none: they are read from the batch.
//  2. A row of n f32 columns has a stride of n * 4 rounded up to 64 bytes; a row of logits (a result that @head
//     returns) of exactly n * 4. Columns past n are never read, and never written in logits.
#pragma once
#include "compiler/kernels/cpu/Emitter.h"
#include "compiler/weights/layout.h"
#include "dialects/decoder/Decoder.h"
#include "dialects/weights/Weights.h"

#include "llvm/ADT/MapVector.h"

namespace ingot::cpu {

constexpr uint64_t rowStride(uint64_t columns) { return (columns * 4 + 63) / 64 * 64; }

/// A recipe as kernels see it.
struct WeightView {
  bool packed = false; // layout r16, else plain rows
  WeightFormat format; // the element's type too when plain
  uint64_t rows = 1, cols = 0;
  unsigned slot = 0;
};

struct ResultView {
  mlir::Value value; // what is yielded
  uint64_t cols = 0, stride = 0;
  bool exact = false; // logits
  unsigned slot = 0;
};

class LaunchFrame {
public:
  /// Errors: a weight without a layout, a result without a static width.
  static mlir::FailureOr<LaunchFrame> build(decoder::LaunchOp launch);

  decoder::LaunchOp launch;
  llvm::MapVector<mlir::StringAttr, WeightView> weights;
  llvm::SmallVector<ResultView> results;
  unsigned preparedSlot = 0;
  unsigned layerSlot = 0;

  const WeightView &weight(mlir::FlatSymbolRefAttr symbol) const { return weights.find(symbol.getAttr())->second; }

  /// Row `row` of a block argument of the region.
  Value inputRow(Emitter &e, mlir::Value argument, Value row) const;
  Value weightAddress(Emitter &e, mlir::FlatSymbolRefAttr symbol) const { return e.slotPointer(weight(symbol).slot); }
  Value resultRow(Emitter &e, const ResultView &result, Value row) const;
  /// Of an i32 block argument: positions, not ids.
  bool isPosition(mlir::Value argument) const;

  /// Columns of the last axis.
  static uint64_t columns(mlir::Value value);

private:
  llvm::SmallVector<unsigned> inputSlots; // by block argument
};

/// Elements [column, column + count) of a plain row at `base` as f32 lanes; count <= 16, lanes past it are 0. Masked
/// when count < 16: nothing past it is read.
Value loadPlain(Emitter &e, const WeightFormat &format, Value base, Value column, int64_t count);
/// The same for a count that only the run knows: elements [column, min(column + 16, cols)).
Value loadPlainBefore(Emitter &e, const WeightFormat &format, Value base, Value column, int64_t cols);
/// f32 lanes at `base`, the rule of loadPlain.
Value loadColumns(Emitter &e, Value base, Value column, int64_t count);

/// Calls body(column, count) for the blocks of 16 columns of a row of n, ascending: a loop over whole blocks, then the
/// tail.
void forColumns(Emitter &e, int64_t n, llvm::function_ref<void(Value column, int64_t count)> body);
/// The same, carrying a value.
Value foldColumns(Emitter &e, int64_t n, Value carried,
                  llvm::function_ref<Value(Value column, int64_t count, Value carried)> body);

} // namespace ingot::cpu
