// The command line of ingot-run.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ingot {

struct RunOptions {
  std::string model;
  std::optional<std::string> prompt, prompt_file;
  std::optional<std::vector<int32_t>> tokens;
  bool chat = false;
  std::string system;

  uint64_t most_tokens = UINT64_MAX; // -n
  std::optional<float> temperature, top_p, min_p, repetition_penalty;
  std::optional<uint32_t> top_k;
  uint64_t seed = 0;
  std::vector<std::string> stop;
  bool ignore_eos = false;

  bool print_tokens = false;
  std::string logits_file, profile_file;
  uint32_t chunk = 0; // 0: as many as a step takes
  std::string device; // "cpu", "cuda", "cuda:N"; "": what the model has code for
  uint32_t threads = 0;
  size_t kv_memory = 0;
  uint32_t max_sequences = 1;
  uint32_t max_context = 0;
  bool stats = false, json = false;
};

// Fills *options. Returns true to go on; else *exit_code is what to exit with (help, version, usage error: printed).
bool parse_options(int argc, char **argv, RunOptions *options, int *exit_code);

} // namespace ingot
