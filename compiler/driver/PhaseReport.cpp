#include "compiler/driver/PhaseReport.h"

#include <chrono>
#include <sys/resource.h>

using namespace ingot;

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void PhaseReport::begin(std::string name) {
  end();
  running = std::move(name);
  started = now();
}

void PhaseReport::end() {
  if (running.empty()) return;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  done.push_back({std::move(running), now() - started, uint64_t(usage.ru_maxrss) * 1024});
  running.clear();
}
