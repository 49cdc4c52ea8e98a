// The largest logit of each row, found on the GPU, so that a greedy step brings 8 bytes back instead of a row of
// logits. The kernel is the runtime's own, PTX for sm_80 and later: it depends on nothing in the artifact.
#pragma once
#include "runtime/device/cuda/own_kernel.h"

namespace ingot::cuda {

// best[row], 0 before, becomes the greatest key of the row (atomic maximum; the order of writers does not matter).
// Keys: 32 bits that order as floats do, then ~index, so that the lowest index wins among equals. NaN and -inf have no
// key.
class Argmax : public OwnKernel {
public:
  Status load(Driver &driver);

  // Queues it for at most `rows` rows of [vocab] floats; the true number is the batch's n_logits.
  Status launch(Driver &driver, CUstream stream, CUdeviceptr logits, CUdeviceptr best, CUdeviceptr batch,
                uint32_t vocab, uint32_t rows) const;

  // The token behind a key; -1: there was no logit above minus infinity.
  static int32_t token_of(uint64_t key) { return key == 0 ? -1 : int32_t(~uint32_t(key)); }
};

} // namespace ingot::cuda
