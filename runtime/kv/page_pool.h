// Pages of one cache group: equal blocks of opaque bytes, counted references.
//
// Invariants: page 0 is never handed out (block tables point there where they have no page); a page is free exactly
// when its count is 0; free + used == capacity.
#pragma once
#include "runtime/base/allocator.h"

namespace ingot {

class PagePool {
public:
  // `pages` that can be handed out; memory is taken for one more.
  Status open(const Allocator &allocator, size_t page_bytes, uint32_t pages);

  // A page with one reference; 0 when none is free.
  uint32_t take();
  void share(uint32_t page) { ++references_[page]; }
  void release(uint32_t page);
  uint32_t references(uint32_t page) const { return references_[page]; }
  void copy(uint32_t from, uint32_t to);

  uint8_t *data() const { return bytes_.data(); }
  size_t page_bytes() const { return page_bytes_; }
  uint32_t capacity() const { return capacity_; }
  uint32_t used() const { return capacity_ - free_count_; }
  uint32_t free() const { return free_count_; }

private:
  Block bytes_;
  Array<uint32_t> references_, free_;
  size_t page_bytes_ = 0;
  uint32_t capacity_ = 0, free_count_ = 0;
};

} // namespace ingot
