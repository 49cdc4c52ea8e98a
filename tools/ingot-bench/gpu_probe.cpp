#include "tools/ingot-bench/gpu_probe.h"

#include <algorithm>

namespace ingot {
namespace {

using namespace cuda;

constexpr uint32_t read_threads = 512, read_blocks = 4; // blocks: of a processor
constexpr uint32_t multiply_threads = 256, multiply_blocks = 2;
constexpr uint64_t macs_of_a_turn = 8 * 16 * 8 * 16; // of a warp: 8 independent mma
constexpr int rounds = 4;
constexpr uint64_t piece = 64; // bytes a thread reads at a time

// read: each thread reads 4 x 16 bytes, a quarter of the data apart, and folds them. multiply: each warp keeps eight
// chains of mma busy. What they store at the end never happens in earnest: the data are zeros, the sums not negative.
constexpr char text[] = R"(.version 7.0
.target sm_80
.address_size 64

.visible .entry read(.param .u64 p_data, .param .u64 p_pieces)
{
  .reg .pred %p<3>;
  .reg .b32 %r<32>;
  .reg .b64 %rd<16>;

  ld.param.u64 %rd1, [p_data];
  ld.param.u64 %rd2, [p_pieces];
  cvta.to.global.u64 %rd1, %rd1;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mov.u32 %r4, %nctaid.x;
  mad.lo.u32 %r5, %r1, %r2, %r3;
  cvt.u64.u32 %rd3, %r5;
  mul.wide.u32 %rd4, %r4, %r2;
  shl.b64 %rd5, %rd2, 4;
  mov.u32 %r6, 0;
  setp.ge.u64 %p1, %rd3, %rd2;
  @%p1 bra $end;
$next:
  shl.b64 %rd6, %rd3, 4;
  add.u64 %rd7, %rd1, %rd6;
  add.u64 %rd8, %rd7, %rd5;
  add.u64 %rd9, %rd8, %rd5;
  add.u64 %rd10, %rd9, %rd5;
  ld.global.nc.v4.u32 {%r8, %r9, %r10, %r11}, [%rd7];
  ld.global.nc.v4.u32 {%r12, %r13, %r14, %r15}, [%rd8];
  ld.global.nc.v4.u32 {%r16, %r17, %r18, %r19}, [%rd9];
  ld.global.nc.v4.u32 {%r20, %r21, %r22, %r23}, [%rd10];
  or.b32 %r8, %r8, %r9;
  or.b32 %r10, %r10, %r11;
  or.b32 %r12, %r12, %r13;
  or.b32 %r14, %r14, %r15;
  or.b32 %r16, %r16, %r17;
  or.b32 %r18, %r18, %r19;
  or.b32 %r20, %r20, %r21;
  or.b32 %r22, %r22, %r23;
  or.b32 %r8, %r8, %r10;
  or.b32 %r12, %r12, %r14;
  or.b32 %r16, %r16, %r18;
  or.b32 %r20, %r20, %r22;
  or.b32 %r8, %r8, %r12;
  or.b32 %r16, %r16, %r20;
  or.b32 %r8, %r8, %r16;
  or.b32 %r6, %r6, %r8;
  add.u64 %rd3, %rd3, %rd4;
  setp.lt.u64 %p1, %rd3, %rd2;
  @%p1 bra $next;
$end:
  setp.ne.u32 %p2, %r6, 0;
  @%p2 st.global.u32 [%rd1], %r6;
  ret;
}

.visible .entry multiply(.param .u64 p_data, .param .u32 p_turns)
{
  .reg .pred %p<3>;
  .reg .f32 %f<40>;
  .reg .b32 %r<12>;
  .reg .b64 %rd<3>;

  ld.param.u64 %rd1, [p_data];
  ld.param.u32 %r1, [p_turns];
  cvta.to.global.u64 %rd1, %rd1;
  mov.u32 %r2, %tid.x;
  and.b32 %r2, %r2, 1023;
  mov.u32 %r3, %r2;
  mov.u32 %r4, %r2;
  mov.u32 %r5, %r2;
  mov.u32 %r6, %r2;
  mov.u32 %r7, %r2;
)"
#define INGOT_ZERO(i) "  mov.f32 %f" #i ", 0f00000000;\n"
#define INGOT_ZERO4(a, b, c, d) INGOT_ZERO(a) INGOT_ZERO(b) INGOT_ZERO(c) INGOT_ZERO(d)
#define INGOT_MMA(a, b, c, d)                                                                                          \
  "  mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f" #a ", %f" #b ", %f" #c ", %f" #d                           \
  "}, {%r2, %r3, %r4, %r5}, {%r6, %r7}, {%f" #a ", %f" #b ", %f" #c ", %f" #d "};\n"
#define INGOT_ADD(i) "  add.rn.f32 %f0, %f0, %f" #i ";\n"
#define INGOT_EACH(X)                                                                                                  \
  X(0, 1, 2, 3)                                                                                                        \
  X(4, 5, 6, 7)                                                                                                        \
  X(8, 9, 10, 11) X(12, 13, 14, 15) X(16, 17, 18, 19) X(20, 21, 22, 23) X(24, 25, 26, 27) X(28, 29, 30, 31)
    INGOT_EACH(INGOT_ZERO4) "$again:\n" INGOT_EACH(INGOT_MMA) R"(
  sub.u32 %r1, %r1, 1;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra $again;
)" INGOT_ADD(4) INGOT_ADD(8) INGOT_ADD(12) INGOT_ADD(16) INGOT_ADD(20) INGOT_ADD(24) INGOT_ADD(28) R"(
  setp.lt.f32 %p2, %f0, 0f00000000;
  @%p2 st.global.f32 [%rd1], %f0;
  ret;
}
)";
#undef INGOT_ZERO
#undef INGOT_ZERO4
#undef INGOT_MMA
#undef INGOT_ADD
#undef INGOT_EACH

