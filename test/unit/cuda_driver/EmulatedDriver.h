// The emulated driver opened as the runtime opens a driver, started afresh for every test, with a kernel to run.
#pragma once
#include "runtime/device/cuda/driver_api.h"
#include "tools/cuda-emulator/driver/testing.h"
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <string>

namespace ingot::cuda {

// add: x[i] += delta for i < n. reach: writes x[at], a place of the caller's choice.
inline constexpr const char kernels[] = R"(
.version 7.8
.target sm_80
.address_size 64
.visible .entry add(.param .u64 x, .param .u32 delta, .param .u32 n)
{
  .reg .pred p; .reg .b32 i, v, t, b, m; .reg .b64 a, o;
  ld.param.u64 a, [x];
  ld.param.u32 m, [n];
  ld.param.u32 v, [delta];
  cvta.to.global.u64 a, a;
  mov.u32 i, %tid.x;
  mov.u32 b, %ctaid.x;
  mov.u32 t, %ntid.x;
  mad.lo.s32 i, b, t, i;
  setp.ge.u32 p, i, m;
  @p bra END;
  mul.wide.u32 o, i, 4;
  add.s64 a, a, o;
  ld.global.b32 t, [a];
  add.s32 t, t, v;
  st.global.b32 [a], t;
END:
  ret;
}
.visible .entry reach(.param .u64 x, .param .u64 at)
{
  .reg .b32 i; .reg .b64 a, o;
  ld.param.u64 a, [x];
  ld.param.u64 o, [at];
  add.s64 a, a, o;
  mov.u32 i, 1;
  st.global.b32 [a], i;
  ret;
}
)";

class EmulatedDriver : public testing::Test, public DriverCalls {
protected:
  EmulatedDriver() {
    static void *handle = dlopen(INGOT_EMULATOR_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!handle) ADD_FAILURE() << dlerror();
#define INGOT_TEST_LOAD(name, parameters)                                                                              \
  name = reinterpret_cast<decltype(name)>(dlsym(handle, #name));                                                       \
  EXPECT_NE(name, nullptr) << #name;
    INGOT_CUDA_CALLS(INGOT_TEST_LOAD)
#undef INGOT_TEST_LOAD
    live = reinterpret_cast<decltype(live)>(dlsym(handle, "ingot_emulator_live"));
    count = reinterpret_cast<decltype(count)>(dlsym(handle, "ingot_emulator_calls"));
    configure = reinterpret_cast<decltype(configure)>(dlsym(handle, "ingot_emulator_configure"));
  }

  // As a new process with these settings, with a context, a stream and the kernels.
  void start(const std::string &settings) {
    ASSERT_EQ(configure(settings.c_str()), 0);
    ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
    ASSERT_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleLoadDataEx(&module, kernels, 0, nullptr, nullptr), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetFunction(&add, module, "add"), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetFunction(&reach, module, "reach"), CUDA_SUCCESS);
  }

  CUdeviceptr device(size_t bytes) {
    CUdeviceptr address = 0;
    EXPECT_EQ(cuMemAlloc_v2(&address, bytes), CUDA_SUCCESS);
    return address;
  }
  int *pinned(size_t count) {
    void *address = nullptr;
    EXPECT_EQ(cuMemHostAlloc(&address, count * sizeof(int), 0), CUDA_SUCCESS);
    return static_cast<int *>(address);
  }

  CUresult launch_add(CUdeviceptr x, int delta, int n, CUstream on, CUlaunchAttribute *attribute = nullptr) {
    void *parameters[] = {&x, &delta, &n};
    CUlaunchConfig config{n > 64 ? unsigned(n + 63) / 64 : 1u, 1, 1, 64, 1, 1, 0, on, attribute, attribute ? 1u : 0u};
    return cuLaunchKernelEx(&config, add, parameters, nullptr);
  }
  CUresult launch_reach(CUdeviceptr x, size_t at) {
    void *parameters[] = {&x, &at};
    CUlaunchConfig config{1, 1, 1, 1, 1, 1, 0, stream, nullptr, 0};
    return cuLaunchKernelEx(&config, reach, parameters, nullptr);
  }

  uint64_t alive() {
    uint64_t objects = 0;
    live(&objects, nullptr, nullptr);
    return objects;
  }

  decltype(&ingot_emulator_live) live = nullptr;
  decltype(&ingot_emulator_calls) count = nullptr;
  decltype(&ingot_emulator_configure) configure = nullptr;
  CUcontext context = nullptr;
  CUstream stream = nullptr;
  CUmodule module = nullptr;
  CUfunction add = nullptr, reach = nullptr;
};

} // namespace ingot::cuda
