#include "runtime/base/allocator.h"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace ingot {
namespace {

constexpr size_t huge_page = size_t(2) << 20;

// Large blocks start at a huge page so that the kernel can back them with such pages.
void *allocate_pages(size_t bytes) {
  size_t wanted;
  if (!checked_add(bytes, huge_page, &wanted)) return nullptr;
  void *raw = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto start = static_cast<uint8_t *>(raw);
  size_t before = align_up(reinterpret_cast<uintptr_t>(raw), huge_page) - reinterpret_cast<uintptr_t>(raw);
  size_t kept = align_up(bytes, 4096), after = align_up(wanted, 4096) - before - kept;
  if (before) munmap(start, before);
  if (after) munmap(start + before + kept, after);
  madvise(start + before, kept, MADV_HUGEPAGE);
  return start + before;
}

void *system_allocate(void *, size_t bytes, size_t alignment) {
  if (bytes >= huge_page) return alignment <= huge_page ? allocate_pages(bytes) : nullptr;
  void *memory = aligned_alloc(alignment, align_up(bytes, alignment));
  if (memory) memset(memory, 0, bytes);
  return memory;
}

void system_release(void *, void *memory, size_t bytes) {
  if (bytes >= huge_page)
    munmap(memory, align_up(bytes, 4096));
  else
    free(memory);
}

} // namespace

const Allocator &system_allocator() {
  static constexpr Allocator allocator = {system_allocate, system_release, nullptr};
  return allocator;
}

Status Block::take(const Allocator &allocator, size_t bytes, size_t alignment, const char *what) {
  reset();
  if (bytes == 0) bytes = alignment;
  void *memory = bytes > SIZE_MAX / 2 ? nullptr : allocator.allocate(allocator.self, bytes, alignment);
  if (!memory) return Status::error(Code::no_memory, "%s: no memory for %zu bytes", what, bytes);
  allocator_ = allocator;
  data_ = static_cast<uint8_t *>(memory);
  size_ = bytes;
  return {};
}

void Block::reset() {
  if (data_) allocator_.release(allocator_.self, data_, size_);
  data_ = nullptr;
  size_ = 0;
}

} // namespace ingot
