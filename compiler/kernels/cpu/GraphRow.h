// The region of a decoder.rows on the CPU: graph ops on one row, a loop an op, in scratch.
//
// A value is row-major elements in memory, or a function that makes any block of 16 of them; chains of elementwise ops
// stay functions and fuse into the loop of whoever asks.
//
// Invariants
//  1. Elements are stored as f32 (all floats), i64 (64-bit integers), or i32 (all other integers and truth values);
//     integers always hold a value of their type: sign- or zero-extended.
//  2. A function's block begins at a multiple of 16 elements; lanes past the value's end are any value.
//  3. Memory is neither read nor written past a value's end.
//  4. Functions capture addresses only: what they read is in memory before they are made, and is never overwritten.
//  5. Integer division by zero gives the dividend (remainder 0), an index outside its axis the nearest end: nothing
//  traps.
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "dialects/graph/Graph.h"

namespace ingot::cpu {

using Shape = llvm::SmallVector<int64_t>;
/// Elements [column, column + count) of a row; `column` is a multiple of 16, lanes past count are any value.
using Columns = std::function<Value(Value column, int64_t count)>;

enum class Store { f32, i32, i64 };

int64_t elementCount(llvm::ArrayRef<int64_t> shape);
Shape stridesOf(llvm::ArrayRef<int64_t> shape);

struct GraphValue {
  mlir::Type element; ///< the graph's
  Shape shape;
  Value memory;         ///< null: only lanes
  Columns lanes;        ///< null: only memory
  bool uniform = false; ///< lanes are the same everywhere and cost nothing
  int64_t count() const { return elementCount(shape); }
  Store store() const;
};

class GraphRow {
public:
  /// `scratch` gives so many bytes, 64-byte aligned, that nobody else uses.
  GraphRow(Emitter &e, std::function<Value(uint64_t)> scratch) : e(e), scratch(std::move(scratch)) {}

  void bind(mlir::Value argument, Value memory);
  /// Errors: an op or a type that has no code here.
  mlir::LogicalResult evaluate(mlir::Operation *op);

  GraphValue &value(mlir::Value v) { return values[v]; }
  Value memoryOf(mlir::Value v);
  Columns lanesOf(mlir::Value v);

  // Shared by the op families.
  Type storeType(Store store) { return store == Store::f32 ? e.f32 : store == Store::i32 ? e.i32 : e.i64; }
  Type storeType(mlir::Value v) { return storeType(values[v].store()); }
  int64_t storeBytes(mlir::Value v) { return values[v].store() == Store::i64 ? 8 : 4; }
  /// Declares a result; memory of its own, to be filled.
  Value defineMemory(mlir::Value v);
  /// Declares a result as a function; in memory at once unless it has one use.
  void defineLanes(mlir::Value v, Columns lanes, bool uniform = false);
  /// `v` as a function of the elements of a shape it broadcasts to.
  Columns broadcast(mlir::Value v, llvm::ArrayRef<int64_t> shape);
  /// dst[i * dstStrides] = src[i * srcStrides] for all i below the shape, in elements of `type`.
  void copy(Type type, llvm::ArrayRef<int64_t> shape, Value dst, llvm::ArrayRef<int64_t> dstStrides, Value src,
            llvm::ArrayRef<int64_t> srcStrides);
  /// `count` elements that follow each other.
  void copyRun(Type type, Value dst, Value src, int64_t count);
  Value loadRun(Type type, Value address, int64_t count); ///< 16 lanes; zeros past count
  void storeRun(Value lanes, Value address, int64_t count);
  /// Nested loops over all indices of a shape.
  void forIndex(llvm::ArrayRef<int64_t> shape, llvm::function_ref<void(llvm::ArrayRef<Value>)> body);
  Value flatten(llvm::ArrayRef<Value> index, llvm::ArrayRef<int64_t> strides); ///< sum of index * stride, i64
  Value element(Type type, Value base, Value index) {                          ///< address
    return e.at(base, e.imul(index, type.getIntOrFloatBitWidth() / 8));
  }
  Value space(Type type, int64_t count) { return scratch(uint64_t(count) * type.getIntOrFloatBitWidth() / 8); }

  Emitter &e;

private:
  mlir::LogicalResult evaluateConstant(graph::ConstantOp op);
  mlir::LogicalResult evaluateView(mlir::Operation *op);

  std::function<Value(uint64_t)> scratch;
  llvm::DenseMap<mlir::Value, GraphValue> values;
};

// The op families. `known` becomes false for an op of another family.
mlir::LogicalResult evaluateElementwise(GraphRow &row, mlir::Operation *op, bool &known); // GraphElementwise.cpp
mlir::LogicalResult evaluateMovement(GraphRow &row, mlir::Operation *op, bool &known);    // GraphMovement.cpp
mlir::LogicalResult evaluateLines(GraphRow &row, mlir::Operation *op, bool &known);       // GraphLines.cpp
mlir::LogicalResult evaluateIndexed(GraphRow &row, mlir::Operation *op, bool &known);     // GraphIndexed.cpp
mlir::LogicalResult evaluateQuant(GraphRow &row, mlir::Operation *op, bool &known);       // GraphQuant.cpp

// Integer lanes or scalars.
bool isUnsigned(mlir::Type element);
/// Brings a stored integer back into its type after arithmetic (invariant 1).
Value wrapInteger(Emitter &e, mlir::Type element, Value x);
/// Lanes or scalars of one element type as another's (graph.cast).
Value convert(Emitter &e, mlir::Type from, mlir::Type to, Value x);
/// NaN if either is; else the larger (smaller), the first of equals.
Value maxNan(Emitter &e, Value x, Value y);
Value minNan(Emitter &e, Value x, Value y);

} // namespace ingot::cpu
