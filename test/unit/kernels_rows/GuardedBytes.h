// Bytes that end where an unmapped page begins: a kernel that reads past them crashes.
#pragma once
#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <utility>
#include <vector>

namespace ingot {

class GuardedBytes {
public:
  explicit GuardedBytes(size_t size) : size(size), total((size + 4095) / 4096 * 4096 + 4096) {
    base = static_cast<uint8_t *>(mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base + total - 4096, 4096, PROT_NONE);
  }
  GuardedBytes(const std::vector<uint8_t> &bytes) : GuardedBytes(bytes.size()) { memcpy(data(), bytes.data(), size); }
  GuardedBytes(GuardedBytes &&other) : size(other.size), total(other.total), base(std::exchange(other.base, nullptr)) {}
  ~GuardedBytes() {
    if (base) munmap(base, total);
  }
  uint8_t *data() { return base + total - 4096 - size; }

private:
  size_t size, total;
  uint8_t *base;
};

} // namespace ingot
