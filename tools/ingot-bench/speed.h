// Prefill and decode speeds: cases are repeated in turn with the read probe, so that all see the same machine.
#pragma once
#include "runtime/artifact/artifact.h"
#include "tools/ingot-bench/options.h"

#include <string>
#include <vector>

namespace ingot {

struct SpeedCase {
  bool decode;
  uint32_t threads, batch, tokens, depth; // batch: sequences that decode side by side; tokens: of each
  std::vector<double> speeds;             // tokens a second of all sequences, one a repeat
  std::vector<double> host_us;            // CUDA: the processor's time a step besides waiting, one a repeat
  double read_fraction = 0;               // decode: of the best probe of these threads
};

struct SpeedReport {
  uint64_t bytes_per_token; // of weights
  std::string device;       // "cpu", or the GPU's name
  bool on_gpu;
  std::vector<SpeedCase> cases;
  std::vector<double> probes; // bytes a second, one a thread count, in the order of options.threads
};

// `options.threads` is not empty.
Status measure_speed(const Artifact &artifact, const BenchOptions &options, SpeedReport *report);

// The middle one (of an even number: the mean of the middle two).
double median(std::vector<double> values);

} // namespace ingot
