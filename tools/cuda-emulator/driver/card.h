// The attributes of the emulated card: those of a real architecture (CUDA C++ Programming Guide, table "Technical
// Specifications per Compute Capability") with the multiprocessors and the memory that the settings ask for.
#pragma once
#include "tools/cuda-emulator/driver/settings.h"

namespace ingot::emulator {

struct Card {
  unsigned major, minor;
  unsigned threads_per_sm, blocks_per_sm, registers_per_sm;
  size_t shared_per_sm, shared_per_block_optin; // bytes
  size_t shared_reserved = 1024;                // of every block, by the driver
  size_t l2;
  unsigned memory_khz, bus_bits;
};

Card card_of(const Settings &settings);

// False for an attribute that the emulated driver does not know.
bool attribute(const Card &card, const Settings &settings, cuda::CUdevice_attribute attribute, int *value);

// Newest PTX version (10 * major + minor) that a driver of this version compiles, by the PTX ISA's release notes.
unsigned ptx_version_of_driver(int driver);

} // namespace ingot::emulator
