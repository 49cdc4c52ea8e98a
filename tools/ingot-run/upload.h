// Shows on a terminal how far the weights are on their way to the GPU; silent elsewhere, and when it is quick.
#pragma once
#include "runtime/base/clock.h"

#include <cstdio>
#include <unistd.h>

namespace ingot {

class Upload {
public:
  static void moved(void *self, uint64_t done, uint64_t total) { static_cast<Upload *>(self)->show(done, total); }

private:
  static constexpr uint64_t interval_ns = 200'000'000;

  void show(uint64_t done, uint64_t total) {
    uint64_t now = system_clock()();
    if (last_ == 0) last_ = now;
    if (done == total && shown_) fprintf(stderr, "\r\033[K");
    if (done == total || !is_terminal_ || now - last_ < interval_ns) return;
    fprintf(stderr, "\ringot-run: weights to the GPU: %3.0f %% of %.1f GB", 100.0 * double(done) / double(total),
            double(total) * 1e-9);
    last_ = now;
    shown_ = true;
  }

  bool is_terminal_ = isatty(STDERR_FILENO) != 0, shown_ = false;
  uint64_t last_ = 0;
};

} // namespace ingot
