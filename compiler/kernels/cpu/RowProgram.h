// Launches without a root, and the prologue of those with one: row-wise ops evaluated a row at a time.
//
// A value of the region is either a row in memory or a function that makes any block of 16 of its columns; chains of
// pointwise ops and norms stay functions and fuse into the loop of whoever asks for columns.
//
// Invariants
//  1. Every value used more than once, or by an op that moves columns, is in memory: in a result's row when it is
//     yielded, else in scratch. A launch may therefore not bind one buffer as input and result.
//  2. Nothing is read past a value's columns: tails are masked.
#pragma once
#include "compiler/kernels/cpu/GraphRow.h"
#include "compiler/kernels/cpu/LaunchFrame.h"

namespace ingot::cpu {

struct RowValue {
  Value memory; // null: only `lanes`
  Columns lanes;
  int64_t cols = 0;
};

class RowProgram {
public:
  /// `row` is the index of the row in the launch's own space (step rows, or logits rows in the head).
  RowProgram(Emitter &e, const LaunchFrame &frame, Value row) : e(e), frame(frame), row(row) {}

  /// Evaluates one op of the region whose operands have been evaluated or are inputs. Errors: an op that no row program
  /// can hold.
  mlir::LogicalResult evaluate(mlir::Operation *op);
  /// Stores the yielded values.
  void yield();
  /// The value, an input of the launch or one evaluated.
  RowValue &value(mlir::Value v);
  /// Bytes of scratch asked for so far.
  uint64_t scratchBytes() const { return scratchUsed; }

private:
  RowValue inMemory(Value address, int64_t cols);
  Value memoryOf(mlir::Value v);             // materialises
  Value destination(mlir::Value v);          // result row or scratch
  void define(mlir::Value v, Columns lanes); // a function, materialised when invariant 1 says so
  void pointwise(mlir::Operation *op);
  void norm(decoder::NormOp op);
  void groupNorm(decoder::NormOp op);
  void rope(decoder::RopeOp op);
  void gate(decoder::GateOp op);
  void split(decoder::SplitOp op);
  void takeRows(decoder::TakeRowsOp op);
  mlir::LogicalResult append(decoder::AppendOp op);
  mlir::LogicalResult rows(decoder::RowsOp op);
  Value rowOf(mlir::Value input); // memory of a rows op's input
  Value scratchSpace(uint64_t bytes);
  // RowTables.cpp
  void embed(decoder::EmbedOp op);
  void lookupRows(decoder::LookupRowsOp op);
  void angles(decoder::AnglesOp op);
  Columns packedRow(const WeightView &view, Value table, Value index);
  Columns plainRow(const WeightView &view, Value table, Value index);
  Columns tableRow(mlir::FlatSymbolRefAttr symbol, Value index);

  Emitter &e;
  const LaunchFrame &frame;
  Value row;
  llvm::DenseMap<mlir::Value, RowValue> values;
  uint64_t scratchUsed = 0;
  std::vector<std::unique_ptr<GraphRow>> regions; // functions of their values live on
};

/// Gain or bias of a norm as columns; null when absent.
Columns plainColumns(Emitter &e, const LaunchFrame &frame, mlir::FlatSymbolRefAttr symbol);

/// Emits the kernel of a row program: items are rows. The bytes of scratch it needs, or an error.
mlir::FailureOr<uint64_t> emitRowProgram(Emitter &e, const LaunchFrame &frame);

} // namespace ingot::cpu
