#include "runtime/device/cuda/weights.h"

#include <condition_variable>
#include <mutex>

namespace ingot::cuda {

struct Weights::Copy {
  const uint8_t *source = nullptr; // null: the entry is free
  CUcontext context = nullptr;
  CUdeviceptr address = 0;
  uint32_t users = 0;
  bool is_complete = false;
};

namespace {

constexpr uint32_t most_copies = 256; // of a process

std::mutex mutex;                // guards all copies; freeing happens under it, so that who comes next sees the memory
std::condition_variable changed; // a copy is complete, or given up

} // namespace

Weights::Copy *Weights::find(const uint8_t *source, CUcontext context) {
  static Copy copies[most_copies];
  Copy *free = nullptr;
  for (Copy &copy : copies) {
    if (copy.source == source && copy.context == context) return &copy;
    if (!copy.source && !free) free = &copy;
  }
  return free;
}

Status Weights::join(const Artifact &artifact, CUcontext context) {
  uint64_t size = artifact.weights() ? artifact.layout().segments[artifact.plan().weights_segment()].size : 0;
  if (size == 0) return {};
  std::unique_lock lock(mutex);
  Copy *copy;
  while ((copy = find(artifact.weights(), context)) && copy->source && !copy->is_complete) changed.wait(lock);
  if (!copy) return Status::error(Code::no_memory, "more than %u models on GPUs in one process", most_copies);
  source_ = {artifact.weights(), size};
  bytes_ = align_up(size, DeviceMemory::granule);
  copy_ = copy;
  copy->source = artifact.weights();
  copy->context = context;
  ++copy->users;
  address_ = copy->address;
  return {};
}

Status Weights::upload(Driver &driver, CUstream stream, const UploadProgress &progress) {
  if (is_there()) {
    if (progress.moved) progress.moved(progress.self, source_.size(), source_.size());
    return {};
  }
  CUdeviceptr address = 0;
  Status status = INGOT_CUDA(driver, cuMemAlloc_v2, &address, bytes_);
  if (status.code() == Code::no_memory)
    return Status::error(Code::no_memory, "weights: the GPU has no %llu bytes in one piece",
                         (unsigned long long)bytes_);
  INGOT_TRY(status);
  copy_->address = address; // leave() frees it from here on
  INGOT_TRY(cuda::upload(driver, stream, address, source_, progress));
  std::lock_guard lock(mutex);
  address_ = address;
  copy_->is_complete = true;
  changed.notify_all();
  return {};
}

void Weights::leave(Driver &driver, bool is_hung) {
  if (!copy_) return;
  std::lock_guard lock(mutex);
  if (--copy_->users == 0) {
    if (copy_->address && !is_hung) (void)INGOT_CUDA(driver, cuMemFree_v2, copy_->address);
    *copy_ = {};
    changed.notify_all();
  }
  copy_ = nullptr;
}

} // namespace ingot::cuda
