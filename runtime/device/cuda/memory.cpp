#include "runtime/device/cuda/memory.h"

namespace ingot::cuda {

Status DeviceMemory::add(const char *what, uint64_t bytes, uint32_t *region) {
  if (count_ == most) return Status::error(Code::internal, "more than %u regions of GPU memory", most);
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
    Status status = INGOT_CUDA(driver, cuMemAlloc_v2, &region.address, align_up(region.bytes, granule));
    if (status.ok()) continue;
    region.address = 0;
    if (status.code() != Code::no_memory) return status;
    return Status::error(Code::no_memory, "%s: the GPU has no %llu bytes in one piece", region.what,
                         (unsigned long long)region.bytes);
  }
  return {};
}

Status DeviceMemory::zero(Driver &driver, uint32_t region, CUstream stream) {
  const Region &which = regions_[region];
  return which.bytes ? INGOT_CUDA(driver, cuMemsetD8Async, which.address, 0, which.bytes, stream) : Status();
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