Status probe_bytes(Driver &driver, CUdevice device, uint64_t *bytes) {
  size_t free = 0, total = 0;
  int cache = 0;
  INGOT_TRY(INGOT_CUDA(driver, cuMemGetInfo_v2, &free, &total));
  INGOT_TRY(INGOT_CUDA(driver, cuDeviceGetAttribute, &cache, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, device));
  uint64_t wanted = std::max(uint64_t(std::max(cache, 0)) * 16, uint64_t(256) << 20);
  *bytes = std::min<uint64_t>(wanted, free / 2) / piece * piece;
  return *bytes ? Status() : Status::error(Code::no_memory, "the read probe: no GPU memory is left for it");
}

} // namespace

Status GpuProbe::open(uint32_t card) {
  INGOT_TRY(driver_.open());
  INGOT_TRY(INGOT_CUDA(driver_, cuDeviceGet, &device_, int(card)));
  INGOT_TRY(INGOT_CUDA(driver_, cuDevicePrimaryCtxRetain, &context_, device_));
  INGOT_TRY(INGOT_CUDA(driver_, cuCtxSetCurrent, context_));
  return prepare();
}

Status GpuProbe::prepare() {
  int processors = 1;
  uint64_t bytes;
  INGOT_TRY(INGOT_CUDA(driver_, cuDeviceGetAttribute, &processors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device_));
  processors_ = uint32_t(std::max(processors, 1));
  INGOT_TRY(probe_bytes(driver_, device_, &bytes));
  INGOT_TRY(memory_.open(system_allocator(), 1));
  INGOT_TRY(memory_.add("read probe", bytes, &region_));
  INGOT_TRY(memory_.take(driver_));
  INGOT_TRY(INGOT_CUDA(driver_, cuStreamCreate, &stream_, CU_STREAM_NON_BLOCKING));
  INGOT_TRY(INGOT_CUDA(driver_, cuEventCreate, &begin_, CU_EVENT_DEFAULT));
  INGOT_TRY(INGOT_CUDA(driver_, cuEventCreate, &end_, CU_EVENT_DEFAULT));
  INGOT_TRY(INGOT_CUDA(driver_, cuModuleLoadDataEx, &module_, text, 0, nullptr, nullptr));
  INGOT_TRY(INGOT_CUDA(driver_, cuModuleGetFunction, &read_, module_, "read"));
  INGOT_TRY(INGOT_CUDA(driver_, cuModuleGetFunction, &multiply_, module_, "multiply"));
  return memory_.zero(driver_, stream_);
}

// The least of a few rounds.
Status GpuProbe::time(CUfunction kernel, uint32_t blocks, uint32_t threads, void **parameters, double *seconds) {
  CUlaunchConfig config = {};
  config.gridDimX = processors_ * blocks;
  config.gridDimY = config.gridDimZ = config.blockDimY = config.blockDimZ = 1;
  config.blockDimX = threads;
  config.hStream = stream_;
  *seconds = 1e9;
  INGOT_TRY(INGOT_CUDA(driver_, cuCtxSetCurrent, context_));
  for (int round = 0; round < rounds; ++round) {
    float ms = 0;
    INGOT_TRY(INGOT_CUDA(driver_, cuEventRecord, begin_, stream_));
    INGOT_TRY(INGOT_CUDA(driver_, cuLaunchKernelEx, &config, kernel, parameters, nullptr));
    INGOT_TRY(INGOT_CUDA(driver_, cuEventRecord, end_, stream_));
    INGOT_TRY(INGOT_CUDA(driver_, cuEventSynchronize, end_));
    INGOT_TRY(INGOT_CUDA(driver_, cuEventElapsedTime, &ms, begin_, end_));
    if (ms > 0) *seconds = std::min(*seconds, double(ms) / 1e3);
  }
  return {};
}

Status GpuProbe::measure_reading(double *bytes_per_second) {
  CUdeviceptr data = memory_.address(region_);
  uint64_t pieces = memory_.size(region_) / piece;
  void *parameters[] = {&data, &pieces};
  double seconds;
  INGOT_TRY(time(read_, read_blocks, read_threads, parameters, &seconds));
  *bytes_per_second = double(memory_.size(region_)) / seconds;
  return {};
}

// Long enough for the launch not to count.
Status GpuProbe::measure_multiplying(double *per_second) {
  CUdeviceptr data = memory_.address(region_);
  uint32_t turns = 8;
  double seconds = 0;
  while (seconds < 4e-4 && turns < 1u << 16) {
    turns *= 2;
    void *parameters[] = {&data, &turns};
    INGOT_TRY(time(multiply_, multiply_blocks, multiply_threads, parameters, &seconds));
  }
  double warps = double(processors_) * multiply_blocks * multiply_threads / 32;
  *per_second = warps * turns * double(macs_of_a_turn) / seconds;
  return {};
}

GpuProbe::~GpuProbe() {
  if (!context_) return;
  (void)INGOT_CUDA(driver_, cuCtxSetCurrent, context_);
  if (module_) (void)INGOT_CUDA(driver_, cuModuleUnload, module_);
  for (CUevent event : {begin_, end_})
    if (event) (void)INGOT_CUDA(driver_, cuEventDestroy_v2, event);
  if (stream_) (void)INGOT_CUDA(driver_, cuStreamDestroy_v2, stream_);
  memory_.release(driver_);
  (void)INGOT_CUDA(driver_, cuDevicePrimaryCtxRelease_v2, device_);
}

} // namespace ingot
