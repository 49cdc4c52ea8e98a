// What the processor and its owner allow: instruction level, name, number of threads.
#pragma once
#include "runtime/base/status.h"

namespace ingot {

// Levels of generated code. v3: AVX2, FMA, F16C, BMI1/2, LZCNT, MOVBE. v4: v3 and AVX-512 F, BW, CD, DQ, VL, VNNI.
enum CpuLevel : uint32_t { cpu_level_none = 0, cpu_level_v3 = 3, cpu_level_v4 = 4 };

struct Cpu {
  CpuLevel level;  // what the instructions and the operating system's saved state allow
  bool intel, amd; // neither: another vendor
  uint32_t family, model;
};

Cpu detect_cpu();

// The level to run: the CPU's, or the one that INGOT_CPU (v3 or v4; null or "": none asked) forces. Errors: below v3, a
// level that the CPU lacks, an unknown name.
Status choose_level(const Cpu &cpu, const char *forced, CpuLevel *level);

// Processors this process may keep busy: its affinity mask, cut by the cgroup's quota (v1 or v2, every ancestor).
// `root` is put before /proc and /sys (tests); "" in earnest.
uint32_t usable_cpus(const char *root = "");

} // namespace ingot
