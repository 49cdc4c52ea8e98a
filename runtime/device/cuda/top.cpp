#include "runtime/device/cuda/top.h"
#include "runtime/format/abi.h"

#include <algorithm>
#include <bit>

namespace ingot::cuda {
namespace {

constexpr uint32_t threads = 512, most_keys = 4096; // of a block

// A block sorts its n keys (n a power of two, k at most n) into runs of k, descending and ascending by turns, by
// bitonic merges; then, as long as there is more than one run, takes of each pair the larger keys one by one, which are
// the k largest and a bitonic row, and merges that (A. Shanbhag, H. Pirk, S. Madden: Efficient top-k query processing
// on GPUs. SIGMOD 2018). Runs stay where the first of the pair was: after `level` halvings run r lies at r * (k <<
// level).
static_assert(offsetof(ingot_batch, n_logits) == 24, "the kernel reads it there");
constexpr char text[] = R"(.version 7.0
.target sm_80
.address_size 64

.visible .entry ingot_top(.param .u64 p_from, .param .u64 p_to, .param .u64 p_batch, .param .u32 p_count,
                          .param .u32 p_parts, .param .u32 p_log_n, .param .u32 p_log_k, .param .u32 p_are_keys)
.maxntid 512, 1, 1
{
  .reg .pred %p<6>;
  .reg .f32 %f<3>;
  .reg .b32 %r<40>;
  .reg .b64 %rd<24>;
  .shared .align 8 .b8 keys[32768];

  ld.param.u64 %rd1, [p_from];
  ld.param.u64 %rd2, [p_to];
  ld.param.u64 %rd3, [p_batch];
  ld.param.u32 %r1, [p_count];
  ld.param.u32 %r2, [p_parts];
  ld.param.u32 %r3, [p_log_n];
  ld.param.u32 %r4, [p_log_k];
  ld.param.u32 %r5, [p_are_keys];
  cvta.to.global.u64 %rd1, %rd1;
  cvta.to.global.u64 %rd2, %rd2;
  cvta.to.global.u64 %rd3, %rd3;
  mov.u32 %r6, %tid.x;
  mov.u32 %r7, %ctaid.x;
  div.u32 %r8, %r7, %r2;
  mul.lo.u32 %r9, %r8, %r2;
  sub.u32 %r9, %r7, %r9;
  ld.global.u64 %rd4, [%rd3+24];
  cvt.u64.u32 %rd5, %r8;
  setp.ge.u64 %p1, %rd5, %rd4;
  @%p1 bra $exit;

  mul.wide.u32 %rd6, %r8, %r1;
  mov.u32 %r10, 1;
  shl.b32 %r11, %r10, %r3;
  shl.b32 %r12, %r10, %r4;
  sub.u32 %r13, %r12, 1;
  mov.u32 %r14, keys;
  setp.ne.u32 %p2, %r5, 0;
  mov.f32 %f2, 0fFF800000;
  mov.u32 %r15, %r6;
$load:
  setp.ge.u32 %p1, %r15, %r11;
  @%p1 bra $loaded;
  mov.u64 %rd7, 0;
  shl.b32 %r16, %r9, 12;
  add.u32 %r16, %r16, %r15;
  setp.ge.u32 %p1, %r16, %r1;
  @%p1 bra $put;
  cvt.u64.u32 %rd8, %r16;
  add.u64 %rd8, %rd8, %rd6;
  @%p2 bra $key;
  shl.b64 %rd8, %rd8, 2;
  add.u64 %rd8, %rd8, %rd1;
  ld.global.f32 %f1, [%rd8];
  add.rn.f32 %f1, %f1, 0f00000000;
  setp.gt.f32 %p3, %f1, %f2;
  mov.b32 %r17, %f1;
  shr.s32 %r18, %r17, 31;
  or.b32 %r18, %r18, 0x80000000;
  xor.b32 %r17, %r17, %r18;
  not.b32 %r18, %r16;
  mov.b64 %rd9, {%r18, %r17};
  selp.b64 %rd7, %rd9, 0, %p3;
  bra $put;
$key:
  shl.b64 %rd8, %rd8, 3;
  add.u64 %rd8, %rd8, %rd1;
  ld.global.u64 %rd7, [%rd8];
$put:
  shl.b32 %r17, %r15, 3;
  add.u32 %r17, %r17, %r14;
  st.shared.u64 [%r17], %rd7;
  add.u32 %r15, %r15, 512;
  bra $load;
$loaded:
  bar.sync 0;

  mov.u32 %r19, 0;
  mov.u32 %r20, 2;
  mov.u32 %r27, %r11;
$size:
  setp.gt.u32 %p1, %r20, %r12;
  @%p1 bra $halve;
  shr.u32 %r21, %r20, 1;
$stride:
  shr.u32 %r22, %r27, 1;
  mov.u32 %r15, %r6;
$exchange:
  setp.ge.u32 %p1, %r15, %r22;
  @%p1 bra $exchanged;
  sub.u32 %r23, %r21, 1;
  and.b32 %r24, %r15, %r23;
  sub.u32 %r23, %r15, %r24;
  shl.b32 %r23, %r23, 1;
  or.b32 %r23, %r23, %r24;
  and.b32 %r25, %r23, %r20;
  setp.eq.u32 %p4, %r25, 0;
  shr.u32 %r24, %r23, %r4;
  add.u32 %r25, %r4, %r19;
  shl.b32 %r24, %r24, %r25;
  and.b32 %r25, %r23, %r13;
  or.b32 %r24, %r24, %r25;
  shl.b32 %r24, %r24, 3;
  add.u32 %r24, %r24, %r14;
  shl.b32 %r25, %r21, 3;
  add.u32 %r25, %r25, %r24;
  ld.shared.u64 %rd10, [%r24];
  ld.shared.u64 %rd11, [%r25];
  max.u64 %rd12, %rd10, %rd11;
  min.u64 %rd13, %rd10, %rd11;
  selp.b64 %rd14, %rd12, %rd13, %p4;
  selp.b64 %rd15, %rd13, %rd12, %p4;
  st.shared.u64 [%r24], %rd14;
  st.shared.u64 [%r25], %rd15;
  add.u32 %r15, %r15, 512;
  bra $exchange;
$exchanged:
  bar.sync 0;
  shr.u32 %r21, %r21, 1;
  setp.ne.u32 %p1, %r21, 0;
  @%p1 bra $stride;
  shl.b32 %r20, %r20, 1;
  bra $size;

$halve:
  setp.le.u32 %p1, %r27, %r12;
  @%p1 bra $write;
  shr.u32 %r27, %r27, 1;
  shl.b32 %r28, %r12, %r19;
  shl.b32 %r28, %r28, 3;
  add.u32 %r19, %r19, 1;
  add.u32 %r29, %r4, %r19;
  mov.u32 %r15, %r6;
$larger:
  setp.ge.u32 %p1, %r15, %r27;
  @%p1 bra $halved;
  shr.u32 %r24, %r15, %r4;
  shl.b32 %r24, %r24, %r29;
  and.b32 %r25, %r15, %r13;
  or.b32 %r24, %r24, %r25;
  shl.b32 %r24, %r24, 3;
  add.u32 %r24, %r24, %r14;
  add.u32 %r25, %r24, %r28;
  ld.shared.u64 %rd10, [%r24];
  ld.shared.u64 %rd11, [%r25];
  max.u64 %rd12, %rd10, %rd11;
  st.shared.u64 [%r24], %rd12;
  add.u32 %r15, %r15, 512;
  bra $larger;
$halved:
  bar.sync 0;
  mov.u32 %r20, %r12;
  shr.u32 %r21, %r12, 1;
  setp.ne.u32 %p1, %r21, 0;
  @%p1 bra $stride;
  bra $halve;

$write:
  cvt.u64.u32 %rd16, %r7;
  shl.b64 %rd16, %rd16, %r4;
  mov.u32 %r15, %r6;
$next:
  setp.ge.u32 %p1, %r15, %r12;
  @%p1 bra $exit;
  shl.b32 %r24, %r15, 3;
  add.u32 %r24, %r24, %r14;
  ld.shared.u64 %rd10, [%r24];
  cvt.u64.u32 %rd17, %r15;
  add.u64 %rd17, %rd17, %rd16;
  shl.b64 %rd17, %rd17, 3;
  add.u64 %rd17, %rd17, %rd2;
  st.global.u64 [%rd17], %rd10;
  add.u32 %r15, %r15, 512;
  bra $next;
$exit:
  ret;
}
)";

uint32_t blocks_of(uint64_t keys) { return uint32_t((keys + most_keys - 1) / most_keys); }

} // namespace

