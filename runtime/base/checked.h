// Sizes from files and users are untrusted: products and sums of them are checked, never wrapped.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ingot {

// False when the result does not fit; *out is then unspecified.
[[nodiscard]] inline bool checked_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
[[nodiscard]] inline bool checked_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

// True when [offset, offset + length) lies inside [0, size).
[[nodiscard]] inline bool in_range(uint64_t offset, uint64_t length, uint64_t size) {
  return length <= size && offset <= size - length;
}

inline size_t align_up(size_t value, size_t alignment) { return (value + alignment - 1) / alignment * alignment; }

} // namespace ingot
