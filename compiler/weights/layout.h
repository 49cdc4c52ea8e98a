// The packed layouts of linear weights (docs/weights.md): pure functions of sizes and bytes, shared by the packers,
// the kernel generators and the tests. No MLIR.
//
// Invariants
//  1. A packed weight is ceil(rows / 16) blocks of 16 rows; a block is ceil(cols / group) groups, one after the other.
//  2. A group is integer data, then 16 scales, then 16 zero points or minima (by row). Floats: group 1, data only.
//  3. Data: int4 in 64-byte chunks of 8 k: dword lane = row, byte j = code(k0 + j) | code(k0 + 4 + j) << 4.
//           int8 in 64-byte chunks of 4 k: dword lane = row, byte j = code(k0 + j) ^ 0x80 (signed).
//           floats: [k][16 rows].
//  4. A *code* is unsigned in [0, 2^bits). Its value is (code - 2^(bits-1)) * s (symmetric), (code - z) * s
//  (zero_point),
//     each rounded once to f32, or fma(code, s, m) (minimum). Files with signed integers have 2^(bits-1) added to q and
//     z.
//  5. Padding columns and rows hold the zero code (symmetric 2^(bits-1), zero_point z, minimum 0); padding rows have
//     scale, zero point and minimum 0. Minima make padding columns nonzero: kernels feed x = 0 for k >= cols.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace ingot {

inline constexpr uint32_t kBlockRows = 16;
inline constexpr uint32_t kChunkBytes = 64; // one dword a row: 8 k of int4, 4 k of int8

struct WeightFormat {
  enum class Type : uint8_t { f32, f16, bf16, int8, int4 };
  enum class Zero : uint8_t { symmetric, zero_point, minimum };
  enum class Scale : uint8_t { f16, f32 };

  Type type = Type::f32;
  Zero zero = Zero::symmetric; // integers only, as are scale and group
  Scale scale = Scale::f16;
  uint32_t group = 1; // columns that share a scale: 1 for floats; 16, 32, 64 or 128 for integers

  bool operator==(const WeightFormat &) const = default;

  constexpr bool isInteger() const { return type == Type::int8 || type == Type::int4; }
  constexpr uint32_t bits() const {
    return type == Type::f32 ? 32 : type == Type::int4 ? 4 : type == Type::int8 ? 8 : 16;
  }
  /// "f32", "int4.sym.g32", "int8.zp.g64", "int4.affine.g32"; ".f32" at the end when scales (and minima) are f32.
  std::string name() const;
};

/// The layout group for a file's block of `block` columns: 16, 32, 64 and 128 as they are, any other multiple of 32
/// (and one block that covers all columns) as pieces of 32 that repeat the scale, other multiples of 16 as pieces
/// of 16. None: no layout holds it exactly.
std::optional<uint32_t> layoutGroup(uint64_t block, uint64_t cols);

/// True when every function below is defined for `format`.
bool isValid(const WeightFormat &format);

// Sizes inside one group of a block, in bytes.
constexpr uint32_t scaleElementBytes(const WeightFormat &f) { return f.scale == WeightFormat::Scale::f16 ? 2 : 4; }
constexpr uint32_t groupDataBytes(const WeightFormat &f) { return kBlockRows * f.group * f.bits() / 8; }
constexpr uint32_t groupScaleBytes(const WeightFormat &f) {
  return f.isInteger() ? kBlockRows * scaleElementBytes(f) : 0;
}
constexpr uint32_t groupZeroBytes(const WeightFormat &f) {
  if (!f.isInteger() || f.zero == WeightFormat::Zero::symmetric) return 0;
  return f.zero == WeightFormat::Zero::zero_point ? kBlockRows : kBlockRows * scaleElementBytes(f);
}
constexpr uint32_t groupBytes(const WeightFormat &f) {
  return groupDataBytes(f) + groupScaleBytes(f) + groupZeroBytes(f);
}

// Offsets of the three parts from the start of a group.
constexpr uint32_t scaleOffset(const WeightFormat &f) { return groupDataBytes(f); }
constexpr uint32_t zeroOffset(const WeightFormat &f) { return groupDataBytes(f) + groupScaleBytes(f); }

constexpr uint64_t groupCount(const WeightFormat &f, uint64_t cols) { return cols / f.group + (cols % f.group != 0); }
constexpr uint64_t blockCount(uint64_t rows) { return rows / kBlockRows + (rows % kBlockRows != 0); }

/// Bytes of one block of 16 rows: the distance from a row block to the next. `cols` at most 2^40.
constexpr uint64_t blockBytes(const WeightFormat &f, uint64_t cols) { return groupCount(f, cols) * groupBytes(f); }

/// Bytes of a whole packed weight; none when the product overflows.
std::optional<uint64_t> packedBytes(const WeightFormat &format, uint64_t rows, uint64_t cols);

/// Where element (lane, k) of a group lies: byte offset from the group's start, and for int4 the shift of its nibble.
struct ElementPosition {
  uint32_t byte;
  uint32_t shift;
};
constexpr ElementPosition elementPosition(const WeightFormat &f, uint32_t lane, uint32_t k) {
  if (f.type == WeightFormat::Type::int4) return {k / 8 * kChunkBytes + lane * 4 + k % 4, k % 8 / 4 * 4};
  if (f.type == WeightFormat::Type::int8) return {k / 4 * kChunkBytes + lane * 4 + k % 4, 0};
  return {(k * kBlockRows + lane) * (f.bits() / 8), 0};
}

/// Rows on an integer grid, before packing. Row r's codes lie at codes + r * cols (one byte each), its group parameters
/// at [r * groups + g] with groups = groupCount(format, cols). `zeros` for zero_point, `minima` for minimum, else null.
struct GridView {
  const uint8_t *codes;
  const float *scales;
  const uint8_t *zeros;
  const float *minima;
};

/// Packs up to 16 rows (rows <= 16, the rest is padding) of an integer grid into blockBytes() bytes at `out`. False
/// when a scale or minimum is not exactly of the format's scale type.
[[nodiscard]] bool packIntegerBlock(const WeightFormat &format, uint32_t rows, uint64_t cols, const GridView &grid,
                                    uint8_t *out);

/// Packs up to 16 rows of floats, row-major [rows, cols] elements of the format's own type (f32, f16, bf16).
void packFloatBlock(const WeightFormat &format, uint32_t rows, uint64_t cols, const uint8_t *values, uint8_t *out);

/// Row `lane` of the block at `block` as f32 values (invariant 4), cols of them.
void unpackRow(const WeightFormat &format, const uint8_t *block, uint32_t lane, uint64_t cols, float *out);

/// The code of element (lane, k) of a block, k over the whole row. Integers only.
uint32_t unpackCode(const WeightFormat &format, const uint8_t *block, uint32_t lane, uint64_t k);

/// The scale, and the zero (zero point, minimum, or 2^(bits-1) for symmetric) of group `group` for row `lane`.
float unpackScale(const WeightFormat &format, const uint8_t *block, uint32_t lane, uint64_t group);
float unpackZero(const WeightFormat &format, const uint8_t *block, uint32_t lane, uint64_t group);

} // namespace ingot
