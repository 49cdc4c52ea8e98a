// Monotonic time behind an interface, so that tests run in virtual time.
#pragma once
#include <cstdint>

namespace ingot {

struct Clock {
  uint64_t (*now)(void *self); // nanoseconds from an arbitrary start; never goes back
  void *self;

  uint64_t operator()() const { return now(self); }
};

const Clock &system_clock();

} // namespace ingot
