// The likeliest logits of each row, selected on the GPU, so that a sampled step brings a few pairs back instead of a
// row of logits. The order is that of runtime/sample/top.h.
//
// A block keeps the k greatest of up to 4096 keys, and so many blocks a row need as many rounds of the same kernel
// until one block is left: of 128k logits and k <= 128 two, of k = 1024 four. Keys are those of argmax.h: all differ,
// so which ones are kept and in what order does not depend on how a row is cut.
#pragma once
#include "runtime/device/cuda/own_kernel.h"
#include "runtime/sample/top.h"

namespace ingot::cuda {

class Top : public OwnKernel {
public:
  static constexpr uint32_t most_rounds = 10; // of any vocabulary

  // The power of two that holds `count` candidates: how many are selected.
  static uint32_t class_of(uint64_t count);
  // Keys between rounds that launch() needs room for, a row: in each of two regions.
  static uint64_t round_keys(uint32_t vocab, uint32_t region);

  Status load(Driver &driver);

  // Queues it for at most `rows` rows of [vocab] floats (the true number is the batch's n_logits): best[row][k] become
  // the row's keys, greatest first, and zeros behind them. k: a class. `between`: two regions of rows * round_keys().
  struct Places {
    CUdeviceptr logits, best, batch, between[2];
  };
  Status launch(Driver &driver, CUstream stream, const Places &places, uint32_t vocab, uint32_t rows, uint32_t k) const;

  // What a key stands for; the key is not 0.
  static Candidate candidate_of(uint64_t key);
};

} // namespace ingot::cuda
