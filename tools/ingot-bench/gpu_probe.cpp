#include "tools/ingot-bench/gpu_probe.h"

#include <algorithm>

namespace ingot {
namespace {

using namespace cuda;

constexpr uint32_t threads = 512, blocks_of_a_processor = 4;
constexpr uint64_t piece = 64; // bytes a thread reads at a time

// Each thread reads 4 x 16 bytes, a whole grid's worth apart, and folds them; what it stores never happens in earnest.
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
)";

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

Status GpuReadProbe::open() {
  INGOT_TRY(driver_.open());
  INGOT_TRY(INGOT_CUDA(driver_, cuDeviceGet, &device_, 0));
  INGOT_TRY(INGOT_CUDA(driver_, cuDevicePrimaryCtxRetain, &context_, device_));
  INGOT_TRY(INGOT_CUDA(driver_, cuCtxSetCurrent, context_));
  return prepare();
}

Status GpuReadProbe::prepare() {
  int processors = 1;
  uint64_t bytes;
  INGOT_TRY(INGOT_CUDA(driver_, cuDeviceGetAttribute, &processors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device_));
  processors_ = uint32_t(std::max(processors, 1));
  INGOT_TRY(probe_bytes(driver_, device_, &bytes));
  INGOT_TRY(memory_.add("read probe", bytes, &region_));
  INGOT_TRY(memory_.take(driver_));
  INGOT_TRY(INGOT_CUDA(driver_, cuStreamCreate, &stream_, CU_STREAM_NON_BLOCKING));
  INGOT_TRY(INGOT_CUDA(driver_, cuEventCreate, &begin_, CU_EVENT_DEFAULT));
  INGOT_TRY(INGOT_CUDA(driver_, cuEventCreate, &end_, CU_EVENT_DEFAULT));
  INGOT_TRY(INGOT_CUDA(driver_, cuModuleLoadDataEx, &module_, text, 0, nullptr, nullptr));
  INGOT_TRY(INGOT_CUDA(driver_, cuModuleGetFunction, &kernel_, module_, "read"));
  return memory_.zero(driver_, region_, stream_);
}

Status GpuReadProbe::launch() {
  CUdeviceptr data = memory_.address(region_);
  uint64_t pieces = memory_.size(region_) / piece;
  CUlaunchConfig config = {};
  config.gridDimX = processors_ * blocks_of_a_processor;
  config.gridDimY = config.gridDimZ = config.blockDimY = config.blockDimZ = 1;
  config.blockDimX = threads;
  config.hStream = stream_;
  void *parameters[] = {&data, &pieces};
  return INGOT_CUDA(driver_, cuLaunchKernelEx, &config, kernel_, parameters, nullptr);
}

Status GpuReadProbe::measure(double *bytes_per_second) {
  constexpr int rounds = 4;
  *bytes_per_second = 0;
  INGOT_TRY(INGOT_CUDA(driver_, cuCtxSetCurrent, context_));
  for (int round = 0; round < rounds; ++round) {
    float ms = 0;
    INGOT_TRY(INGOT_CUDA(driver_, cuEventRecord, begin_, stream_));
    INGOT_TRY(launch());
    INGOT_TRY(INGOT_CUDA(driver_, cuEventRecord, end_, stream_));
    INGOT_TRY(INGOT_CUDA(driver_, cuEventSynchronize, end_));
    INGOT_TRY(INGOT_CUDA(driver_, cuEventElapsedTime, &ms, begin_, end_));
    if (ms > 0) *bytes_per_second = std::max(*bytes_per_second, double(memory_.size(region_)) * 1e3 / double(ms));
  }
  return {};
}

GpuReadProbe::~GpuReadProbe() {
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
