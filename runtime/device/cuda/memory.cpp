#include "runtime/device/cuda/memory.h"

#include "runtime/base/checked.h"

namespace ingot::cuda {

uint64_t saturating_product(uint64_t a, uint64_t b) {
  size_t result;
  return checked_mul(a, b, &result) ? result : uint64_t(1) << 62;
}

Status DeviceMemory::open(const Allocator &allocator, uint32_t most_regions) {
  return regions_.take(allocator, most_regions, "the list of the GPU's memory");
}

Status DeviceMemory::add(const char *what, uint64_t bytes, uint32_t *region) {
  if (count_ == regions_.size()) return Status::error(Code::internal, "more than %u regions of GPU memory", count_);
  if (bytes > SIZE_MAX / 4 - bytes_)
    return Status::error(Code::no_memory, "%s: %llu bytes are more than any GPU has", what, (unsigned long long)bytes);
  regions_[count_] = {what, bytes, 0};
  bytes_ += align_up(bytes, granule);
  *region = count_++;
  return {};
}

Status DeviceMemory::take(Driver &driver) {
  for (uint32_t i = 0; i < count_; ++i) {
    Region &region = regions_[i];
    if (region.bytes == 0) continue;
    Status status = INGOT_CUDA(driver, cuMemAlloc_v2, &region.address, region.bytes);
    if (status.ok()) continue;
    region.address = 0;
    if (status.code() != Code::no_memory) return status;
    return Status::error(Code::no_memory, "%s: the GPU has no %llu bytes in one piece", region.what,
                         (unsigned long long)region.bytes);
  }
  return {};
}

Status DeviceMemory::zero(Driver &driver, CUstream stream) {
  for (uint32_t i = 0; i < count_; ++i)
    if (regions_[i].bytes)
      INGOT_TRY(INGOT_CUDA(driver, cuMemsetD8Async, regions_[i].address, 0, regions_[i].bytes, stream));
  return {};
}

void DeviceMemory::release(Driver &driver) {
  for (uint32_t i = 0; i < count_; ++i) {
    if (regions_[i].address) (void)INGOT_CUDA(driver, cuMemFree_v2, regions_[i].address);
    regions_[i].address = 0;
  }
}

Status Pinned::take(Driver &driver, size_t bytes) {
  INGOT_TRY(INGOT_CUDA(driver, cuMemHostAlloc, &data_, bytes, 0));
  bytes_ = bytes;
  return {};
}

void Pinned::release(Driver &driver) {
  if (data_) (void)INGOT_CUDA(driver, cuMemFreeHost, data_);
  data_ = nullptr;
}

} // namespace ingot::cuda
