#include "test/unit/device_cuda/emulator.h"
#include "tools/cuda-emulator/driver/testing.h"

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace ingot::test {
namespace {

template <class Function> Function *find(const char *name) {
  static void *library = dlopen(EMULATOR_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  void *address = library ? dlsym(library, name) : nullptr;
  if (!address) {
    fprintf(stderr, "%s: %s\n", EMULATOR_LIBRARY, dlerror());
    abort();
  }
  return reinterpret_cast<Function *>(address);
}

} // namespace

void emulate(const std::string &settings) {
  setenv("INGOT_CUDA_DRIVER", EMULATOR_LIBRARY, 1);
  if (find<decltype(ingot_emulator_configure)>("ingot_emulator_configure")(settings.c_str()) != 0) abort();
}

Live live() {
  Live live = {};
  find<decltype(ingot_emulator_live)>("ingot_emulator_live")(&live.objects, &live.bytes, &live.leaked);
  return live;
}

uint64_t calls(const char *name) { return find<decltype(ingot_emulator_calls)>("ingot_emulator_calls")(name); }

uint64_t bytes_to_host() {
  uint64_t bytes = 0;
  find<decltype(ingot_emulator_copied)>("ingot_emulator_copied")(nullptr, &bytes);
  return bytes;
}

} // namespace ingot::test
