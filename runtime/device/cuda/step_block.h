// One block of GPU memory that holds everything a step is told: argument blocks, the batch and its arrays, and where
// the argmax of each logits row goes. It is written in pinned memory and goes up in one copy.
//
//   [argument blocks of body and head][best: u64 a logits row][ingot_batch][views][arrays, packed]
//
// Invariants
//  1. The first three parts lie at the same place in every step, so that graphs may keep their addresses.
//  2. The copy starts at `best` (zeroed: no logit chosen yet) unless the number of rows changed, which the argument
//     blocks hold.
//  3. Where things lie apart (places.h) 0xFF lies in front of every array, further than a step's own numbers reach: a
//     kernel that looks there finds pages, rows and positions that nobody has.
//  4. Block tables are cut to what the longest sequence of the step needs: table_stride differs from step to step.
#pragma once
#include "runtime/artifact/artifact.h"
#include "runtime/device/cuda/memory.h"
#include "runtime/device/device.h"

namespace ingot::cuda {

class StepBlock {
public:
  // Counts bytes.
  Status open(const plan::Plan &plan, const plan::Program &program, const DeviceOptions &options, bool apart);
  uint64_t bytes() const { return bytes_; }

  // `host` and `device` have bytes() each. Writes what never changes: argument blocks, whose slots `slot_of` gives.
  void place(uint8_t *host, CUdeviceptr device);
  ingot_args *args(plan::Space space, uint32_t step) { return reinterpret_cast<ingot_args *>(host_ + at(space, step)); }
  CUdeviceptr args_address(plan::Space space, uint32_t step) const { return device_ + at(space, step); }
  CUdeviceptr best_address() const { return device_ + best_; }
  CUdeviceptr batch_address() const { return device_ + batch_; }

  // Writes a step; *from and *count: the bytes that are to go up.
  void write(const ingot_batch &batch, uint64_t n_splits, const CUdeviceptr *pages, uint64_t *from, uint64_t *count);
  // What was written did not get there.
  void forget() { rows_[0] = rows_[1] = UINT64_MAX; }
  const uint8_t *host(uint64_t at) const { return host_ + at; }
  CUdeviceptr device(uint64_t at) const { return device_ + at; }
  uint64_t best_offset() const { return best_; }

private:
  uint64_t at(plan::Space space, uint32_t step) const {
    return offsets_[space == plan::Space::body ? step : n_body_ + step];
  }
  uint64_t next_array();
  template <class T> T *put(const T *from, uint64_t count);
  void set_rows(const plan::Entry &entry, plan::Space space, uint64_t rows);

  const plan::Plan *plan_ = nullptr;
  const plan::Program *program_ = nullptr;
  Array<uint64_t> offsets_; // of the argument blocks: body's, then head's
  uint32_t n_body_ = 0, n_groups_ = 0;
  size_t strides_[most_cache_groups] = {};
  uint64_t best_ = 0, batch_ = 0, arrays_ = 0, bytes_ = 0, most_logits_ = 0;
  uint64_t rows_[2] = {}; // that the argument blocks on the GPU hold
  uint8_t *host_ = nullptr;
  CUdeviceptr device_ = 0;
  uint64_t gap_ = 0;  // bytes in front of every array
  uint64_t next_ = 0; // while a step is written
};

} // namespace ingot::cuda
