#include "runtime/base/cpu.h"

#include <cpuid.h>
#include <cstring>

namespace ingot {
namespace {

bool has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

uint64_t enabled_state() {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

CpuLevel detect_level() {
  uint32_t a, b, c1, d, b7, c7, c81;
  if (!__get_cpuid(1, &a, &b, &c1, &d)) return cpu_level_none;
  if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d)) return cpu_level_none;
  if (!__get_cpuid(0x80000001, &a, &b, &c81, &d)) return cpu_level_none;
  bool v3 = has(c1, bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C | bit_POPCNT) && // leaf 1
            has(b7, bit_AVX2 | bit_BMI | bit_BMI2) && has(c81, bit_LZCNT);
  if (!v3) return cpu_level_none;
  uint64_t state = enabled_state();
  if ((state & 0x6) != 0x6) return cpu_level_none; // xmm and ymm
  bool v4 = has(b7, bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL) && has(c7, bit_AVX512VNNI);
  return v4 && (state & 0xe6) == 0xe6 ? cpu_level_v4 : cpu_level_v3; // and opmask, zmm
}

} // namespace

Cpu detect_cpu() {
  Cpu cpu = {detect_level(), false, false, 0, 0};
  uint32_t a, b, c, d;
  if (!__get_cpuid(0, &a, &b, &c, &d)) return cpu;
  cpu.intel = b == signature_INTEL_ebx && d == signature_INTEL_edx && c == signature_INTEL_ecx;
  cpu.amd = b == signature_AMD_ebx && d == signature_AMD_edx && c == signature_AMD_ecx;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return cpu;
  cpu.family = a >> 8 & 15;
  cpu.model = a >> 4 & 15;
  if (cpu.family == 6 || cpu.family == 15) cpu.model |= a >> 12 & 0xf0;
  if (cpu.family == 15) cpu.family += a >> 20 & 0xff;
  return cpu;
}

Status choose_level(const Cpu &cpu, const char *forced, CpuLevel *level) {
  if (cpu.level < cpu_level_v3)
    return Status::error(Code::unsupported,
                         "this CPU lacks AVX2, FMA, F16C or BMI2 (x86-64-v3), the least that Ingot runs on");
  *level = cpu.level;
  if (!forced || !*forced) return {};
  if (strcmp(forced, "v3") == 0)
    *level = cpu_level_v3;
  else if (strcmp(forced, "v4") == 0)
    *level = cpu_level_v4;
  else
    return Status::error(Code::bad_input, "INGOT_CPU=%.40s: the levels are v3 and v4", forced);
  if (*level > cpu.level)
    return Status::error(Code::unsupported,
                         "INGOT_CPU=v4: this CPU lacks AVX-512 F, BW, CD, DQ, VL or VNNI; it runs v3");
  return {};
}

} // namespace ingot
