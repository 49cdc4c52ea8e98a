// The row that a `prepare` grid leaves for a linear with int8 activations, and that its main grid reads.
//
// Layout, each part 64-byte aligned: s8 a[groups * group] (0 past cols) | f32 d[groups] | i32 start[groups].
// start[g] = sumFactor * sum of the group's a: the value that the integer dot product of a group starts from.
#pragma once
#include "compiler/target/CpuTarget.h"
#include "compiler/weights/layout.h"

namespace ingot::cpu {

struct PreparedRow {
  uint64_t cols = 0, group = 0;

  constexpr uint64_t groups() const { return (cols + group - 1) / group; }
  constexpr uint64_t scaleOffset() const { return align(groups() * group); }
  constexpr uint64_t startOffset() const { return scaleOffset() + align(groups() * 4); }
  constexpr uint64_t bytes() const { return startOffset() + align(groups() * 4); }

private:
  static constexpr uint64_t align(uint64_t n) { return (n + 63) / 64 * 64; }
};

/// What int8 weights are when they meet the dot product: at v4 codes (vpdpbusd wants unsigned bytes), at v3 signed
/// values (code - 128: maddubs would saturate on codes). Int4 weights are codes at both levels.
constexpr int64_t codeOffset(const WeightFormat &format, CpuLevel level) {
  return format.type == WeightFormat::Type::int8 && level == CpuLevel::v3 ? 128 : 0;
}

/// Symmetric weights mean code - 2^(bits-1), whatever the dot product sees: the difference times sum(a) is what the sum
/// starts from. Zero points and minima differ by row, so there the kernel gets the plain sum.
constexpr int64_t sumFactor(const WeightFormat &format, CpuLevel level) {
  if (format.zero != WeightFormat::Zero::symmetric) return 1;
  return codeOffset(format, level) - (int64_t(1) << (format.bits() - 1));
}

} // namespace ingot::cpu
