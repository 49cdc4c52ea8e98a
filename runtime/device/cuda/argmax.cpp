#include "runtime/device/cuda/argmax.h"
#include "runtime/format/abi.h"

#include <algorithm>

namespace ingot::cuda {
namespace {

constexpr uint32_t threads = 256, logits_of_a_part = 4096, most_parts = 64;

// A row is cut into `parts` CTAs. Each thread keeps the best key of every (parts * threads)-th logit; a warp reduces by
// butterflies and its first lane adds the result to the row's. x + 0 makes -0 equal to +0, as on the host.
static_assert(offsetof(ingot_batch, n_logits) == 24, "the kernel reads it there");
constexpr char text[] = R"(.version 7.0
.target sm_80
.address_size 64

.visible .entry ingot_argmax(.param .u64 p_logits, .param .u64 p_best, .param .u64 p_batch, .param .u32 p_vocab,
                             .param .u32 p_parts)
.maxntid 256, 1, 1
{
  .reg .pred %p<4>;
  .reg .f32 %f<3>;
  .reg .b32 %r<24>;
  .reg .b64 %rd<20>;

  ld.param.u64 %rd1, [p_logits];
  ld.param.u64 %rd2, [p_best];
  ld.param.u64 %rd3, [p_batch];
  ld.param.u32 %r1, [p_vocab];
  ld.param.u32 %r2, [p_parts];
  mov.u32 %r3, %ctaid.x;
  div.u32 %r4, %r3, %r2;
  mul.lo.u32 %r5, %r4, %r2;
  sub.u32 %r5, %r3, %r5;
  cvta.to.global.u64 %rd3, %rd3;
  ld.global.u64 %rd4, [%rd3+24];
  cvt.u64.u32 %rd5, %r4;
  setp.ge.u64 %p1, %rd5, %rd4;
  @%p1 bra $exit;

  mov.u32 %r6, %tid.x;
  mad.lo.u32 %r7, %r5, 256, %r6;
  shl.b32 %r8, %r2, 8;
  cvta.to.global.u64 %rd1, %rd1;
  cvt.u64.u32 %rd6, %r1;
  mul.lo.u64 %rd7, %rd5, %rd6;
  shl.b64 %rd7, %rd7, 2;
  add.u64 %rd1, %rd1, %rd7;
  mov.u64 %rd8, 0;
  mov.f32 %f2, 0fFF800000;
  setp.ge.u32 %p1, %r7, %r1;
  @%p1 bra $reduce;

$next:
  mul.wide.u32 %rd9, %r7, 4;
  add.u64 %rd9, %rd1, %rd9;
  ld.global.f32 %f1, [%rd9];
  add.rn.f32 %f1, %f1, 0f00000000;
  setp.gt.f32 %p2, %f1, %f2;
  mov.b32 %r9, %f1;
  shr.s32 %r10, %r9, 31;
  or.b32 %r10, %r10, 0x80000000;
  xor.b32 %r9, %r9, %r10;
  not.b32 %r11, %r7;
  mov.b64 %rd10, {%r11, %r9};
  max.u64 %rd11, %rd8, %rd10;
  selp.b64 %rd8, %rd11, %rd8, %p2;
  add.u32 %r7, %r7, %r8;
  setp.lt.u32 %p1, %r7, %r1;
  @%p1 bra $next;

$reduce:
  bar.warp.sync 0xffffffff;
  mov.u32 %r12, 16;
$halve:
  mov.b64 {%r13, %r14}, %rd8;
  shfl.sync.bfly.b32 %r15, %r13, %r12, 31, 0xffffffff;
  shfl.sync.bfly.b32 %r16, %r14, %r12, 31, 0xffffffff;
  mov.b64 %rd12, {%r15, %r16};
  max.u64 %rd8, %rd8, %rd12;
  shr.u32 %r12, %r12, 1;
  setp.ne.u32 %p1, %r12, 0;
  @%p1 bra $halve;

  and.b32 %r17, %r6, 31;
  setp.ne.u32 %p1, %r17, 0;
  @%p1 bra $exit;
  cvta.to.global.u64 %rd2, %rd2;
  shl.b64 %rd13, %rd5, 3;
  add.u64 %rd2, %rd2, %rd13;
  atom.global.max.u64 %rd14, [%rd2], %rd8;
$exit:
  ret;
}
)";

} // namespace

Status Argmax::load(Driver &driver) { return OwnKernel::load(driver, text, "ingot_argmax"); }

Status Argmax::launch(Driver &driver, CUstream stream, CUdeviceptr logits, CUdeviceptr best, CUdeviceptr batch,
                      uint32_t vocab, uint32_t rows) const {
  uint32_t parts = std::clamp((vocab + logits_of_a_part - 1) / logits_of_a_part, 1u, most_parts);
  void *parameters[] = {&logits, &best, &batch, &vocab, &parts};
  return OwnKernel::launch(driver, stream, rows * parts, threads, parameters);
}

} // namespace ingot::cuda
