// Addresses of a warp's memory instruction, and the checks that every access passes. The common shapes (all lanes,
// equal steps between them) are recognised first and checked as one range.
#pragma once
#include "lanes.h"

namespace ingot::emulator {

struct Addresses {
  uint64_t at[32];         // of active lanes; shared and local ones are offsets
  uint64_t low, high;      // smallest and largest
  bool contiguous = false; // all 32 lanes, one behind the other
  bool uniform = false;    // all lanes active and at the same address
};

// Reads the address operand (place `a`, offset `imm`); `narrow`: it has 32 bits.
inline void read_addresses(const Instr &i, Warp &w, bool narrow, Addresses &s) {
  if (narrow) {
    const uint32_t *a = w.at<uint32_t>(i.a);
    INGOT_LANES
    for (int l = 0; l < 32; ++l) s.at[l] = uint64_t(a[l]) + uint64_t(i.imm);
  } else {
    const uint64_t *a = w.at<uint64_t>(i.a);
    INGOT_LANES
    for (int l = 0; l < 32; ++l) s.at[l] = a[l] + uint64_t(i.imm);
  }
}

// Fills low, high, contiguous, uniform for accesses of `bytes` bytes by lanes of `mask`.
inline void measure(Addresses &s, uint32_t mask, uint32_t bytes) {
  if (mask == ~0u) {
    uint64_t step = s.at[1] - s.at[0], off = 0;
    for (int l = 0; l < 32; ++l) off |= s.at[l] - (s.at[0] + uint64_t(l) * step);
    if (!off && (step == bytes || !step)) {
      s.low = s.at[0];
      s.high = s.at[31];
      s.contiguous = step == bytes;
      s.uniform = !step;
      return;
    }
  }
  s.contiguous = s.uniform = false;
  s.low = ~uint64_t(0);
  s.high = 0;
  each_lane(mask, [&](uint32_t l) {
    s.low = std::min(s.low, s.at[l]);
    s.high = std::max(s.high, s.at[l]);
  });
}

// Sets the fault and returns false unless all lanes of `mask` may access `bytes` (a power of two) bytes at their
// addresses, which must be multiples of it. A write marks what it writes.
bool check_global(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint32_t bytes, bool write,
                  bool read = false);
// Of ld.global.nc, behind check_global: nothing of it was stored by a kernel since the host wrote it last.
bool check_constant(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint32_t bytes);
bool check_shared(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint32_t bytes, bool write,
                  bool read = false);
// Offsets into `size` bytes of local memory or of the parameter block.
bool check_window(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint32_t bytes, size_t size,
                  const char *space);

// The state of 1, 2, 4, 8 or 16 bytes of shared memory.
inline void set_state(uint8_t *state, uint32_t bytes, uint8_t value) {
  uint64_t word = 0x0101010101010101 * value;
  switch (bytes) {
  case 1:
    *state = value;
    break;
  case 2:
    memcpy(state, &word, 2);
    break;
  case 4:
    memcpy(state, &word, 4);
    break;
  case 16:
    memcpy(state + 8, &word, 8);
    [[fallthrough]];
  default:
    memcpy(state, &word, 8);
    break;
  }
}

// Lanes of `mask` whose generic address lies in the given window; their addresses become offsets in it.
inline uint32_t take_window(Addresses &s, uint32_t mask, uint64_t window) {
  uint32_t inside = 0;
  each_lane(mask, [&](uint32_t l) {
    if (s.at[l] - window >= window_size) return;
    s.at[l] -= window;
    inside |= 1u << l;
  });
  return inside;
}

} // namespace ingot::emulator
