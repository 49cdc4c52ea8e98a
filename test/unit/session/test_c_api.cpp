// The C API on the hand-made model: handles, errors, sizes. What sessions compute is tested in test_session.cpp.
#include "test/unit/artifact/forge.h"

#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <ingot/ingot.h>
#include <thread>
#include <unistd.h>

namespace ingot::test {
namespace {

class CApi : public testing::Test {
protected:
  void SetUp() override {
    std::vector<uint8_t> bytes = toy_file();
    FILE *file = fopen(path_.c_str(), "wb");
    fwrite(bytes.data(), 1, bytes.size(), file);
    fclose(file);
    ASSERT_EQ(ingot_model_open(path_.c_str(), &model_), INGOT_OK) << ingot_error_message();
  }
  void TearDown() override {
    ingot_model_close(model_);
    unlink(path_.c_str());
  }

  std::string path_ = testing::TempDir() + "ingot_c_api_" + std::to_string(getpid()) + ".ingot";
  ingot_model *model_ = nullptr;
};

TEST_F(CApi, FactsSayWhatTheModelIs) {
  ingot_facts facts;
  ingot_model_facts(model_, &facts);
  EXPECT_STREQ(facts.name, "toy");
  EXPECT_EQ(facts.vocab_size, 40u);
  EXPECT_EQ(facts.max_context, 64u);
  EXPECT_EQ(facts.bos, 1);
  ASSERT_EQ(facts.eos_count, 2u);
  EXPECT_EQ(facts.eos[1], 3);
  EXPECT_FALSE(facts.has_tokenizer);
  EXPECT_EQ(ingot_model_verify(model_), INGOT_OK);
}

TEST_F(CApi, ErrorsCarryACodeAndAMessageAThread) {
  ingot_model *none = model_;
  EXPECT_EQ(ingot_model_open("/nowhere.ingot", &none), INGOT_BAD_INPUT);
  EXPECT_EQ(none, nullptr);
  EXPECT_NE(std::string(ingot_error_message()).find("/nowhere.ingot"), std::string::npos);
  std::thread([] { EXPECT_STREQ(ingot_error_message(), ""); }).join();
  int32_t id;
  size_t count;
  EXPECT_EQ(ingot_encode(model_, "a", 1, 1, 1, &id, 1, &count), INGOT_BAD_INPUT);
  ingot_detokenizer *words;
  EXPECT_EQ(ingot_detokenizer_open(model_, 1, 1, &words), INGOT_BAD_INPUT);
}

TEST_F(CApi, DevicesAreChosenByName) {
  ingot_facts facts;
  ingot_model_facts(model_, &facts);
  EXPECT_TRUE(facts.has_cpu);
  EXPECT_FALSE(facts.has_cuda);
  ingot_session_options options;
  ingot_session_options_init(&options);
  EXPECT_EQ(options.watchdog_seconds, 60u);
  ingot_session *session;
  options.device = "gpu";
  EXPECT_EQ(ingot_session_open(model_, &options, &session), INGOT_USAGE);
  EXPECT_NE(std::string(ingot_error_message()).find("'gpu'"), std::string::npos);
  options.device = "cuda";
  EXPECT_EQ(ingot_session_open(model_, &options, &session), INGOT_UNSUPPORTED);
  EXPECT_NE(std::string(ingot_error_message()).find("no CUDA code"), std::string::npos) << ingot_error_message();
  options.device = "cpu";
  ASSERT_EQ(ingot_session_open(model_, &options, &session), INGOT_OK) << ingot_error_message();
  ingot_stats stats = {};
  stats.size = sizeof stats;
  ASSERT_EQ(ingot_session_stats(session, &stats), INGOT_OK);
  EXPECT_STREQ(stats.device, "cpu");
  EXPECT_EQ(stats.device_bytes, 0u);
  ingot_session_close(session);
}

TEST_F(CApi, StructsOfAnotherSizeAreRefused) {
  ingot_session_options options;
  ingot_session_options_init(&options);
  options.size -= 8;
  ingot_session *session;
  EXPECT_EQ(ingot_session_open(model_, &options, &session), INGOT_USAGE);
  EXPECT_EQ(session, nullptr);
}

TEST_F(CApi, StepsSampleCancelAndCount) {
  ingot_session *session;
  ASSERT_EQ(ingot_session_open(model_, nullptr, &session), INGOT_OK);
  ingot_sequence sequence, child;
  ASSERT_EQ(ingot_sequence_create(session, &sequence), INGOT_OK);
  EXPECT_EQ(ingot_sequence_fork(session, sequence, &child), INGOT_BAD_INPUT); // one sequence only
  const int32_t tokens[] = {4, 5, 6};
  EXPECT_EQ(ingot_append(session, sequence, tokens, 3, 9), INGOT_USAGE);
  ASSERT_EQ(ingot_append(session, sequence, tokens, 3, INGOT_LOGITS_ALL), INGOT_OK);
  EXPECT_EQ(ingot_room(session), 509u);
  ASSERT_EQ(ingot_step(session), INGOT_OK) << ingot_error_message();
  EXPECT_EQ(ingot_logits_count(session), 3u);
  const float *row;
  EXPECT_EQ(ingot_logits(session, 2, &row), INGOT_OK);
  EXPECT_EQ(ingot_logits(session, 3, &row), INGOT_USAGE);
  ingot_sampling sampling;
  ingot_sampling_init(model_, &sampling);
  int32_t token = -1;
  EXPECT_EQ(ingot_sample(session, 0, &sampling, nullptr, 0, 0, 3, &token), INGOT_OK);
  EXPECT_EQ(token, 0);
  sampling.top_p = 7;
  EXPECT_EQ(ingot_sample(session, 0, &sampling, nullptr, 0, 0, 3, &token), INGOT_USAGE);
  ingot_cancel(session);
  ASSERT_EQ(ingot_append(session, sequence, tokens, 3, INGOT_LOGITS_LAST), INGOT_OK);
  EXPECT_EQ(ingot_step(session), INGOT_CANCELLED);
  uint32_t length;
  EXPECT_EQ(ingot_sequence_length(session, sequence, &length), INGOT_OK);
  EXPECT_EQ(length, 3u);
  ingot_stats stats = {};
  EXPECT_EQ(ingot_session_stats(session, &stats), INGOT_USAGE);
  stats.size = sizeof stats;
  EXPECT_EQ(ingot_session_stats(session, &stats), INGOT_OK);
  EXPECT_EQ(stats.tokens, 3u);
  EXPECT_EQ(ingot_sequence_truncate(session, sequence, 1), INGOT_OK);
  EXPECT_EQ(ingot_sequence_free(session, sequence), INGOT_OK);
  EXPECT_EQ(ingot_sequence_free(session, sequence), INGOT_USAGE);
  ingot_session_close(session);
}

} // namespace
} // namespace ingot::test
