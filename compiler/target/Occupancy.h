// How many blocks of a kernel an SM holds at once. Limits by architecture: CUDA C++ Programming Guide, "Technical
// specifications per compute capability"; registers are dealt out to warps in units of 256, shared memory to blocks in
// units of 128 bytes with 1 KiB for the system (CUDA occupancy calculator).
#pragma once
#include <algorithm>
#include <cstdint>

namespace ingot::cuda {

struct SmLimits {
  unsigned warps, blocks;
  uint64_t sharedBytes;
};

inline SmLimits smLimits(unsigned sm) {
  bool data = sm == 80 || sm == 90 || sm == 100; // the data centre's cards
  if (sm == 80) return {64, 32, 164 << 10};
  if (data) return {64, 32, 228 << 10};
  if (sm == 87) return {48, 16, 164 << 10};
  return {48, sm == 86 ? 16u : 24u, 100 << 10};
}

/// `sharedBytes`: static and dynamic. 0: the kernel does not fit.
inline unsigned residentBlocks(unsigned sm, unsigned threads, unsigned registers, uint64_t sharedBytes) {
  constexpr unsigned registerFile = 65536, registerUnit = 256, warpSize = 32;
  constexpr uint64_t sharedUnit = 128, systemShared = 1 << 10;
  SmLimits limits = smLimits(sm);
  unsigned warps = (threads + warpSize - 1) / warpSize;
  unsigned warpRegisters = (registers * warpSize + registerUnit - 1) / registerUnit * registerUnit;
  uint64_t blockShared = (sharedBytes + systemShared + sharedUnit - 1) / sharedUnit * sharedUnit;
  unsigned blocks = std::min(limits.blocks, limits.warps / std::max(1u, warps));
  if (warpRegisters) blocks = std::min(blocks, registerFile / warpRegisters / std::max(1u, warps));
  return std::min<uint64_t>(blocks, limits.sharedBytes / blockShared);
}

} // namespace ingot::cuda
