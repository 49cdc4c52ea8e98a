// The two factors of a rotation as functions of the position: waves. A closed form over the position q is read as
// factor * cos(q * f), factor * sin(q * f), or factor * table[q + offset, column].
//
// Invariants
// 1. A cosine's frequency is not negative; a sine's factor is not: sin(-q f) = -sin(q f).
// 2. Rounding to narrower floats is not seen (invariant 2 of RowBuilder.h); products of literals are float32.
#pragma once
#include "passes/infer/Rotary.h"
#include "passes/infer/Typing.h"

namespace ingot::infer {

/// A column of a table by position; the table is a matrix when its leading axes of length 1 are left out.
struct TableColumn {
  mlir::Attribute table;
  int64_t offset = 0; ///< the row of position 0
  int64_t column = 0;
  bool operator==(const TableColumn &other) const = default;
};

struct Wave {
  enum class Kind { Cosine, Sine, Table, Constant };
  Kind kind = Kind::Constant;
  float frequency = 0; ///< Cosine and Sine
  float factor = 1;
  TableColumn place; ///< Table
  Wave negated() const;
  bool operator==(const Wave &other) const = default;
};

/// One rotation a pair: x1 * cos - x2 * sin and x2 * cos + x1 * sin.
struct RotaryAngles {
  std::vector<Wave> cos, sin;
  bool operator==(const RotaryAngles &other) const = default;
};

/// Reads a closed form over the position variable `q` (P and S gone); nullopt if it is no wave.
std::optional<Wave> waveOf(ExprContext &exprs, RotaryTables &tables, Expr e, Variable q);

/// Equal at every position. Table columns are compared by content.
bool sameWave(RotaryTables &tables, const Wave &a, const Wave &b);

/// `e` with conditions on the total length P + S decided by the longest context: the relaxation max-context-branch
/// where shorter ones disagree (LongRoPE).
Expr decideByContext(Typing &typing, Expr e);

/// `e`, a closed form over token index `i`, over the absolute position instead, after decideByContext. Null if P, S or
/// i remain.
Expr atPosition(Typing &typing, Expr e, Variable i, Variable q);

} // namespace ingot::infer
