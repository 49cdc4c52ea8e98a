// Device memory of the emulated GPU: an address space of its own in which every allocation is known, with one shadow
// bit a byte that says whether the byte was ever written. A device address is a real host address, so the driver's
// copies are memcpy; whoever writes device memory from the host must say so (`mark_written`), kernels do it themselves.
//
// Invariants
//  1. An allocation's granules belong to it alone, and one unowned granule follows it: an access that runs past the end
//     finds this allocation or none, never a neighbour.
//  2. Addresses are handed out once and never again: a use after free finds the freed allocation.
//  3. Bytes [0, written_prefix) are initialised and need no look at the shadow; only `forget` shrinks the prefix.
// Thread-safety: `find`, `check`, `mark_written` may run in many threads; `allocate`, `release`, `adopt` are serialised
// inside, but the caller must not release what a running kernel uses and expect a defined result (it is a fault).
#pragma once
#include "runtime/base/status.h"
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace ingot::emulator {

struct Allocation {
  uint64_t base = 0;
  size_t size = 0;
  uint8_t *shadow = nullptr; // bit k % 8 of byte k / 8: byte k was written; null = all of it counts as written
  uint8_t *stored = nullptr; // byte k: a kernel stored there, in the k-th piece of 64 bytes; null: nobody asks
  std::atomic<size_t> written_prefix{0};
  std::atomic<bool> live{true};
  bool read_only = false; // for kernels
  bool adopted = false;   // host memory that somebody else owns
};

enum class Access : uint8_t { ok, out_of_bounds, freed, uninitialised, read_only };

class Memory {
public:
  static constexpr size_t granule = size_t(1) << 16, stored_piece = 64;

  Memory() = default;
  ~Memory();
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  // Reserves the address space. `space` counts all that will ever be allocated, not what is alive at once.
  Status reserve(size_t space = size_t(1) << 40);

  // `bytes` > 0 of zeroed but uninitialised memory, aligned to 256 and, so that nobody relies on more, seldom to more.
  // 0 when the address space is used up. `written`: counts as initialised from the start (pinned host memory).
  uint64_t allocate(size_t bytes, bool written = false, bool read_only = false);
  // False unless `base` is the start of a live allocation (adopted ones included).
  bool release(uint64_t base);
  // Makes host memory [host, host + bytes) accessible to kernels at its own address, all of it initialised.
  bool adopt(const void *host, size_t bytes);

  // The allocation, alive or freed, whose granules hold `address`; null when there is none. The address may still be
  // outside its bytes.
  Allocation *find(uint64_t address) const {
    uint64_t offset = address - base_;
    if (offset < used_.load(std::memory_order_acquire)) return owner_[offset / granule];
    return adopted_count_.load(std::memory_order_acquire) ? find_adopted(address) : nullptr;
  }

  // May [address, address + bytes) be read (written)? For the driver's copies and memsets and for single accesses.
  Access check(uint64_t address, size_t bytes, bool write, bool initialised = true) const;
  // Are all of these bytes initialised? The range must lie in one allocation.
  static bool is_written(const Allocation &a, uint64_t address, size_t bytes);
  static void mark_written(Allocation &a, uint64_t address, size_t bytes);
  void mark_written(uint64_t address, size_t bytes);
  // Kernels say what they store; what the host writes (mark_written by address, copies) is nobody's store any more.
  static void mark_stored(const Allocation &a, uint64_t address, size_t bytes);
  static bool is_stored(const Allocation &a, uint64_t address, size_t bytes);
  // A device-to-device copy carries the shadow along: uninitialised bytes stay uninitialised. Both ranges are checked.
  void copy_written(uint64_t to, uint64_t from, size_t bytes);
  // Back to uninitialised (a stream-ordered pool that hands memory out again).
  void forget(uint64_t address, size_t bytes);

  size_t live_bytes() const { return live_bytes_.load(); }
  size_t live_count() const { return live_count_.load(); }

private:
  Allocation *find_adopted(uint64_t address) const;
  static void forget_stores(Allocation &a, uint64_t address, size_t bytes);

  uint64_t base_ = 0;
  size_t space_ = 0;
  uint8_t *shadow_ = nullptr, *stored_ = nullptr;
  Allocation **owner_ = nullptr; // by granule
  std::atomic<uint64_t> used_{0};
  std::atomic<size_t> live_bytes_{0}, live_count_{0}, adopted_count_{0};
  mutable std::mutex mutex_;
  std::deque<Allocation> allocations_; // stable addresses
  std::vector<Allocation *> adopted_;
};

const char *name(Access access);

} // namespace ingot::emulator
