// The map behind its lock.
#include "compiler/target/ObjectCache.h"
#include "llvm/Support/xxhash.h"

using namespace ingot::cpu;

ObjectCache::Key ObjectCache::keyOf(llvm::StringRef kernel, uint64_t target) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(llvm::arrayRefFromStringRef(kernel));
  return {hash.low64 ^ target, hash.high64};
}

std::optional<ObjectCache::Bytes> ObjectCache::find(Key key) {
  std::lock_guard lock(mutex);
  auto known = objects.find(key);
  if (known == objects.end()) return std::nullopt;
  ++hitCount;
  return known->second;
}

void ObjectCache::insert(Key key, const Bytes &object) {
  std::lock_guard lock(mutex);
  objects.try_emplace(key, object);
}
