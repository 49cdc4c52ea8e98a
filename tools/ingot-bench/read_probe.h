// How fast this machine reads: the best of {huge-page anonymous memory, the mapped artifact} x {1, 4 streams} x
// {no prefetch, 1 KB, 4 KB ahead} over at least four times the last cache, with the threads of the run.
#pragma once
#include "runtime/artifact/artifact.h"
#include "runtime/device/cpu/pool.h"

namespace ingot {

class ReadProbe {
public:
  // Takes and touches the memory. The mapped file joins in when it is large enough.
  Status open(const Artifact &artifact, uint32_t threads);
  // Bytes a second of one round over every way; the best is the limit.
  Status measure(double *bytes_per_second);

private:
  Status read(const uint8_t *data, size_t bytes, uint64_t streams, uint64_t prefetch, double *best);

  Pool pool_;
  Block memory_;
  Bytes mapped_;
};

} // namespace ingot
