// Asynchrony: what is not waited for has not happened, or has happened at once, by seed.
#include "EmulatedDriver.h"

namespace ingot::cuda {

class StreamTest : public EmulatedDriver {};

TEST_F(StreamTest, AResultIsNotThereBeforeTheStreamIsWaitedFor) {
  start("seed=0");
  CUdeviceptr x = device(4);
  int *host = pinned(1);
  *host = -1;
  ASSERT_EQ(cuMemsetD32Async(x, 40, 1, stream), CUDA_SUCCESS);
  ASSERT_EQ(launch_add(x, 2, 1, stream), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoHAsync_v2(host, x, 4, stream), CUDA_SUCCESS);
  EXPECT_EQ(*host, -1);
  EXPECT_EQ(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(*host, 42);
  EXPECT_EQ(cuStreamQuery(stream), CUDA_SUCCESS);
}

TEST_F(StreamTest, PinnedMemoryIsReadAsLateOrAsEarlyAsIsLegal) {
  for (int seed : {0, 1}) {
    start("seed=" + std::to_string(seed));
    CUdeviceptr x = device(4);
    int *host = pinned(1), result = 0;
    *host = 1;
    ASSERT_EQ(cuMemcpyHtoDAsync_v2(x, host, 4, stream), CUDA_SUCCESS);
    *host = 2;                                                            // a race of the host's
    ASSERT_EQ(cuMemcpyDtoHAsync_v2(&result, x, 4, stream), CUDA_SUCCESS); // pageable: done when it returns
    EXPECT_EQ(result, seed == 0 ? 2 : 1);
  }
}

TEST_F(StreamTest, PageableMemoryIsReadByTheCall) {
  start("seed=0");
  CUdeviceptr x = device(4);
  int host = 1, result = 0;
  ASSERT_EQ(cuMemcpyHtoDAsync_v2(x, &host, 4, stream), CUDA_SUCCESS);
  host = 2;
  ASSERT_EQ(cuMemcpyDtoHAsync_v2(&result, x, 4, stream), CUDA_SUCCESS);
  EXPECT_EQ(result, 1);
}

// Two streams double and add to one number; `joined`: with events between them.
static int pingpong(StreamTest &, const DriverCalls &calls, CUstream one, CUstream two, CUdeviceptr x, CUevent event,
                    bool joined, const std::function<CUresult(CUdeviceptr, int, CUstream)> &add) {
  EXPECT_EQ(calls.cuMemsetD32Async(x, 5, 1, one), CUDA_SUCCESS);
  if (joined) EXPECT_EQ(calls.cuEventRecord(event, one), CUDA_SUCCESS);
  if (joined) EXPECT_EQ(calls.cuStreamWaitEvent(two, event, 0), CUDA_SUCCESS);
  EXPECT_EQ(add(x, 10, two), CUDA_SUCCESS);
  if (joined) EXPECT_EQ(calls.cuEventRecord(event, two), CUDA_SUCCESS);
  if (joined) EXPECT_EQ(calls.cuStreamWaitEvent(one, event, 0), CUDA_SUCCESS);
  int result = 0;
  EXPECT_EQ(calls.cuMemcpyDtoHAsync_v2(&result, x, 4, one), CUDA_SUCCESS);
  return result;
}

TEST_F(StreamTest, EventsOrderStreamsAndTheirAbsenceIsSeen) {
  bool seen = false;
  for (int seed = 0; seed < 12; ++seed)
    for (bool joined : {true, false}) {
      start("seed=" + std::to_string(seed));
      CUstream second = nullptr;
      CUevent event = nullptr;
      ASSERT_EQ(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
      ASSERT_EQ(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
      CUdeviceptr x = device(4);
      ASSERT_EQ(cuMemsetD32Async(x, 0, 1, stream), CUDA_SUCCESS);
      ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
      int result = pingpong(*this, *this, stream, second, x, event, joined,
                            [&](CUdeviceptr a, int delta, CUstream on) { return launch_add(a, delta, 1, on); });
      if (joined) EXPECT_EQ(result, 15) << "seed " << seed;
      seen |= !joined && result != 15;
    }
  EXPECT_TRUE(seen);
}

TEST_F(StreamTest, AnEventIsDoneWhenWhatIsAheadOfItIs) {
  start("seed=0");
  CUevent first = nullptr, second = nullptr;
  ASSERT_EQ(cuEventCreate(&first, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&second, CU_EVENT_DEFAULT), CUDA_SUCCESS);
  CUdeviceptr x = device(4);
  EXPECT_EQ(cuEventQuery(first), CUDA_SUCCESS) << "never recorded";
  ASSERT_EQ(cuEventRecord(first, stream), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32Async(x, 5, 1, stream), CUDA_SUCCESS);
  ASSERT_EQ(cuEventRecord(second, stream), CUDA_SUCCESS);
  float milliseconds = -1;
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, first, second), CUDA_ERROR_NOT_READY);
  int polls = 0;
  while (cuEventQuery(second) == CUDA_ERROR_NOT_READY) ASSERT_LT(++polls, 100);
  EXPECT_GT(polls, 0);
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, first, second), CUDA_SUCCESS);
  EXPECT_GE(milliseconds, 0);
}

TEST_F(StreamTest, TheDefaultStreamWaitsForBlockingStreams) {
  start("seed=0");
  CUstream blocking = nullptr;
  ASSERT_EQ(cuStreamCreate(&blocking, CU_STREAM_DEFAULT), CUDA_SUCCESS);
  CUdeviceptr x = device(4);
  int result = 0;
  ASSERT_EQ(cuMemsetD32Async(x, 5, 1, blocking), CUDA_SUCCESS);
  ASSERT_EQ(launch_add(x, 1, 1, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoHAsync_v2(&result, x, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(result, 6);
}

TEST_F(StreamTest, DependentLaunchesGiveTheSameWhateverTheSeed) {
  for (int seed = 0; seed < 6; ++seed) {
    start("sm=90,seed=" + std::to_string(seed));
    CUlaunchAttribute attribute{CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, {}, {}};
    attribute.value.programmaticStreamSerializationAllowed = 1;
    CUdeviceptr x = device(4);
    ASSERT_EQ(cuMemsetD32Async(x, 5, 1, stream), CUDA_SUCCESS);
    ASSERT_EQ(launch_add(x, 1, 1, stream), CUDA_SUCCESS);
    ASSERT_EQ(launch_add(device(64), 1, 0, stream, &attribute), CUDA_SUCCESS); // touches nothing
    int result = 0;
    ASSERT_EQ(cuMemcpyDtoHAsync_v2(&result, x, 4, stream), CUDA_SUCCESS);
    EXPECT_EQ(result, 6);
  }
}

} // namespace ingot::cuda
