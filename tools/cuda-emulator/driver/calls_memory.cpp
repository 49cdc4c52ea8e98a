// The calls about memory: allocation, copies, fills.
#include "tools/cuda-emulator/driver/stream.h"
#include <cstring>

namespace ingot::cuda {
using namespace emulator;

namespace {

constexpr size_t allocation_granule = 512; // what a card's free memory shrinks by at least

size_t charged(size_t bytes) { return (bytes + allocation_granule - 1) / allocation_granule * allocation_granule; }

bool within(const std::map<uint64_t, size_t> &allocations, uint64_t address, size_t bytes) {
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return false;
  auto &[base, size] = *std::prev(after);
  return address - base <= size && bytes <= size - (address - base);
}

bool overlaps_device(const Driver &driver, const void *host, size_t bytes) {
  auto address = reinterpret_cast<uint64_t>(host);
  return within(driver.device_allocations, address, 1) || within(driver.device_allocations, address + bytes - 1, 1);
}

bool pinned(const Driver &driver, const void *host, size_t bytes) {
  return within(driver.host_allocations, reinterpret_cast<uint64_t>(host), bytes);
}

} // namespace

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  return call(Call::cuMemGetInfo_v2, Needs::context, [&](Driver &driver, Lock &) {
    if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
    *total = driver.settings.memory;
    *free = driver.settings.memory - driver.device_bytes;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  return call(Call::cuMemAlloc_v2, Needs::uncaptured, [&](Driver &driver, Lock &) {
    if (!address || !bytes) return CUDA_ERROR_INVALID_VALUE;
    size_t free = driver.settings.memory - driver.device_bytes;
    if (bytes > free || charged(bytes) > free)
      return driver.refuse(CUDA_ERROR_OUT_OF_MEMORY, "cuMemAlloc: %zu bytes, %zu free", bytes, free);
    uint64_t base = driver.memory->allocate(bytes);
    if (!base) return driver.refuse(CUDA_ERROR_OUT_OF_MEMORY, "cuMemAlloc: the emulator's address space is used up");
    driver.device_allocations[base] = bytes;
    driver.device_bytes += charged(bytes);
    *address = base;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  return call(Call::cuMemFree_v2, Needs::uncaptured, [&](Driver &driver, Lock &lock) {
    if (!address) return CUDA_SUCCESS;
    auto found = driver.device_allocations.find(address);
    if (found == driver.device_allocations.end())
      return driver.refuse(CUDA_ERROR_INVALID_VALUE, "cuMemFree: 0x%llx is no live allocation", address);
    CUresult result = finish_all(driver, lock); // as drivers do
    driver.memory->release(address);
    driver.device_bytes -= charged(found->second);
    driver.device_allocations.erase(found);
    return result;
  });
}

// Kernels may read and write pinned memory at its own address, as with unified addressing.
CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned int flags) {
  return call(Call::cuMemHostAlloc, Needs::uncaptured, [&](Driver &driver, Lock &) {
    if (!address || !bytes || flags & ~7u) return CUDA_ERROR_INVALID_VALUE;
    uint64_t base = driver.memory->allocate(bytes, true);
    if (!base) return CUDA_ERROR_OUT_OF_MEMORY;
    driver.host_allocations[base] = bytes;
    *address = reinterpret_cast<void *>(base);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemFreeHost(void *address) {
  return call(Call::cuMemFreeHost, Needs::uncaptured, [&](Driver &driver, Lock &lock) {
    auto found = driver.host_allocations.find(reinterpret_cast<uint64_t>(address));
    if (found == driver.host_allocations.end())
      return driver.refuse(CUDA_ERROR_INVALID_VALUE, "cuMemFreeHost: %p is no live pinned allocation", address);
    CUresult result = finish_all(driver, lock);
    driver.memory->release(found->first);
    driver.host_allocations.erase(found);
    return result;
  });
}

// Pageable memory is staged by the call; into a graph only its address goes, as on a card.
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  return call(Call::cuMemcpyHtoDAsync_v2, Needs::context, [&](Driver &driver, Lock &lock) {
    auto target = stream_of(driver, stream);
    if (!target) return CUDA_ERROR_INVALID_HANDLE;
    if (!bytes) return CUDA_SUCCESS;
    if (!from || !within(driver.device_allocations, to, bytes) || overlaps_device(driver, from, bytes))
      return driver.refuse(CUDA_ERROR_INVALID_VALUE, "copy of %zu bytes to 0x%llx: not host to device", bytes, to);
    Work work;
    work.kind = Work::copy_in;
    work.to = to, work.from = reinterpret_cast<uint64_t>(from), work.bytes = bytes;
    driver.copied_in += bytes;
    if (!pinned(driver, from, bytes) && !target->capture) {
      auto *first = static_cast<const std::byte *>(from);
      work.staged = std::make_shared<std::vector<std::byte>>(first, first + bytes);
    }
    return enqueue(driver, lock, target, std::move(work));
  });
}

// To pageable memory the call returns when the copy is done.
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return call(Call::cuMemcpyDtoHAsync_v2, Needs::context, [&](Driver &driver, Lock &lock) {
    auto target = stream_of(driver, stream);
    if (!target) return CUDA_ERROR_INVALID_HANDLE;
    if (!bytes) return CUDA_SUCCESS;
    if (!to || !within(driver.device_allocations, from, bytes) || overlaps_device(driver, to, bytes))
      return driver.refuse(CUDA_ERROR_INVALID_VALUE, "copy of %zu bytes from 0x%llx: not device to host", bytes, from);
    Work work;
    work.kind = Work::copy_out;
    work.to = reinterpret_cast<uint64_t>(to), work.from = from, work.bytes = bytes;
    driver.copied_out += bytes;
    CUresult result = enqueue(driver, lock, target, std::move(work));
    if (result != CUDA_SUCCESS || target->capture || pinned(driver, to, bytes)) return result;
    return finish(driver, lock, target);
  });
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return call(Call::cuMemcpyDtoDAsync_v2, Needs::context, [&](Driver &driver, Lock &lock) {
    auto target = stream_of(driver, stream);
    if (!target) return CUDA_ERROR_INVALID_HANDLE;
    if (!bytes) return CUDA_SUCCESS;
    bool overlap = to < from + bytes && from < to + bytes;
    if (overlap || !within(driver.device_allocations, to, bytes) || !within(driver.device_allocations, from, bytes))
      return driver.refuse(CUDA_ERROR_INVALID_VALUE, "copy of %zu bytes from 0x%llx to 0x%llx: %s", bytes, from, to,
                           overlap ? "overlapping" : "not device to device");
    Work work;
    work.kind = Work::copy_within;
    work.to = to, work.from = from, work.bytes = bytes;
    return enqueue(driver, lock, target, std::move(work));
  });
}

static CUresult fill(Driver &driver, Lock &lock, CUdeviceptr to, uint32_t value, size_t count, size_t width,
                     CUstream stream) {
  auto target = stream_of(driver, stream);
  if (!target) return CUDA_ERROR_INVALID_HANDLE;
  if (!count) return CUDA_SUCCESS;
  if (to % width || count > ~size_t(0) / width || !within(driver.device_allocations, to, count * width))
    return driver.refuse(CUDA_ERROR_INVALID_VALUE, "fill of %zu x %zu bytes at 0x%llx", count, width, to);
  Work work;
  work.kind = Work::fill;
  work.to = to, work.value = value, work.bytes = count * width;
  return enqueue(driver, lock, target, std::move(work));
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return call(Call::cuMemsetD8Async, Needs::context, [&](Driver &driver, Lock &lock) {
    return fill(driver, lock, to, value * 0x01010101u, count, 1, stream);
  });
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream) {
  return call(Call::cuMemsetD32Async, Needs::context,
              [&](Driver &driver, Lock &lock) { return fill(driver, lock, to, value, count, 4, stream); });
}

} // namespace ingot::cuda
