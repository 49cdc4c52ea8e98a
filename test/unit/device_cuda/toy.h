// The hand-made model with a CUDA program that runs: PTX for sm_80 and sm_90, the last attend in splits with a finish.
#pragma once
#include "runtime/session/session.h"
#include "test/unit/artifact/forge.h"
#include "test/unit/artifact/kernels.h"

namespace ingot::test {

struct GpuToyOptions {
  uint32_t max_context = 64, window = 0;
  bool cpu = true; // a CPU program, too
  bool ptx80 = true, ptx90 = true, cubin90 = false;
  const char *logits_kernel = "logits"; // "wild": the head's kernel writes outside of memory
  uint32_t shared_bytes = 70000;        // of linear: above what is there without asking
};

struct GpuToy {
  std::vector<uint8_t> file;
  Artifact artifact;
  explicit GpuToy(const GpuToyOptions &options = {});
};

// Logits of every token fed, [tokens][vocab].
using Rows = std::vector<std::vector<float>>;

std::vector<int32_t> tokens_of(int seed, size_t count);

// Feeds tokens to a sequence `chunk` at a time and appends their logits. The first error ends it.
Status feed(Session &session, uint32_t sequence, const std::vector<int32_t> &tokens, size_t chunk, Rows *rows);

// All of that in a session of its own.
Status run(const Artifact &artifact, const SessionOptions &options, const std::vector<int32_t> &tokens, size_t chunk,
           Rows *rows);

} // namespace ingot::test
