// The command line of ingot-bench.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace ingot {

struct BenchOptions {
  std::string model, reference, text; // reference and text: --quality
  std::vector<int32_t> prompts = {128, 512}, tokens = {128}, depths = {0}, batches = {1}, threads, steps;
  std::string device;               // "cpu", "cuda"; "": what the model has code for
  uint32_t repeats = 5, chunk = 32; // chunk: tokens that --quality feeds at a time
  bool json = false, random_weights = false;
};

// True to go on; else *exit_code is what to exit with.
bool parse_options(int argc, char **argv, BenchOptions *options, int *exit_code);

} // namespace ingot
