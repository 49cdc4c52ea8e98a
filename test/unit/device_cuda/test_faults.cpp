// What can go wrong: each driver call fails once, drivers and cards that do not fit, kernels that break or hang.
#include "runtime/device/cuda/driver_api.h"
#include "test/unit/device_cuda/emulator.h"
#include "test/unit/device_cuda/toy.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <gtest/gtest.h>

namespace ingot::test {
namespace {

const SessionOptions on_gpu = {.device = DeviceKind::cuda, .watchdog_seconds = 20};

// A session that uses every call: chunks, a fork with a copied page, graphs, logits and greedy rows.
Status whole_session(const Artifact &artifact, bool timed, Rows *rows) {
  SessionOptions options = on_gpu;
  options.max_sequences = 2;
  options.timed = timed;
  Session session;
  uint32_t sequence, child;
  int32_t token;
  std::vector<int32_t> tokens = tokens_of(3, 11);
  INGOT_TRY(session.open(artifact, options));
  INGOT_TRY(session.create(&sequence));
  INGOT_TRY(feed(session, sequence, tokens, 3, rows));
  INGOT_TRY(session.fork(sequence, &child));
  INGOT_TRY(feed(session, child, {4, 5}, 1, rows));
  INGOT_TRY(session.append(sequence, &tokens[0], 1, LogitRows::last));
  INGOT_TRY(session.step());
  return session.greedy(0, &token);
}

void expect_unsupported(const Artifact &artifact, const std::vector<const char *> &words) {
  Session session;
  Status status = session.open(artifact, on_gpu);
  EXPECT_EQ(status.code(), Code::unsupported);
  for (const char *word : words)
    EXPECT_NE(std::string(status.message()).find(word), std::string::npos) << word << ": " << status.message();
  EXPECT_EQ(std::string(status.message()).find('\n'), std::string::npos);
}

constexpr uint64_t most_failures = 30; // of one call

class EveryCall : public testing::TestWithParam<const char *> {};

// After the failure: no output but the right one, nothing left alive, and the next session works; in a fresh process if
// the GPU was lost, which every session until then says.
void expect_clean(const Artifact &artifact, bool timed, const std::string &failure, const Rows &expected) {
  SCOPED_TRACE(failure);
  emulate("sm=90,fail=" + failure);
  Rows rows;
  Status status = whole_session(artifact, timed, &rows);
  if (status.ok()) {
    EXPECT_TRUE(rows == expected); // a call that only gives back or asks for texts
  } else {
    EXPECT_STRNE(status.message(), "");
    EXPECT_NE(status.code(), Code::internal) << status.message();
  }
  EXPECT_EQ(live().objects, 0u);
  EXPECT_EQ(live().leaked, 0u);
  bool lost = status.code() == Code::device_lost;
  rows.clear();
  status = whole_session(artifact, timed, &rows);
  if (lost) EXPECT_EQ(status.code(), Code::device_lost) << status.message();
  if (status.code() == Code::device_lost) {
    emulate("sm=90");
    rows.clear();
    status = whole_session(artifact, timed, &rows);
  }
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(rows == expected);
}

// The errors: what the emulator takes for typical of the call, and one that nobody expects.
TEST_P(EveryCall, MayFailAtAnyTime) {
  std::string call = GetParam();
  GpuToy toy;
  for (bool timed : {false, true}) {
    Rows expected;
    emulate("sm=90");
    ASSERT_TRUE(whole_session(toy.artifact, timed, &expected).ok());
    uint64_t made = calls(call.c_str());
    uint64_t stride = std::max<uint64_t>(1, made / most_failures); // of calls made often, a sample
    for (uint64_t n = 1; n <= made; n += stride)
      for (const char *error : {"", ":999"})
        expect_clean(toy.artifact, timed, call + ":" + std::to_string(n) + error, expected);
  }
}

constexpr const char *all_calls[] = {
#define INGOT_CUDA_NAME(name, parameters) #name,
    INGOT_CUDA_CALLS(INGOT_CUDA_NAME)
#undef INGOT_CUDA_NAME
};
INSTANTIATE_TEST_SUITE_P(Driver, EveryCall, testing::ValuesIn(all_calls),
                         [](const auto &info) { return std::string(info.param); });

TEST(CudaFaults, NoDriver) {
  GpuToy toy;
  setenv("INGOT_CUDA_DRIVER", "/nonexistent/libcuda.so.1", 1);
  expect_unsupported(toy.artifact, {"no CUDA driver", "/nonexistent/libcuda.so.1", "--device cpu"});
}

TEST(CudaFaults, ADriverThatLacksACallIsNamedWithIt) {
  GpuToy toy;
  setenv("INGOT_CUDA_DRIVER", MISSING_LIBRARY, 1);
  expect_unsupported(toy.artifact, {"'cuInit'", "525"});
}

TEST(CudaFaults, AnOldDriverIsNamedWithBothVersions) {
  GpuToy toy;
  emulate("driver=11080");
  expect_unsupported(toy.artifact, {"11.8", "12.0", "525"});
}

TEST(CudaFaults, NoCard) {
  GpuToy toy;
  emulate("devices=0");
  expect_unsupported(toy.artifact, {"no CUDA device", "CUDA_VISIBLE_DEVICES"});
}

TEST(CudaFaults, ACardThatIsNotThereIsNamedWithThoseThatAre) {
  GpuToy toy;
  emulate("devices=2");
  Session session;
  Status status = session.open(toy.artifact, {.device = {DeviceKind::cuda, 2}});
  EXPECT_EQ(status.code(), Code::unsupported);
  EXPECT_STREQ(status.message(), "no GPU cuda:2: the driver shows 2, cuda:0 (Emulated sm_90), "
                                 "cuda:1 (Emulated sm_90 (1))");
}

TEST(CudaFaults, AnArchitectureThatTheArtifactDoesNotHold) {
  GpuToy only_90({.ptx80 = false, .cubin90 = true}), both;
  emulate("sm=86");
  expect_unsupported(only_90.artifact, {"sm_90", "PTX from sm_90", "sm_86", "--sm 86"});
  emulate("sm=75");
  expect_unsupported(both.artifact, {"sm_75", "sm_80", "--device cpu"});
}

TEST(CudaFaults, ACubinThatTheDriverDoesNotKnowGivesWayToPtx) {
  GpuToy toy({.cubin90 = true}), no_ptx({.ptx80 = false, .ptx90 = false, .cubin90 = true});
  for (const char *settings : {"sm=90", "sm=90,fail=cuModuleLoadDataEx:1:200"}) { // 200: an ELF newer than the driver
    Rows rows;
    emulate(settings);
    Status status = whole_session(toy.artifact, false, &rows);
    EXPECT_TRUE(status.ok()) << settings << ": " << status.message();
    emulate(settings);
    expect_unsupported(no_ptx.artifact, {"sm_90", "newer NVIDIA driver"});
  }
}

TEST(CudaFaults, MoreSharedMemoryThanTheCardHas) {
  GpuToy toy({.shared_bytes = 150000});
  emulate("sm=86");
  expect_unsupported(toy.artifact, {"linear_8", "150000"});
}

TEST(CudaFaults, AMissingKernelMeansADamagedFile) {
  GpuToy toy({.logits_kernel = "nobody"});
  emulate();
  Session session;
  Status status = session.open(toy.artifact, on_gpu);
  EXPECT_EQ(status.code(), Code::bad_input);
  EXPECT_NE(std::string(status.message()).find("nobody"), std::string::npos) << status.message();
}

TEST(CudaFaults, TooLittleMemorySaysWhatIsNeededAndWhatToDo) {
  GpuToy toy({.max_context = 4096});
  SessionOptions options = on_gpu;
  options.max_sequences = 2000;
  emulate("memory=600M");
  Session session, smaller;
  Status status = session.open(toy.artifact, options);
  EXPECT_EQ(status.code(), Code::no_memory);
  std::string message = status.message();
  for (const char *word : {"needs", "2000 sequences x 4,096 tokens", "free", "--kv-memory", "--max-sequences"})
    EXPECT_NE(message.find(word), std::string::npos) << word << ": " << message;
  EXPECT_EQ(calls("cuMemAlloc_v2"), 0u); // nothing was loaded
  EXPECT_EQ(calls("cuModuleLoadDataEx"), 0u);
  options.kv_bytes = 1 << 20;
  options.max_sequences = 20;
  EXPECT_TRUE(smaller.open(toy.artifact, options).ok());
  emulate("memory=60M");
  status = session.open(toy.artifact, options);
  EXPECT_EQ(status.code(), Code::no_memory);
  EXPECT_NE(std::string(status.message()).find("too small"), std::string::npos) << status.message();
}

TEST(CudaFaults, AWildAccessLosesTheGpuForGood) {
  GpuToy toy({.logits_kernel = "wild"}), healthy;
  emulate("sm=90");
  {
    Session session;
    uint32_t sequence;
    Rows rows;
    ASSERT_TRUE(session.open(toy.artifact, on_gpu).ok());
    ASSERT_TRUE(session.create(&sequence).ok());
    Status status = feed(session, sequence, {1, 2, 3}, 3, &rows);
    EXPECT_EQ(status.code(), Code::device_lost);
    EXPECT_NE(std::string(status.message()).find("end it"), std::string::npos) << status.message();
    uint64_t made = calls(nullptr);
    for (int turn = 0; turn < 3; ++turn) EXPECT_EQ(feed(session, sequence, {1}, 1, &rows).code(), Code::device_lost);
    EXPECT_EQ(calls(nullptr), made); // no call reaches a driver that is lost
    Session other;
    EXPECT_EQ(other.open(healthy.artifact, on_gpu).code(), Code::device_lost);
  }
  EXPECT_EQ(live().objects, 0u);
  emulate("sm=90"); // a fresh process
  Rows rows;
  EXPECT_TRUE(run(healthy.artifact, on_gpu, tokens_of(1, 5), 5, &rows).ok());
}

TEST(CudaFaults, ErrorsThatEndTheProcessAreTold) {
  GpuToy toy;
  for (const char *error : {"214", "220", "226", "700", "719", "721", "810"}) {
    Rows rows;
    emulate(std::string("fail=cuEventQuery:3:") + error);
    EXPECT_EQ(whole_session(toy.artifact, false, &rows).code(), Code::device_lost) << error;
  }
}

TEST(CudaFaults, TheWatchdogsTimeIsANumber) {
  GpuToy toy;
  emulate();
  for (const char *time : {"soon", "-1", "5s", "99999999999"}) {
    setenv("INGOT_CUDA_WATCHDOG", time, 1);
    Session session;
    Status status = session.open(toy.artifact, on_gpu);
    EXPECT_EQ(status.code(), Code::bad_input) << time;
    EXPECT_NE(std::string(status.message()).find(time), std::string::npos) << status.message();
  }
  unsetenv("INGOT_CUDA_WATCHDOG");
}

// The watchdog of the other session would bark after 20 s only, and its memory could not be freed.
TEST(CudaFaults, AHungStepIsTheEndOfOtherSessionsToo) {
  GpuToy toy;
  emulate("sm=90,hang=attend_split");
  SessionOptions options = on_gpu;
  options.watchdog_seconds = 1;
  time_t begin = time(nullptr);
  {
    Session other, later;
    uint32_t sequence, others;
    Rows rows;
    ASSERT_TRUE(other.open(toy.artifact, on_gpu).ok() && other.create(&others).ok());
    {
      Session session;
      ASSERT_TRUE(session.open(toy.artifact, options).ok() && session.create(&sequence).ok());
      EXPECT_EQ(feed(session, sequence, {1, 2}, 2, &rows).code(), Code::device_lost);
    }
    EXPECT_EQ(feed(other, others, {1}, 1, &rows).code(), Code::device_lost);
    EXPECT_EQ(later.open(toy.artifact, on_gpu).code(), Code::device_lost);
  }
  EXPECT_LT(time(nullptr) - begin, 10);
  emulate();
}

TEST(CudaFaults, AHungStepIsReportedAndTheSessionStillCloses) {
  GpuToy toy;
  emulate("sm=90,hang=attend_split");
  SessionOptions options = on_gpu;
  options.watchdog_seconds = 1;
  time_t begin = time(nullptr);
  {
    Session session;
    uint32_t sequence;
    Rows rows;
    ASSERT_TRUE(session.open(toy.artifact, options).ok());
    ASSERT_TRUE(session.create(&sequence).ok());
    Status status = feed(session, sequence, {1, 2}, 2, &rows);
    EXPECT_EQ(status.code(), Code::device_lost);
    EXPECT_NE(std::string(status.message()).find("1 seconds"), std::string::npos) << status.message();
    EXPECT_EQ(feed(session, sequence, {1}, 1, &rows).code(), Code::device_lost);
  }
  EXPECT_LT(time(nullptr) - begin, 10);
  emulate();
}

} // namespace
} // namespace ingot::test
