#include "tools/ingot-bench/read_probe.h"
#include "runtime/base/cpu.h"

#include <algorithm>
#include <cstring>
#include <immintrin.h>
#include <unistd.h>

namespace ingot {
namespace {

constexpr size_t item_bytes = size_t(256) << 10;

// Sums `streams` parts of an item side by side, so that the reads cannot be left out.
template <int streams> __attribute__((target("avx2"))) __m256i read_item(const uint8_t *item, uint64_t prefetch) {
  constexpr size_t part = item_bytes / streams;
  __m256i sum[streams] = {};
  for (size_t at = 0; at < part; at += 64)
    for (int s = 0; s < streams; ++s) {
      const uint8_t *line = item + s * part + at;
      if (prefetch) _mm_prefetch(reinterpret_cast<const char *>(line + prefetch), _MM_HINT_T0);
      sum[s] = _mm256_add_epi64(sum[s], _mm256_loadu_si256(reinterpret_cast<const __m256i *>(line)));
      sum[s] = _mm256_add_epi64(sum[s], _mm256_loadu_si256(reinterpret_cast<const __m256i *>(line + 32)));
    }
  for (int s = 1; s < streams; ++s) sum[0] = _mm256_add_epi64(sum[0], sum[s]);
  return sum[0];
}

// A kernel: slots are data, streams, prefetch distance.
__attribute__((target("avx2"))) int32_t read_items(const ingot_args *args, uint64_t begin, uint64_t end,
                                                   void *scratch) {
  auto data = reinterpret_cast<const uint8_t *>(args->slot[0]);
  for (uint64_t item = begin; item < end; ++item) {
    const uint8_t *at = data + item * item_bytes;
    __m256i sum = args->slot[1] == 4 ? read_item<4>(at, args->slot[2]) : read_item<1>(at, args->slot[2]);
    _mm256_storeu_si256(static_cast<__m256i *>(scratch), sum);
  }
  return 0;
}

size_t probe_bytes() {
  long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  size_t memory = size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGESIZE));
  size_t wanted = std::max(size_t(cache > 0 ? cache : 0) * 4, size_t(256) << 20);
  return std::min({wanted, size_t(4) << 30, memory / 4}) / item_bytes * item_bytes;
}

} // namespace

Status ReadProbe::open(const Artifact &artifact, uint32_t threads) {
  INGOT_TRY(memory_.take(system_allocator(), probe_bytes(), 4096, "read probe"));
  memset(memory_.data(), 1, memory_.size());
  if (artifact.layout().file.size() >= memory_.size()) mapped_ = artifact.layout().file;
  return pool_.open({.threads = threads, .processors = usable_cpus(), .scratch_bytes = 64});
}

Status ReadProbe::read(const uint8_t *data, size_t bytes, uint64_t streams, uint64_t prefetch, double *best) {
  uint64_t words[5] = {0, 0, reinterpret_cast<uintptr_t>(data), streams, prefetch};
  Phase phase = {
      .kernel = read_items, .args = reinterpret_cast<const ingot_args *>(words), .items = bytes / item_bytes};
  uint64_t begin = system_clock()();
  INGOT_TRY(pool_.run({&phase, 1}, nullptr, nullptr));
  double seconds = double(system_clock()() - begin) / 1e9;
  *best = std::max(*best, double(phase.items * item_bytes) / seconds);
  return {};
}

Status ReadProbe::measure(double *bytes_per_second) {
  *bytes_per_second = 0;
  for (Bytes bytes : {Bytes(memory_.data(), memory_.size()), mapped_})
    for (uint64_t streams : {1, 4})
      for (uint64_t prefetch : {0, 1024, 4096})
        if (!bytes.empty()) INGOT_TRY(read(bytes.data(), bytes.size(), streams, prefetch, bytes_per_second));
  return {};
}

} // namespace ingot
