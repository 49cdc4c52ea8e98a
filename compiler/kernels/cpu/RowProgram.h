// Launches without a root, and the prologue of those with one: row-wise ops evaluated a row at a time.
//
// A value of the region is either a row in memory or a function that makes any block of 16 of its columns; chains of
// pointwise ops and norms stay functions and fuse into the loop of whoever asks for columns.
//
// Invariants
//  1. Every value used more than once, or by an op that moves columns, is in memory: in a result's row when it is
//     yielded, else in scratch. A launch may therefore not bind one buffer as input and result.
//  2. Nothing is read past a value's columns: tails are masked.
//  3. A program whose ops take each column by itself may be cut into units of kUnitColumns (CUDA: one row is to keep
//  many
//     workers busy): nothing is in memory then but inputs and results.
#pragma once
#include "compiler/kernels/cpu/GraphRow.h"
#include "compiler/kernels/cpu/LaunchFrame.h"

namespace ingot::cpu {

struct RowValue {
  Value memory; // null: only `lanes`
  Columns lanes;
  int64_t cols = 0;
  bool stored = false; // lies in its result's row
};

inline constexpr int64_t kUnitColumns = 64;

/// Units that each row of the program can be cut into; 1: it cannot.
uint32_t columnUnits(const LaunchFrame &frame);

class RowProgram {
public:
  /// `row` is the index of the row in the launch's own space (step rows, or logits rows in the head).
  /// With `unit` only that unit's columns of the results are made.
  RowProgram(Emitter &e, const LaunchFrame &frame, Value row, Value unit = {})
      : e(e), frame(frame), row(row), unit(unit) {}

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
  void forUnitColumns(int64_t cols, llvm::function_ref<void(Value column, int64_t count)> body);
  // RowTables.cpp
  void embed(decoder::EmbedOp op);
  void lookupRows(decoder::LookupRowsOp op);
  void angles(decoder::AnglesOp op);
  Columns packedRow(const WeightView &view, Value table, Value index);
  Columns plainRow(const WeightView &view, Value table, Value index);
  Columns tableRow(mlir::FlatSymbolRefAttr symbol, Value index);

  Emitter &e;
  const LaunchFrame &frame;
  Value row, unit;
  llvm::DenseMap<mlir::Value, RowValue> values;
  uint64_t scratchUsed = 0;
  std::vector<std::unique_ptr<GraphRow>> regions; // functions of their values live on
};

/// Gain or bias of a norm as columns; null when absent.
Columns plainColumns(Emitter &e, const LaunchFrame &frame, mlir::FlatSymbolRefAttr symbol);

/// Emits the kernel of a row program: items are rows, or units of them. The bytes of scratch it needs, or an error.
mlir::FailureOr<uint64_t> emitRowProgram(Emitter &e, const LaunchFrame &frame, uint32_t units = 1);

} // namespace ingot::cpu
