// Where the runtime's memory comes from. Everything a session needs is taken once, at open, through this interface, so
// that a test can fail each call in turn, and a host can count or place what is taken.
#pragma once
#include "runtime/base/checked.h"
#include "runtime/base/status.h"

#include <type_traits>
#include <utility>

namespace ingot {

struct Allocator {
  // Zeroed bytes, or null when there are none. `alignment` is a power of two.
  void *(*allocate)(void *self, size_t bytes, size_t alignment);
  void (*release)(void *self, void *memory, size_t bytes);
  void *self;
};

// Anonymous pages for large blocks (committed by the kernel when touched), the C heap for small ones.
const Allocator &system_allocator();

// Owns one allocation.
class Block {
public:
  Block() = default;
  Block(Block &&other) noexcept { swap(other); }
  Block &operator=(Block &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Block() { reset(); }

  // `what` names the block in the error, e.g. "activations".
  Status take(const Allocator &allocator, size_t bytes, size_t alignment, const char *what);
  void reset();
  uint8_t *data() const { return data_; }
  size_t size() const { return size_; }

private:
  void swap(Block &other) noexcept {
    std::swap(allocator_, other.allocator_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  Allocator allocator_ = {};
  uint8_t *data_ = nullptr;
  size_t size_ = 0;
};

// A fixed number of zeroed T.
template <class T> class Array {
  static_assert(std::is_trivially_destructible_v<T>);

public:
  Status take(const Allocator &allocator, size_t count, const char *what) {
    size_t bytes;
    if (!checked_mul(count, sizeof(T), &bytes))
      return Status::error(Code::no_memory, "%s: %zu entries are more than memory can hold", what, count);
    count_ = 0;
    INGOT_TRY(block_.take(allocator, bytes, alignof(T) < 64 ? 64 : alignof(T), what));
    count_ = count;
    return {};
  }
  T *data() const { return reinterpret_cast<T *>(block_.data()); }
  size_t size() const { return count_; }
  size_t bytes() const { return block_.size(); }
  T &operator[](size_t i) const { return data()[i]; }
  T *begin() const { return data(); }
  T *end() const { return data() + count_; }

private:
  Block block_;
  size_t count_ = 0;
};

} // namespace ingot
