#include "runtime/base/clock.h"

#include <ctime>

namespace ingot {

static uint64_t system_now(void *) {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return uint64_t(time.tv_sec) * 1000000000u + uint64_t(time.tv_nsec);
}

const Clock &system_clock() {
  static constexpr Clock clock = {system_now, nullptr};
  return clock;
}

} // namespace ingot