uint32_t Top::class_of(uint64_t count) { return uint32_t(std::bit_ceil(count)); }

uint64_t Top::round_keys(uint32_t vocab, uint32_t region) {
  uint64_t keys = vocab;
  for (uint32_t round = 0; round <= region; ++round)
    keys = blocks_of(keys) <= 1 ? 0 : uint64_t(blocks_of(keys)) * most_candidates;
  return keys;
}

Status Top::load(Driver &driver) { return OwnKernel::load(driver, text, "ingot_top"); }

Status Top::launch(Driver &driver, CUstream stream, const Places &places, uint32_t vocab, uint32_t rows,
                   uint32_t k) const {
  CUdeviceptr from = places.logits, batch = places.batch;
  uint32_t log_k = uint32_t(std::countr_zero(k)), count = vocab;
  for (uint32_t round = 0;; ++round) {
    uint32_t parts = blocks_of(count), are_keys = round > 0;
    uint32_t log_n = uint32_t(std::bit_width(std::max(std::min(count, most_keys), k) - 1));
    CUdeviceptr to = parts == 1 ? places.best : places.between[round % 2];
    void *parameters[] = {&from, &to, &batch, &count, &parts, &log_n, &log_k, &are_keys};
    INGOT_TRY(OwnKernel::launch(driver, stream, rows * parts, threads, parameters));
    if (parts == 1) return {};
    from = to;
    count = parts * k;
  }
}

Candidate Top::candidate_of(uint64_t key) {
  uint32_t bits = uint32_t(key >> 32);
  bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
  return {std::bit_cast<float>(bits), int32_t(~uint32_t(key))};
}

} // namespace ingot::cuda
