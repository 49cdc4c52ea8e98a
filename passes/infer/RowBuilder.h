// Emits @body and @head: what the IndexFunction rules call to turn token-dependent values into rows [T, n] f32.
//
// Invariants
// 1. Row t of a value holds its elements at token t; columns are the constant factors of its shape in order, so a
//    regrouping of axes, or moving the token axis, changes nothing.
// 2. Activations are f32 whatever the graph's float type (ids are i32); casts between floats vanish.
// 3. Ops are emitted in the graph's order; only live ops are.
#pragma once
#include "dialects/decoder/Decoder.h"
#include "mlir/IR/Builders.h"
#include "passes/infer/Recipes.h"
#include "passes/infer/RotaryAngles.h"
#include "passes/infer/Typing.h"

namespace ingot::infer {

/// Which cache group and layer an attention op got.
struct CachePlace {
  mlir::FlatSymbolRefAttr group;
  int64_t layer;
};
using CachePlaces = llvm::DenseMap<mlir::Operation *, CachePlace>;

class RowBuilder {
public:
  RowBuilder(Typing &typing, Recipes &recipes, RotaryTables &tables, CachePlaces &places)
      : typing(typing), recipes(recipes), tables(tables), builder(typing.main.getContext()), places(places) {}

  /// The rows of a token value; null if they failed upstream.
  mlir::Value rows(mlir::Value graphValue) { return mapping.lookup(graphValue); }
  void set(mlir::Value graphValue, mlir::Value rows) { mapping[graphValue] = rows; }
  /// The rows of a value of this step whatever it depends on: a table row by position is looked up. Null if reported.
  mlir::Value materialise(mlir::Value graphValue, mlir::Operation *user);

  /// From here on rows go to the end of `block`; nothing emitted before can be used.
  void startFunction(mlir::Block &block, mlir::Value stepPositions);

  /// Columns of a token value.
  int64_t width(mlir::Value graphValue);
  mlir::RankedTensorType rowType(int64_t columns);
  /// decoder.angles of a closed value whose last axis is cosines, then sines; null if reported at `user`.
  mlir::Value angles(mlir::Value graphAngles, mlir::Operation *user);
  /// decoder.angles [T, 2n] of n pairs, one op for equal ones; null if reported at `user`.
  mlir::Value angles(const RotaryAngles &angles, mlir::Operation *user);
  const CachePlace &place(mlir::Operation *attention) { return places.find(attention)->second; }

  template <typename Op, typename... Args> Op create(mlir::Operation *from, Args &&...args) {
    return builder.create<Op>(from->getLoc(), std::forward<Args>(args)...);
  }
  /// What has no decoder op of its own becomes a decoder.rows; reported only if even that is impossible.
  void noRowForm(mlir::Operation *op);
  mlir::Value stepPositions() { return positions; } ///< null in @head

  Typing &typing;
  Recipes &recipes;
  RotaryTables &tables;
  mlir::OpBuilder builder;

private:
  CachePlaces &places;
  mlir::Value positions; // null in @head
  llvm::DenseMap<mlir::Value, mlir::Value> mapping;
  mlir::Value emit(const RotaryAngles &angles, mlir::Operation *user);
  mlir::Value emitTables(const RotaryAngles &angles, mlir::Operation *user);
  std::vector<std::pair<RotaryAngles, mlir::Value>> angleRows;
};

} // namespace ingot::infer
