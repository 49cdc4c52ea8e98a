// Time and peak memory of each phase: what --time prints and --report writes.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

struct Phase {
  std::string name;
  double seconds = 0;
  uint64_t peakBytes = 0; // of the process, by the phase's end
};

class PhaseReport {
public:
  /// Ends the running phase, if any, and starts `name`.
  void begin(std::string name);
  void end();
  const std::vector<Phase> &phases() const { return done; }

private:
  std::vector<Phase> done;
  std::string running;
  double started = 0;
};

} // namespace ingot
