// --random-weights: seeded weights for an artifact that was compiled with --no-weights, so that a model's speed can be
// measured without its data. The same artifact gets the same weights everywhere.
#pragma once
#include "runtime/artifact/artifact.h"

#include <span>

namespace ingot {

// Fills one packed weight. `layout` is the plan's name of it (compiler/weights/layout.h, "rows." + element for plain
// tensors); `cols` the length of its rows. Matrices keep the size of what they multiply, all else has magnitudes from
// 0.5 to 1, integers (indices) are 0: results stay finite. False: an unknown layout, or `bytes` does not fit it.
bool fill_random(const char *layout, uint64_t cols, std::span<uint8_t> bytes, uint64_t *random);

class RandomWeights {
public:
  RandomWeights() = default;
  RandomWeights(const RandomWeights &) = delete;
  ~RandomWeights();

  // Makes weights for the whole artifact and puts them in the place of its own. Must outlive the artifact's sessions.
  Status replace(Artifact *artifact);

private:
  uint8_t *data_ = nullptr;
  size_t size_ = 0;
};

} // namespace ingot
