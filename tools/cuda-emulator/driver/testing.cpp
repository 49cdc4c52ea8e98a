// The emulator's own exports.
#include "tools/cuda-emulator/driver/testing.h"
#include "runtime/base/cpu.h"
#include "tools/cuda-emulator/driver/driver.h"
#include <cstdio>
#include <cstring>

using namespace ingot;
using namespace ingot::emulator;

#define INGOT_EXPORT extern "C" __attribute__((visibility("default")))

INGOT_EXPORT void ingot_emulator_live(uint64_t *objects, uint64_t *device_bytes, uint64_t *leaked) {
  Driver &driver = Driver::get();
  std::lock_guard lock(driver.mutex);
  if (objects) *objects = driver.live_objects();
  if (device_bytes) *device_bytes = driver.device_bytes;
  if (leaked) *leaked = driver.leaked;
}

INGOT_EXPORT uint64_t ingot_emulator_calls(const char *call) {
  Driver &driver = Driver::get();
  std::lock_guard lock(driver.mutex);
  if (!call) return driver.all_calls;
  for (size_t i = 0; i < size_t(Call::count); ++i)
    if (!strcmp(name(Call(i)), call)) return driver.calls[i];
  return 0;
}

INGOT_EXPORT void ingot_emulator_copied(uint64_t *to_device, uint64_t *to_host) {
  Driver &driver = Driver::get();
  std::lock_guard lock(driver.mutex);
  if (to_device) *to_device = driver.copied_in;
  if (to_host) *to_host = driver.copied_out;
}

INGOT_EXPORT int ingot_emulator_configure(const char *text) {
  Driver &driver = Driver::get();
  std::lock_guard lock(driver.mutex);
  return driver.configure(text) ? 0 : -1;
}
