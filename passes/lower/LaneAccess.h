// What the 16 lanes of a worker do with one load or store: which memory, which bytes, which lane which of them.
// Private to distribute-lanes.
#pragma once
#include "passes/lower/LaneMemory.h"

namespace ingot {

/// Memory that does not overlap with another class.
struct MemoryClass {
  enum Kind { readOnly, scratch, slot, elsewhere, unknown } kind;
  int64_t number = 0;
  bool operator==(const MemoryClass &) const = default;
};

/// Bytes [begin, end) from an address that is the same in all lanes.
struct Extent {
  mlir::Value base;
  int64_t begin, end;
};

/// Who touches what of an access's bytes: one lane all of them, every lane all of them, or, *striped*, in elements of
/// `bytes` the lane (address / bytes) mod p, for each power of two p in `periods`.
struct LaneUse {
  int one = -1;
  unsigned bytes = 0, periods = 0;

  /// What two accesses both touch is touched by the same lane in both.
  bool agrees(const LaneUse &other) const {
    if (one >= 0 || other.one >= 0) return one == other.one;
    return bytes == other.bytes && (periods & other.periods);
  }
};

struct LaneAccess {
  mlir::Operation *op;
  MemoryClass memory;
  bool write;
  LaneUse lanes;
  Extent here; // this time's
  Extent ever; // all that this op can reach as long as its base is the same
};

/// Of generic memory that somebody writes; none for all other ops.
std::optional<LaneAccess> laneAccessOf(mlir::Operation *op);

} // namespace ingot
