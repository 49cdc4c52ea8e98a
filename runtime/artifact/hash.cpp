#define XXH_INLINE_ALL
#include "runtime/artifact/layout.h"

#include <xxhash.h>

namespace ingot {

uint64_t hash_of(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

} // namespace ingot
