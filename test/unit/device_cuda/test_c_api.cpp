// The C API on the emulated GPU.
#include "test/unit/device_cuda/emulator.h"
#include "test/unit/device_cuda/toy.h"

#include <gtest/gtest.h>
#include <ingot/ingot.h>
#include <unistd.h>

namespace ingot::test {
namespace {

struct Model {
  std::string path = testing::TempDir() + "ingot_cuda_c_api_" + std::to_string(getpid()) + ".ingot";
  ingot_model *model = nullptr;

  explicit Model(const GpuToyOptions &options) {
    GpuToy toy(options);
    FILE *file = fopen(path.c_str(), "wb");
    fwrite(toy.file.data(), 1, toy.file.size(), file);
    fclose(file);
    EXPECT_EQ(ingot_model_open(path.c_str(), &model), INGOT_OK) << ingot_error_message();
  }
  ~Model() {
    ingot_model_close(model);
    unlink(path.c_str());
  }
};

TEST(CudaCApi, AGreedyStepChoosesOnTheGpu) {
  Model toy({.cpu = false});
  emulate("sm=90");
  uint64_t uploaded = 0;
  ingot_facts facts;
  ingot_model_facts(toy.model, &facts);
  EXPECT_FALSE(facts.has_cpu);
  EXPECT_TRUE(facts.has_cuda);
  ingot_session_options options;
  ingot_session_options_init(&options);
  options.upload_progress = [](void *user, uint64_t done, uint64_t) { *static_cast<uint64_t *>(user) = done; };
  options.upload_user = &uploaded;
  ingot_session *session;
  ASSERT_EQ(ingot_session_open(toy.model, &options, &session), INGOT_OK) << ingot_error_message();
  EXPECT_GT(uploaded, 0u);
  ingot_sequence sequence;
  const int32_t tokens[] = {1, 2, 3};
  ASSERT_EQ(ingot_sequence_create(session, &sequence), INGOT_OK);
  ASSERT_EQ(ingot_append(session, sequence, tokens, 3, INGOT_LOGITS_LAST), INGOT_OK);
  ASSERT_EQ(ingot_step(session), INGOT_OK) << ingot_error_message();
  ingot_sampling greedy;
  ingot_sampling_init(toy.model, &greedy);
  int32_t chosen = -1;
  const float *row;
  uint64_t copies = calls("cuMemcpyDtoHAsync_v2");
  ASSERT_EQ(ingot_sample(session, 0, &greedy, nullptr, 0, 0, 3, &chosen), INGOT_OK);
  EXPECT_EQ(calls("cuMemcpyDtoHAsync_v2"), copies); // it came with the step
  ASSERT_EQ(ingot_logits(session, 0, &row), INGOT_OK);
  EXPECT_EQ(calls("cuMemcpyDtoHAsync_v2"), copies + 1);
  for (uint32_t v = 0; v < toy_vocab; ++v) EXPECT_LE(row[v], row[chosen]);
  ingot_stats stats = {};
  stats.size = sizeof stats;
  ASSERT_EQ(ingot_session_stats(session, &stats), INGOT_OK);
  EXPECT_NE(std::string(stats.device).find("sm_90"), std::string::npos) << stats.device;
  EXPECT_EQ(stats.device_bytes, live().bytes);
  EXPECT_GT(stats.host_ns, 0u);
  ingot_session_close(session);
  EXPECT_EQ(live().objects, 0u);
}

TEST(CudaCApi, ALostDeviceHasACodeOfItsOwn) {
  Model toy({.logits_kernel = "wild"});
  emulate();
  ingot_session_options options;
  ingot_session_options_init(&options);
  options.device = "cuda";
  ingot_session *session;
  ASSERT_EQ(ingot_session_open(toy.model, &options, &session), INGOT_OK) << ingot_error_message();
  ingot_sequence sequence;
  const int32_t token = 1;
  ASSERT_EQ(ingot_sequence_create(session, &sequence), INGOT_OK);
  ASSERT_EQ(ingot_append(session, sequence, &token, 1, INGOT_LOGITS_LAST), INGOT_OK);
  EXPECT_EQ(ingot_step(session), INGOT_DEVICE_LOST);
  ingot_session_close(session);
  emulate();
}

} // namespace
} // namespace ingot::test
