// One grid to run: what the pool's workers share out among themselves.
#pragma once
#include "runtime/format/abi.h"

namespace ingot {

struct Phase {
  ingot_kernel kernel = nullptr;
  const ingot_args *args = nullptr;
  uint64_t items = 0; // < 2^40
  uint32_t n_slots = 0;
  uint32_t step = 0;         // for profiles and errors
  uint32_t kernel_index = 0; // for profiles
  // When not null, each worker first runs all `prepare_items` of it into its own copy of the prepared rows, and hands
  // `kernel` arguments whose slot `prepared_slot` points there.
  ingot_kernel prepare = nullptr;
  uint64_t prepare_items = 0;
  uint32_t prepared_slot = 0;
};

// When a phase ran, on the pool's clock.
struct PhaseTime {
  uint64_t begin, end; // ns
};

} // namespace ingot
