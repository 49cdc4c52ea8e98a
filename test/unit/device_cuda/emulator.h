// The emulated driver, opened for tests: settings in the running process, and what is alive in it.
#pragma once
#include <cstdint>
#include <string>

namespace ingot::test {

// Makes INGOT_CUDA_DRIVER name the emulator and its state that of a fresh process with these settings
// (tools/cuda-emulator/README.md).
void emulate(const std::string &settings = "");

struct Live {
  uint64_t objects, bytes; // of the device: allocations, streams, events, modules, graphs; bytes of allocations
  uint64_t leaked;         // what was alive when contexts were released
};
Live live();

// How often a driver call was made since emulate().
uint64_t calls(const char *name);

// Bytes that copies to the host had since emulate().
uint64_t bytes_to_host();

} // namespace ingot::test
