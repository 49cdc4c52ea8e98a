// How many weight streams a processor likes to read at once. The bits do not depend on it, only the speed.
#pragma once
#include "runtime/base/cpu.h"

namespace ingot {

inline constexpr uint32_t most_streams = 255;

// 1 on AMD's Zen (measured: one plain stream 0.90-1.10 of the read limit, four 0.62-0.73); most_streams on Intel
// (Emerald Rapids: four streams 0.97-1.00, one 0.65-0.70) and on CPUs that nobody measured.
inline uint32_t streams_of(const Cpu &cpu) { return cpu.amd ? 1 : most_streams; }

} // namespace ingot
