// --steps: how long each kernel of the plan takes at given numbers of rows, against what the machine can do.
#pragma once
#include "runtime/artifact/artifact.h"
#include "tools/ingot-bench/options.h"

#include <string>
#include <vector>

namespace ingot {

// One kernel in steps of so many rows.
struct KernelTime {
  uint32_t rows;
  std::string kernel, part;    // part: prepare, main, finish
  uint32_t launches;           // of it in one step
  double us;                   // of one launch: the median over launches and repeats
  uint64_t weight_bytes, macs; // of one launch (the first of its kind)
};

struct StepTimes {
  std::string device;
  bool on_gpu = false;
  double read_limit = 0, multiply_limit = 0; // bytes, multiply-adds a second; 0: not measured
  std::vector<KernelTime> kernels;
};

// Every number of options.steps is the length of one chunk of a prompt, behind the first of options.depths.
Status measure_steps(const Artifact &artifact, const BenchOptions &options, StepTimes *times);

void print(const StepTimes &times, bool json);

} // namespace ingot
