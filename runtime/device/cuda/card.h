// One of the GPUs that the driver shows.
#pragma once
#include "runtime/device/cuda/driver.h"

#include <cstddef>

namespace ingot::cuda {

// What the card is and has.
struct Card {
  CUdevice device = 0;
  char name[96] = {};
  int architecture = 0; // 10 * major + minor
  int shared_bytes = 0; // dynamic shared memory that a CTA may ask for
  int processors = 0;
};

// Looks at card `index` of the open driver. Error: there is none; it names those that there are.
Status look_at(Driver &driver, uint32_t index, Card *card);

// "NVIDIA H200, sm_90, 139.8 GB" of the machine's card `index`; *count: how many there are. Opens the driver.
Status describe_card(uint32_t index, char *text, size_t capacity, uint32_t *count);

} // namespace ingot::cuda
