// How fast the emulated GPU is: lane instructions a second on loops of one kind, and the time of a matrix instruction,
// with every check on but the race detector. Built on request: ninja bench_emulator.
#include "tools/cuda-emulator/machine.h"
#include <cstdio>
#include <cstring>
#include <ctime>

using namespace ingot::emulator;

namespace {

struct Case {
  const char *name, *body; // `body` is unrolled eight times in a loop of `p2` rounds
};

const Case cases[] = {
    {"integer: mad, add, xor", "mad.lo.s32 %r1, %r1, %r2, %r3; add.s32 %r2, %r2, 12345; xor.b32 %r3, %r3, %r1;"},
    {"float: fma, add, mul",
     "fma.rn.f32 %f1, %f1, %f2, %f3; add.rn.f32 %f2, %f2, %f3; mul.rn.f32 %f3, %f3, 0f3F7FFFFF;"},
    {"convert bf16 pairs", "cvt.rn.bf16x2.f32 %r1, %f1, %f2; shl.b32 %r2, %r1, 16; and.b32 %r3, %r1, -65536;"},
    {"global load v4 + use", "ld.global.nc.v4.b32 {%r1,%r2,%r3,%r4}, [%rd1]; add.s32 %r5, %r5, %r1;"},
    {"global load 2 bytes", "ld.global.b16 %rs1, [%rd2]; cvt.f32.bf16 %f1, %rs1; fma.rn.f32 %f3, %f1, %f2, %f3;"},
    {"global store 4 bytes", "st.global.b32 [%rd4], %r1;"},
    {"shared load v4", "ld.shared.v4.b32 {%r1,%r2,%r3,%r4}, [%rd3];"},
    {"shared load, scattered", "ld.shared.b32 %r1, [%rd5];"},
    {"shuffle + add", "shfl.sync.bfly.b32 %r1, %r2, 1, 31, -1; add.s32 %r2, %r2, %r1;"},
    {"ex2, rcp", "ex2.approx.ftz.f32 %f1, %f2; rcp.approx.ftz.f32 %f2, %f1;"},
    {"setp, selp", "setp.lt.s32 %p2, %r1, %r2; selp.b32 %r1, %r2, %r3, %p2;"},
    {"cp.async 16 + wait",
     "cp.async.cg.shared.global [%r9], [%rd1], 16; cp.async.commit_group; cp.async.wait_group 0;"},
    {"ldmatrix x4", "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1,%r2,%r3,%r4}, [%rd3];"},
    {"mma m16n8k16 bf16", "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, "
                          "{%r5,%r6}, {%f1,%f2,%f3,%f4};"},
    {"mma m16n8k16 f16", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, {%r1,%r2,%r3,%r4}, "
                         "{%r5,%r6}, {%f1,%f2,%f3,%f4};"},
    {"mma m16n8k32 s8", "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r10,%r11,%r12,%r13}, {%r1,%r2,%r3,%r4}, "
                        "{%r5,%r6}, {%r10,%r11,%r12,%r13};"},
    {"divergent halves", "@%p3 bra A#; add.s32 %r1, %r1, 1; add.s32 %r1, %r1, 1; bra B#;\nA#: add.s32 %r2, %r2, 1; "
                         "add.s32 %r2, %r2, 1;\nB#:"},
};

std::string text_of(const Case &c) {
  std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p0, .param .u64 p1, "
                     ".param .u32 p2) {\n"
                     ".reg .pred %p<9>; .reg .b16 %rs<9>; .reg .b32 %r<20>; .reg .f32 %f<9>; .reg .b64 "
                     "%rd<9>;\n.shared .align 16 .b8 s[4096];\n"
                     "ld.param.u64 %rd1, [p0]; ld.param.u64 %rd4, [p1]; ld.param.u32 %r8, [p2]; mov.u32 %r7, %tid.x; "
                     "mad.wide.u32 %rd2, %r7, 2, %rd1;"
                     "mad.wide.u32 %rd1, %r7, 16, %rd1; mad.wide.u32 %rd4, %r7, 4, %rd4; mov.u64 %rd3, s; mov.u32 %r9, "
                     "s; shl.b32 %r6, %r7, 4;"
                     "add.u32 %r9, %r9, %r6; and.b32 %r6, %r6, 511; cvt.u64.u32 %rd6, %r6; add.u64 %rd3, %rd3, %rd6; "
                     "mul.lo.u32 %r6, %r7, 13; and.b32 %r6, %r6, 127;"
                     "mov.u64 %rd5, s; mad.wide.u32 %rd5, %r6, 4, %rd5; and.b32 %r6, %r7, 16; setp.eq.u32 %p3, %r6, 0;"
                     "mov.f32 %f1, 0f3F800000; mov.f32 %f2, 0f3F000000; mov.f32 %f3, 0f3E800000; mov.f32 %f4, "
                     "0f00000000; mov.u32 %r1, 0x3f803f80; mov.u32 %r2, 0x3f803f80; mov.u32 %r3, 0x3f803f80;"
                     "mov.u32 %r4, 0x3f803f80; mov.u32 %r5, 0x3f803f80; mov.u32 %r6, 0x3f803f80; mov.u32 %r10, 0; "
                     "mov.u32 %r11, 0; mov.u32 %r12, "
                     "0; mov.u32 %r13, 0;"
                     "st.shared.v4.b32 [%rd3], {%r1,%r2,%r3,%r4}; bar.sync 0;\n";
  text += "L: ";
  for (int k = 0; k < 8; ++k)
    for (const char *p = c.body; *p; ++p) text += *p == '#' ? std::to_string(k) : std::string(1, *p);
  return text + "\nsub.u32 %r8, %r8, 1; setp.ne.u32 %p1, %r8, 0; @%p1 bra L; ret; }\n";
}

// Processor time: other work on the machine does not count.
double processor_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

} // namespace

int main() {
  Memory memory;
  if (!memory.reserve(size_t(1) << 32).ok()) return 1;
  uint64_t in = memory.allocate(1 << 16), out = memory.allocate(1 << 16);
  memset(reinterpret_cast<void *>(in), 0, 1 << 16);
  memory.mark_written(in, 1 << 16);
  printf("%-24s %12s %14s %12s\n", "loop", "ns/warp-ins", "M lane-ins/s", "ns/mma");
  for (const Case &c : cases) {
    Module module;
    ingot::Status s = parse(text_of(c), &module);
    if (!s.ok()) return fprintf(stderr, "%s\n", s.message()), 1;
    uint32_t rounds = 2000;
    Launch l{module.entry("k"), {8, 1, 1}, {128, 1, 1}, 0, std::vector<uint8_t>(20)};
    memcpy(l.parameters.data(), &in, 8);
    memcpy(l.parameters.data() + 8, &out, 8);
    memcpy(l.parameters.data() + 16, &rounds, 4);
    Machine machine(memory, {});
    double best = 1e9;
    Counters counters;
    for (int k = 0; k < 3; ++k) {
      counters = {};
      double begin = processor_seconds();
      if (Fault f = machine.run({&l, 1}, &counters)) return fprintf(stderr, "%s\n", f.message().c_str()), 1;
      best = std::min(best, processor_seconds() - begin);
    }
    printf("%-24s %12.2f %14.0f", c.name, best / double(counters.warp_instructions) * 1e9,
           double(counters.lane_instructions) / best / 1e6);
    if (counters.mmas) printf(" %12.1f", best / double(counters.mmas) * 1e9);
    printf("\n");
  }
  return 0;
}
