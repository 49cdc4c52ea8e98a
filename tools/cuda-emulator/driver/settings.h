// What the emulated driver and card are to be: read once from the environment variable INGOT_EMULATOR, a comma list of
// `key=value`. Every key has a default; an unknown key or a bad value is an error, never ignored.
#pragma once
#include "runtime/base/status.h"
#include "runtime/device/cuda/driver_api.h"
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::emulator {

// The `nth` call (from 1) of `call`, or of any call if it is empty, fails with `error` (success: a plausible one).
struct Injection {
  std::string call;
  uint64_t nth = 1;
  cuda::CUresult error = cuda::CUDA_SUCCESS;
};

struct Settings {
  unsigned sm = 90;     // 10 * major + minor of the compute capability
  unsigned sms = 132;   // multiprocessors
  unsigned devices = 1; // equal cards, of which one at a time has a context; 0: a machine without a card
  size_t memory = size_t(16) << 30;
  int driver = 12040;       // as cuDriverGetVersion answers
  uint64_t seed = 0;        // 0: work runs as late as is legal, 1: at once, others: drawn
  unsigned threads = 0;     // host threads of the interpreter; 0: as many as the process may use
  int races = 0;            // look for races: 1 in shared memory, 2 in global memory too
  unsigned mma = 0;         // products that an mma adds at once: 0, 8, 16
  bool drift = false;       // lanes of a warp drift apart between .sync instructions
  bool checks = true;       // check every memory access
  bool trace = false;       // a line in the log for every call
  unsigned grid = 0;        // CTAs of every launch in place of what the caller asks for: see README.md
  unsigned times = 1;       // times as many CTAs of every launch as the caller asks for: see README.md
  bool profile = false;     // count instructions by kernel: dependent launches run one by one
  bool strict_exit = false; // a leak ends the process with code 97
  std::vector<Injection> injections;
  std::string hang;    // kernel that never ends
  bool poison = false; // zeros that the host fills device memory with arrive as ones: NaN
  unsigned mutate = 0; // line of the PTX that `mutant` replaces; 0: none
  std::string mutant;
  std::string coverage; // file for the lines of the PTX that ran
  std::string log;      // file that the log is appended to; empty: only faults and leaks, on stderr
};

// `text` may be empty. The message names the key and says which exist.
Status parse_settings(std::string_view text, Settings *settings);

} // namespace ingot::emulator
