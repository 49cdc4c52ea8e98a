// Captures become graphs; what may not be captured spoils the capture and says so.
#include "EmulatedDriver.h"

namespace ingot::cuda {

class GraphTest : public EmulatedDriver {
protected:
  CUgraphExec instantiate() {
    CUgraph graph = nullptr;
    CUgraphExec executable = nullptr;
    EXPECT_EQ(cuStreamEndCapture(stream, &graph), CUDA_SUCCESS);
    EXPECT_EQ(cuGraphInstantiateWithFlags(&executable, graph, 0), CUDA_SUCCESS);
    EXPECT_EQ(cuGraphDestroy(graph), CUDA_SUCCESS);
    return executable;
  }
};

TEST_F(GraphTest, ACaptureRunsNothingAndItsGraphRunsAgainAndAgain) {
  for (int seed : {0, 1, 5}) {
    start("seed=" + std::to_string(seed));
    CUdeviceptr x = device(4);
    int *in = pinned(1), *out = pinned(1);
    *in = 1, *out = 0;
    ASSERT_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
    ASSERT_EQ(cuMemcpyHtoDAsync_v2(x, in, 4, stream), CUDA_SUCCESS);
    ASSERT_EQ(launch_add(x, 10, 1, stream), CUDA_SUCCESS);
    ASSERT_EQ(cuMemcpyDtoHAsync_v2(out, x, 4, stream), CUDA_SUCCESS);
    CUgraphExec executable = instantiate();
    EXPECT_EQ(*out, 0);
    for (int k = 2; k < 5; ++k) {
      *in = k;
      ASSERT_EQ(cuGraphLaunch(executable, stream), CUDA_SUCCESS);
      ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
      EXPECT_EQ(*out, 10 + k);
    }
    EXPECT_EQ(cuGraphExecDestroy(executable), CUDA_SUCCESS);
    EXPECT_EQ(cuGraphLaunch(executable, stream), CUDA_ERROR_INVALID_HANDLE);
  }
}

TEST_F(GraphTest, AnotherStreamJoinsByEventsAndMustBeJoinedBack) {
  for (bool back : {true, false}) {
    start("seed=3");
    CUstream side = nullptr;
    CUevent fork = nullptr, join = nullptr;
    ASSERT_EQ(cuStreamCreate(&side, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    ASSERT_EQ(cuEventCreate(&fork, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuEventCreate(&join, 0), CUDA_SUCCESS);
    CUdeviceptr x = device(8);
    ASSERT_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
    ASSERT_EQ(cuMemsetD32Async(x, 5, 2, stream), CUDA_SUCCESS);
    ASSERT_EQ(cuEventRecord(fork, stream), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamWaitEvent(side, fork, 0), CUDA_SUCCESS);
    ASSERT_EQ(launch_add(x, 1, 1, side), CUDA_SUCCESS);
    ASSERT_EQ(launch_add(x + 4, 2, 1, stream), CUDA_SUCCESS);
    ASSERT_EQ(cuEventRecord(join, side), CUDA_SUCCESS);
    if (back) ASSERT_EQ(cuStreamWaitEvent(stream, join, 0), CUDA_SUCCESS);
    CUgraph graph = nullptr;
    ASSERT_EQ(cuStreamEndCapture(stream, &graph), back ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    if (!back) continue;
    CUgraphExec executable = nullptr;
    ASSERT_EQ(cuGraphInstantiateWithFlags(&executable, graph, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuGraphLaunch(executable, stream), CUDA_SUCCESS);
    int result[2];
    ASSERT_EQ(cuMemcpyDtoHAsync_v2(result, x, 8, stream), CUDA_SUCCESS);
    EXPECT_EQ(result[0], 6);
    EXPECT_EQ(result[1], 7);
  }
}

TEST_F(GraphTest, WhatMayNotBeCapturedSpoilsTheCapture) {
  auto spoiled = [&](const std::function<CUresult()> &call, CUresult expected) {
    start("");
    ASSERT_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
    EXPECT_EQ(call(), expected);
    CUgraph graph = reinterpret_cast<CUgraph>(1);
    EXPECT_EQ(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    EXPECT_EQ(graph, nullptr);
    EXPECT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS) << "the stream is usable again";
  };
  CUdeviceptr address = 0;
  CUevent event = nullptr;
  spoiled([&] { return cuStreamSynchronize(stream); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  spoiled([&] { return cuMemAlloc_v2(&address, 4); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  spoiled([&] { return cuCtxSynchronize(); }, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  spoiled(
      [&] {
        EXPECT_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
        EXPECT_EQ(cuEventRecord(event, stream), CUDA_SUCCESS);
        return cuEventSynchronize(event);
      },
      CUDA_ERROR_CAPTURED_EVENT);
  spoiled(
      [&] {
        CUstream other = nullptr;
        EXPECT_EQ(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
      },
      CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

TEST_F(GraphTest, AGraphOfAnUnloadedModuleLosesTheContext) {
  start("");
  CUdeviceptr x = device(4);
  ASSERT_EQ(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), CUDA_SUCCESS);
  ASSERT_EQ(launch_add(x, 10, 1, stream), CUDA_SUCCESS);
  CUgraphExec executable = instantiate();
  ASSERT_EQ(cuModuleUnload(module), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(executable, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_LAUNCH_FAILED);
}

} // namespace ingot::cuda
