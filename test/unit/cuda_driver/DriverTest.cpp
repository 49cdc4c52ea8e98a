// Order of calls, handles, modules, memory: what a driver refuses and how.
#include "EmulatedDriver.h"
#include <cstring>

namespace ingot::cuda {

class DriverTest : public EmulatedDriver {};

TEST_F(DriverTest, CallsInTheWrongOrderAreRefused) {
  ASSERT_EQ(configure(""), 0);
  int number = 0;
  EXPECT_EQ(cuDriverGetVersion(&number), CUDA_SUCCESS);
  EXPECT_EQ(number, 12040);
  EXPECT_EQ(cuDeviceGetCount(&number), CUDA_ERROR_NOT_INITIALIZED);
  ASSERT_EQ(cuInit(0), CUDA_SUCCESS);
  CUdeviceptr address = 0;
  EXPECT_EQ(cuMemAlloc_v2(&address, 4), CUDA_ERROR_INVALID_CONTEXT);
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxSetCurrent(context), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc_v2(&address, 4), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
  ASSERT_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc_v2(&address, 4), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  EXPECT_EQ(cuCtxSetCurrent(context), CUDA_ERROR_INVALID_CONTEXT);
}

TEST_F(DriverTest, AMachineWithoutACardSaysSo) {
  ASSERT_EQ(configure("devices=0"), 0);
  EXPECT_EQ(cuInit(0), CUDA_ERROR_NO_DEVICE);
}

TEST_F(DriverTest, TheCardIsTheOneAskedFor) {
  start("sm=86,sms=84,memory=3G");
  int value = 0;
  size_t bytes = 0;
  EXPECT_EQ(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0), CUDA_SUCCESS);
  EXPECT_EQ(value, 6);
  EXPECT_EQ(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0), CUDA_SUCCESS);
  EXPECT_EQ(value, 84);
  EXPECT_EQ(cuDeviceTotalMem_v2(&bytes, 0), CUDA_SUCCESS);
  EXPECT_EQ(bytes, size_t(3) << 30);
  EXPECT_EQ(cuDeviceGetAttribute(&value, CUdevice_attribute(9999), 0), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(DriverTest, WrongStaleAndForeignHandlesAreFound) {
  start("");
  CUevent event = nullptr;
  ASSERT_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(reinterpret_cast<CUstream>(event)), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuStreamSynchronize(reinterpret_cast<CUstream>(&event)), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuEventDestroy_v2(event), CUDA_SUCCESS);
  EXPECT_EQ(cuEventDestroy_v2(event), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuEventRecord(event, stream), CUDA_ERROR_INVALID_HANDLE);
  CUdeviceptr address = device(64);
  EXPECT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  EXPECT_EQ(launch_add(address, 1, 16, stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuMemFree_v2(address + 16), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemFree_v2(address), CUDA_SUCCESS);
  EXPECT_EQ(cuMemFree_v2(address), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamQuery(stream), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(DriverTest, MemoryIsCountedAndRunsOut) {
  start("memory=1M");
  size_t free = 0, total = 0;
  CUdeviceptr first = device(700 << 10), second = 0;
  EXPECT_EQ(cuMemGetInfo_v2(&free, &total), CUDA_SUCCESS);
  EXPECT_EQ(total, size_t(1) << 20);
  EXPECT_EQ(free, size_t(324) << 10);
  EXPECT_EQ(cuMemAlloc_v2(&second, 400 << 10), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(cuMemFree_v2(first), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc_v2(&second, 400 << 10), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc_v2(&second, 0), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(DriverTest, CopiesOutsideOfTheirAllocationAreRefused) {
  start("");
  CUdeviceptr address = device(64);
  char host[128] = {};
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(address + 4, host, 64, stream), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemcpyDtoHAsync_v2(host, address, 65, stream), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemcpyDtoDAsync_v2(address, address + 8, 16, stream), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemsetD32Async(address + 2, 0, 4, stream), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(address, reinterpret_cast<void *>(address), 8, stream), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(DriverTest, BytesThatNobodyWroteDoNotArriveAsZeroes) {
  start("");
  CUdeviceptr address = device(16);
  unsigned host[4] = {};
  ASSERT_EQ(cuMemsetD32Async(address + 4, 7, 1, stream), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoHAsync_v2(host, address, 16, stream), CUDA_SUCCESS);
  EXPECT_EQ(host[0], 0xa5a5a5a5u);
  EXPECT_EQ(host[1], 7u);
}

TEST_F(DriverTest, OnlyPtxThatThisDriverAndCardTakeIsLoaded) {
  start("sm=80,driver=12000");
  CUmodule loaded = nullptr;
  auto load = [&](std::string text) { return cuModuleLoadDataEx(&loaded, text.c_str(), 0, nullptr, nullptr); };
  std::string text = kernels;
  auto with = [&](const char *from, const char *to) {
    return std::string(text).replace(text.find(from), strlen(from), to);
  };
  EXPECT_EQ(load("\x7f"
                 "ELF and so on"),
            CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(load(with(".version 7.8", ".version 8.1")), CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  EXPECT_EQ(load(with("sm_80", "sm_90")), CUDA_ERROR_INVALID_PTX);
  EXPECT_EQ(load(text), CUDA_SUCCESS);
  CUfunction function = nullptr;
  EXPECT_EQ(cuModuleGetFunction(&function, loaded, "none"), CUDA_ERROR_NOT_FOUND);
}

TEST_F(DriverTest, TheErrorLogQuotesTheBadLine) {
  start("");
  std::string text = kernels;
  text.replace(text.find("add.s32 t"), 9, "frob.s32 t");
  char log[256];
  memset(log, 'x', sizeof log);
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, reinterpret_cast<void *>(sizeof log)};
  CUmodule loaded = nullptr;
  EXPECT_EQ(cuModuleLoadDataEx(&loaded, text.c_str(), 2, options, values), CUDA_ERROR_INVALID_PTX);
  ASSERT_NE(memchr(log, 0, sizeof log), nullptr);
  EXPECT_NE(std::string(log).find("frob"), std::string::npos) << log;
  EXPECT_EQ(reinterpret_cast<size_t>(values[1]), strlen(log) + 1);
}

TEST_F(DriverTest, LaunchesBeyondTheLimitsAreRefused) {
  start("sm=80");
  CUdeviceptr address = device(64);
  int delta = 1, n = 4;
  void *parameters[] = {&address, &delta, &n};
  auto launch = [&](unsigned grid, unsigned block, unsigned shared) {
    CUlaunchConfig config{grid, 1, 1, block, 1, 1, shared, stream, nullptr, 0};
    return cuLaunchKernelEx(&config, add, parameters, nullptr);
  };
  EXPECT_EQ(launch(0, 32, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(1, 1025, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(launch(1, 32, 49 << 10), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuFuncSetAttribute(add, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 164 << 10),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuFuncSetAttribute(add, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100 << 10), CUDA_SUCCESS);
  EXPECT_EQ(launch(1, 32, 100 << 10), CUDA_SUCCESS);
  CUlaunchAttribute attribute{CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, {}, {}};
  attribute.value.programmaticStreamSerializationAllowed = 1;
  EXPECT_EQ(launch_add(address, 1, 4, stream, &attribute), CUDA_ERROR_NOT_SUPPORTED) << "sm_80 has no dependent launch";
}

} // namespace ingot::cuda
