#include "memory.h"
#include <algorithm>
#include <cstring>
#include <sys/mman.h>

namespace ingot::emulator {

namespace {

void *reserve_pages(size_t bytes, int protection) {
  void *at = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

// The pages that hold [address, address + bytes).
void page_range(uint64_t address, size_t bytes, uint64_t *begin, size_t *length) {
  *begin = address & ~uint64_t(4095);
  *length = ((address + bytes + 4095) & ~uint64_t(4095)) - *begin;
}

bool all_set(const uint8_t *shadow, size_t first, size_t last) { // bits [first, last)
  for (; first < last && first % 8; ++first)
    if (!(shadow[first / 8] >> first % 8 & 1)) return false;
  for (; first + 64 <= last; first += 64) {
    uint64_t word;
    memcpy(&word, shadow + first / 8, 8);
    if (~word) return false;
  }
  for (; first < last; ++first)
    if (!(shadow[first / 8] >> first % 8 & 1)) return false;
  return true;
}

// Bytes of the shadow are shared by neighbours that two threads may write at once: partial ones are set atomically.
void set_bits(uint8_t *byte, uint8_t bits) {
  if ((__atomic_load_n(byte, __ATOMIC_RELAXED) & bits) != bits) __atomic_fetch_or(byte, bits, __ATOMIC_RELAXED);
}

void set_range(uint8_t *shadow, size_t first, size_t last) {
  size_t full = (first + 7) / 8, end = last / 8;
  if (full > end) return set_bits(shadow + end, uint8_t((1u << last % 8) - (1u << first % 8)));
  if (first % 8) set_bits(shadow + first / 8, uint8_t(0xffu << first % 8));
  if (end > full) memset(shadow + full, 0xff, end - full);
  if (last % 8) set_bits(shadow + end, uint8_t((1u << last % 8) - 1));
}

void clear_range(uint8_t *shadow, size_t first, size_t last) {
  for (; first < last && first % 8; ++first) shadow[first / 8] &= uint8_t(~(1u << first % 8));
  if (last - first >= 8) memset(shadow + first / 8, 0, (last - first) / 8);
  for (first += (last - first) / 8 * 8; first < last; ++first) shadow[first / 8] &= uint8_t(~(1u << first % 8));
}

} // namespace

const char *name(Access access) {
  switch (access) {
  case Access::ok:
    return "ok";
  case Access::out_of_bounds:
    return "outside of every allocation";
  case Access::freed:
    return "freed memory";
  case Access::uninitialised:
    return "uninitialised bytes";
  case Access::read_only:
    return "read-only memory";
  }
  return "";
}

Memory::~Memory() {
  if (base_) munmap(reinterpret_cast<void *>(base_), space_);
  if (shadow_) munmap(shadow_, space_ / 8);
  if (stored_) munmap(stored_, space_ / stored_piece);
  if (owner_) munmap(owner_, space_ / granule * sizeof(*owner_));
}

Status Memory::reserve(size_t space) {
  if (base_) return Status::error(Code::usage, "the emulated memory is already reserved");
  space_ = (space + granule - 1) / granule * granule;
  void *at = reserve_pages(space_, PROT_NONE);
  shadow_ = static_cast<uint8_t *>(reserve_pages(space_ / 8, PROT_READ | PROT_WRITE));
  stored_ = static_cast<uint8_t *>(reserve_pages(space_ / stored_piece, PROT_READ | PROT_WRITE));
  owner_ = static_cast<Allocation **>(reserve_pages(space_ / granule * sizeof(*owner_), PROT_READ | PROT_WRITE));
  base_ = reinterpret_cast<uint64_t>(at);
  if (!at || !shadow_ || !stored_ || !owner_)
    return Status::error(Code::no_memory, "cannot reserve %zu bytes of address space for the emulated GPU", space_);
  return {};
}

uint64_t Memory::allocate(size_t bytes, bool written, bool read_only) {
  std::lock_guard lock(mutex_);
  uint64_t start = used_.load();
  // The start moves within the granule: multiples of 256 as a driver gives, but no larger power to lean on.
  uint64_t shift = 256 * (1 + allocations_.size() % 7);
  if (!bytes || bytes > space_ || space_ - start < bytes + shift + 2 * granule) return 0;
  uint64_t granules = (shift + bytes + granule - 1) / granule + 1;
  uint64_t base = base_ + start + shift, begin;
  size_t length;
  page_range(base, bytes, &begin, &length);
  if (mprotect(reinterpret_cast<void *>(begin), length, PROT_READ | PROT_WRITE)) return 0;
  Allocation &a = allocations_.emplace_back();
  a.base = base;
  a.size = bytes;
  a.shadow = written ? nullptr : shadow_ + (base - base_) / 8;
  a.stored = stored_ + (base - base_) / stored_piece;
  a.written_prefix = written ? bytes : 0;
  a.read_only = read_only;
  for (uint64_t k = 0; k < granules; ++k) owner_[start / granule + k] = &a;
  used_.store(start + granules * granule, std::memory_order_release);
  live_bytes_ += bytes;
  ++live_count_;
  return base;
}

bool Memory::release(uint64_t base) {
  Allocation *a = find(base);
  std::lock_guard lock(mutex_);
  if (!a || a->base != base || !a->live.exchange(false)) return false;
  live_bytes_ -= a->adopted ? 0 : a->size;
  --live_count_;
  if (a->adopted) {
    std::erase(adopted_, a);
    adopted_count_ = adopted_.size();
    return true;
  }
  uint64_t begin;
  size_t length;
  page_range(base, a->size, &begin, &length);
  madvise(reinterpret_cast<void *>(begin), length, MADV_DONTNEED);
  mprotect(reinterpret_cast<void *>(begin), length, PROT_NONE);
  if (a->shadow) {
    uint64_t from = reinterpret_cast<uint64_t>(a->shadow) + 4095 & ~uint64_t(4095);
    uint64_t to = reinterpret_cast<uint64_t>(a->shadow) + a->size / 8 & ~uint64_t(4095);
    if (to > from) madvise(reinterpret_cast<void *>(from), to - from, MADV_DONTNEED);
  }
  return true;
}

bool Memory::adopt(const void *host, size_t bytes) {
  uint64_t base = reinterpret_cast<uint64_t>(host);
  std::lock_guard lock(mutex_);
  if (!bytes || base - base_ < space_) return false;
  for (Allocation *a : adopted_)
    if (base < a->base + a->size && a->base < base + bytes) return false;
  Allocation &a = allocations_.emplace_back();
  a.base = base;
  a.size = bytes;
  a.written_prefix = bytes;
  a.adopted = true;
  adopted_.push_back(&a);
  adopted_count_ = adopted_.size();
  ++live_count_;
  return true;
}

Allocation *Memory::find_adopted(uint64_t address) const {
  std::lock_guard lock(mutex_);
  for (Allocation *a : adopted_)
    if (address - a->base < a->size) return a;
  return nullptr;
}

bool Memory::is_written(const Allocation &a, uint64_t address, size_t bytes) {
  uint64_t first = address - a.base;
  if (!a.shadow || first + bytes <= a.written_prefix.load(std::memory_order_relaxed)) return true;
  return all_set(a.shadow, first, first + bytes);
}

void Memory::mark_written(Allocation &a, uint64_t address, size_t bytes) {
  if (!a.shadow) return;
  uint64_t first = address - a.base, last = first + bytes;
  set_range(a.shadow, first, last);
  size_t prefix = a.written_prefix.load(std::memory_order_relaxed);
  while (first <= prefix && prefix < last && !a.written_prefix.compare_exchange_weak(prefix, last)) {
  }
}

void Memory::mark_written(uint64_t address, size_t bytes) {
  Allocation *a = find(address);
  if (!a) return;
  mark_written(*a, address, bytes);
  forget_stores(*a, address, bytes);
}

// Threads may write neighbouring bytes of a piece at once, and all of them write a 1.
void Memory::mark_stored(const Allocation &a, uint64_t address, size_t bytes) {
  if (!a.stored) return;
  uint64_t last = (address - a.base + bytes - 1) / stored_piece;
  for (uint64_t k = (address - a.base) / stored_piece; k <= last; ++k)
    if (!__atomic_load_n(a.stored + k, __ATOMIC_RELAXED)) __atomic_store_n(a.stored + k, 1, __ATOMIC_RELAXED);
}

bool Memory::is_stored(const Allocation &a, uint64_t address, size_t bytes) {
  if (!a.stored) return false;
  uint64_t last = (address - a.base + bytes - 1) / stored_piece;
  for (uint64_t k = (address - a.base) / stored_piece; k <= last; ++k)
    if (__atomic_load_n(a.stored + k, __ATOMIC_RELAXED)) return true;
  return false;
}

void Memory::forget_stores(Allocation &a, uint64_t address, size_t bytes) {
  if (!a.stored || !bytes) return;
  uint64_t first = (address - a.base) / stored_piece, last = (address - a.base + bytes - 1) / stored_piece;
  memset(a.stored + first, 0, last - first + 1);
}

void Memory::copy_written(uint64_t to, uint64_t from, size_t bytes) {
  Allocation *target = find(to), *source = find(from);
  if (!target || !source) return;
  forget_stores(*target, to, bytes);
  if (!target->shadow) return;
  if (is_written(*source, from, bytes)) return mark_written(*target, to, bytes);
  std::vector<bool> written(bytes);
  for (size_t k = 0; k < bytes; ++k) written[k] = is_written(*source, from + k, 1);
  forget(to, bytes);
  for (size_t k = 0; k < bytes; ++k)
    if (written[k]) set_range(target->shadow, to + k - target->base, to + k + 1 - target->base);
}

void Memory::forget(uint64_t address, size_t bytes) {
  Allocation *a = find(address);
  if (!a || !a->shadow) return;
  uint64_t first = address - a->base;
  // The prefix shrinks here only; the caller has no kernel running on these bytes. What it vouched for goes to bits.
  size_t prefix = a->written_prefix.load();
  if (first < prefix) {
    set_range(a->shadow, 0, prefix);
    a->written_prefix = first;
  }
  clear_range(a->shadow, first, first + bytes);
}

Access Memory::check(uint64_t address, size_t bytes, bool write, bool initialised) const {
  const Allocation *a = find(address);
  if (!a || address < a->base || address - a->base > a->size || bytes > a->size - (address - a->base))
    return Access::out_of_bounds;
  if (!a->live) return Access::freed;
  if (write) return a->read_only ? Access::read_only : Access::ok;
  return !initialised || is_written(*a, address, bytes) ? Access::ok : Access::uninitialised;
}

} // namespace ingot::emulator
