// Which pages of one cache group are in use, and by how many: counted references. The bytes belong to the device.
//
// Invariants: page 0 is never handed out (block tables point there where they have no page); a page is free exactly
// when its count is 0; free + used == capacity.
#pragma once
#include "runtime/base/allocator.h"

namespace ingot {

class PagePool {
public:
  // `pages` that can be handed out: numbers 1 to `pages`.
  Status open(const Allocator &allocator, size_t page_bytes, uint32_t pages);

  // A page with one reference; 0 when none is free.
  uint32_t take();
  void share(uint32_t page) { ++references_[page]; }
  void release(uint32_t page);
  uint32_t references(uint32_t page) const { return references_[page]; }

  size_t page_bytes() const { return page_bytes_; }
  uint32_t capacity() const { return capacity_; }
  uint32_t used() const { return capacity_ - free_count_; }
  uint32_t free() const { return free_count_; }

private:
  Array<uint32_t> references_, free_;
  size_t page_bytes_ = 0;
  uint32_t capacity_ = 0, free_count_ = 0;
};

} // namespace ingot
