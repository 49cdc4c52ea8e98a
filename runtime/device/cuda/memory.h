// The GPU's memory: every byte is in a list of named regions, so that what a session needs is known exactly before any
// of it is taken.
//
// Invariants: bytes() is the sum of what cuMemAlloc takes, which is asked for no byte more than a region has; nothing
// is taken after take(); release() frees all.
#pragma once
#include "runtime/base/allocator.h"
#include "runtime/device/cuda/driver.h"

namespace ingot::cuda {

// An address of the GPU as the pointer that kernels take it for. Not for the host to follow.
template <class T> T *as_pointer(CUdeviceptr address) {
  return reinterpret_cast<T *>(uintptr_t(address)); // NOLINT(performance-no-int-to-ptr)
}

uint64_t saturating_product(uint64_t a, uint64_t b); // nobody has as much as it then says

class DeviceMemory {
public:
  Status open(const Allocator &allocator, uint32_t most_regions);
  // Notes a region of `bytes` (0: none; its address stays 0). `what` is a literal for errors.
  Status add(const char *what, uint64_t bytes, uint32_t *region);
  uint64_t bytes() const { return bytes_; }

  // Takes all regions; their bytes hold anything.
  Status take(Driver &driver);
  Status zero(Driver &driver, CUstream stream); // all of it
  void release(Driver &driver);

  static constexpr uint64_t granule = 512; // the driver hands out no less

  CUdeviceptr address(uint32_t region) const { return regions_[region].address; }
  uint64_t size(uint32_t region) const { return regions_[region].bytes; }

private:
  struct Region {
    const char *what;
    uint64_t bytes;
    CUdeviceptr address;
  };

  Array<Region> regions_;
  uint32_t count_ = 0;
  uint64_t bytes_ = 0;
};

// Host memory that the GPU reads and writes directly.
class Pinned {
public:
  Status take(Driver &driver, size_t bytes);
  void release(Driver &driver);
  uint8_t *data() const { return static_cast<uint8_t *>(data_); }
  size_t size() const { return bytes_; }

private:
  void *data_ = nullptr;
  size_t bytes_ = 0;
};

} // namespace ingot::cuda
