// Faults are sticky, injected failures hit the call asked for, leaks are counted, a hung kernel hangs.
#include "EmulatedDriver.h"
#include <chrono>
#include <thread>

namespace ingot::cuda {

class FailureTest : public EmulatedDriver {
protected:
  // A little session that gives everything back whatever fails; every result of a call is in `results`.
  void session(std::vector<CUresult> *results) {
    auto keep = [&](CUresult result) { return results->push_back(result), result == CUDA_SUCCESS; };
    CUdeviceptr x = 0;
    if (!keep(cuInit(0)) || !keep(cuDevicePrimaryCtxRetain(&context, 0))) return;
    if (keep(cuCtxSetCurrent(context))) {
      bool has_stream = keep(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
      bool has_module = keep(cuModuleLoadDataEx(&module, kernels, 0, nullptr, nullptr));
      bool has_memory = keep(cuMemAlloc_v2(&x, 256));
      if (has_stream && has_module && has_memory && keep(cuModuleGetFunction(&add, module, "add")) &&
          keep(cuMemsetD8Async(x, 0, 256, stream))) {
        CUgraph graph = nullptr;
        CUgraphExec executable = nullptr;
        if (keep(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))) {
          bool launched = keep(launch_add(x, 3, 64, stream));
          if (keep(cuStreamEndCapture(stream, &graph)) && launched &&
              keep(cuGraphInstantiateWithFlags(&executable, graph, 0)))
            keep(cuGraphLaunch(executable, stream));
          if (executable) keep(cuGraphExecDestroy(executable));
          if (graph) keep(cuGraphDestroy(graph));
        }
        keep(cuStreamSynchronize(stream));
      }
      if (has_memory) keep(cuMemFree_v2(x));
      if (has_module) keep(cuModuleUnload(module));
      if (has_stream) keep(cuStreamDestroy_v2(stream));
    }
    keep(cuDevicePrimaryCtxRelease_v2(0));
  }
};

TEST_F(FailureTest, AnIllegalAccessIsStickyUntilTheProcessEnds) {
  start("");
  CUdeviceptr x = device(256), more = 0;
  ASSERT_EQ(launch_reach(x, 252), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  ASSERT_EQ(launch_reach(x, 256), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(cuMemAlloc_v2(&more, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(cuMemFree_v2(x), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(launch_reach(x, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
  int value = 0;
  EXPECT_EQ(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0), CUDA_SUCCESS);
}

TEST_F(FailureTest, AMisalignedAccessHasItsOwnError) {
  start("");
  ASSERT_EQ(launch_reach(device(64), 2), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_MISALIGNED_ADDRESS);
}

TEST_F(FailureTest, TheLineOfAFaultNamesKernelLineAndCause) {
  start("");
  testing::internal::CaptureStderr();
  ASSERT_EQ(launch_reach(device(256), 1000), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  std::string line = testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find("reach"), std::string::npos) << line;
  EXPECT_NE(line.find("st.global"), std::string::npos) << line;
}

TEST_F(FailureTest, TheNthCallFailsAsAsked) {
  start("fail=cuMemAlloc_v2:2,fail=cuEventCreate:1:999");
  CUdeviceptr x = 0;
  CUevent event = nullptr;
  EXPECT_EQ(cuMemAlloc_v2(&x, 4), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc_v2(&x, 4), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(cuMemAlloc_v2(&x, 4), CUDA_SUCCESS);
  EXPECT_EQ(cuEventCreate(&event, 0), CUDA_ERROR_UNKNOWN);
  EXPECT_EQ(count("cuMemAlloc_v2"), 3u);
}

TEST_F(FailureTest, EveryCallOfASessionCanFailWithoutALeak) {
  ASSERT_EQ(configure(""), 0);
  std::vector<CUresult> clean;
  session(&clean);
  for (CUresult result : clean) ASSERT_EQ(result, CUDA_SUCCESS);
  uint64_t leaked = 1, calls = count(nullptr);
  live(nullptr, nullptr, &leaked);
  EXPECT_EQ(leaked, 0u);
  for (uint64_t n = 1; n <= calls; ++n) {
    ASSERT_EQ(configure(("fail=*:" + std::to_string(n)).c_str()), 0);
    std::vector<CUresult> results;
    testing::internal::CaptureStderr();
    session(&results);
    testing::internal::GetCapturedStderr();
    EXPECT_NE(std::count_if(results.begin(), results.end(), [](CUresult r) { return r != CUDA_SUCCESS; }), 0) << n;
    live(nullptr, nullptr, &leaked);
    EXPECT_EQ(leaked, 0u) << "call " << n;
  }
}

TEST_F(FailureTest, WhatIsAliveAtTheReleaseIsCounted) {
  start("");
  device(64), pinned(1);
  EXPECT_EQ(alive(), 4u); // and a stream and a module
  testing::internal::CaptureStderr();
  ASSERT_EQ(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("1 device allocation (64 bytes)"), std::string::npos);
  uint64_t leaked = 0;
  live(nullptr, nullptr, &leaked);
  EXPECT_EQ(leaked, 4u);
}

TEST_F(FailureTest, AHungKernelNeverGetsReadyAndLetsOthersPoll) {
  start("hang=add");
  ASSERT_EQ(launch_add(device(64), 1, 0, stream), CUDA_SUCCESS);
  // A watchdog beside a thread that waits; the thread must stay behind, as it would on a card.
  std::thread waiting([this, context = context, stream = stream] {
    cuCtxSetCurrent(context);
    EXPECT_NE(cuStreamSynchronize(stream), CUDA_SUCCESS);
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  // Only so that the test can end: a fault on another stream loses the context.
  CUstream second = nullptr;
  ASSERT_EQ(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  std::swap(stream, second);
  testing::internal::CaptureStderr();
  ASSERT_EQ(launch_reach(device(64), 64), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
  waiting.join();
  testing::internal::GetCapturedStderr();
}

} // namespace ingot::cuda
