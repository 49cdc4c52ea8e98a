// What only the emulated driver exports, for tests that have opened it: a look at what is alive, and other settings in
// the running process. Look the names up with dlsym; a real driver does not have them.
#pragma once
#include <cstdint>

extern "C" {

// Live device and pinned allocations, streams, events, modules, graphs and executable graphs, and the device bytes.
// Null pointers are skipped. `leaked` sums what was alive when contexts were released.
void ingot_emulator_live(uint64_t *objects, uint64_t *device_bytes, uint64_t *leaked);

// How often the call was made (null: all calls) since the last `ingot_emulator_configure`; injections count alike.
uint64_t ingot_emulator_calls(const char *call);

// Bytes of all copies to the device and to the host since then. Null pointers are skipped.
void ingot_emulator_copied(uint64_t *to_device, uint64_t *to_host);

// As a fresh process with INGOT_EMULATOR=settings: counts, sticky error, context and everything in it are gone, the
// card is another. No other thread may be in a call. 0, or -1 when the settings are wrong (one line on stderr).
int ingot_emulator_configure(const char *settings);
}
