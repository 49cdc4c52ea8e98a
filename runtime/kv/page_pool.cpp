#include "runtime/kv/page_pool.h"

namespace ingot {

Status PagePool::open(const Allocator &allocator, size_t page_bytes, uint32_t pages) {
  size_t total, count = size_t(pages) + 1;
  if (!checked_mul(page_bytes, count, &total))
    return Status::error(Code::no_memory, "KV cache: %zu pages of %zu bytes overflow", count, page_bytes);
  INGOT_TRY(references_.take(allocator, count, "KV cache: references"));
  INGOT_TRY(free_.take(allocator, count, "KV cache: free list"));
  page_bytes_ = page_bytes;
  capacity_ = free_count_ = pages;
  for (uint32_t i = 0; i < pages; ++i) free_[i] = pages - i; // low numbers go first
  return {};
}

uint32_t PagePool::take() {
  if (free_count_ == 0) return 0;
  uint32_t page = free_[--free_count_];
  references_[page] = 1;
  return page;
}

void PagePool::release(uint32_t page) {
  if (--references_[page] == 0) free_[free_count_++] = page;
}

} // namespace ingot
