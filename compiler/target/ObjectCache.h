// Objects of kernels by what they were made from, for programs that compile many models in one process: families of
// models share most of their kernels. The key is a 128-bit hash of the kernel's MLIR and the level, so a hit gives the
// very bytes that compiling again would.
#pragma once
#include "compiler/target/CpuTarget.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace ingot::cpu {

/// Thread-safe. Grows without bound: it lives as long as a batch of compilations.
class ObjectCache {
public:
  using Key = std::pair<uint64_t, uint64_t>;
  using Bytes = llvm::SmallVector<char, 0>;

  static Key keyOf(llvm::StringRef kernel, CpuLevel level) { return keyOf(kernel, uint64_t(level)); }
  static Key keyOf(llvm::StringRef kernel, uint64_t target); // CUDA: an architecture
  std::optional<Bytes> find(Key key);
  void insert(Key key, const Bytes &object);
  size_t hits() const { return hitCount; }
  size_t size() const { return objects.size(); }

private:
  std::mutex mutex;
  std::map<Key, Bytes> objects;
  size_t hitCount = 0;
};

} // namespace ingot::cpu
