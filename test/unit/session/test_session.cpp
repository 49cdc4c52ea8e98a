// Sessions over the hand-made model: the law (bits do not depend on chunks, mixes, pads or threads) and every error.
#include "runtime/session/session.h"
#include "test/unit/artifact/forge.h"
#include "test/unit/artifact/kernels.h"

#include <cstring>
#include <gtest/gtest.h>

namespace ingot::test {
namespace {

using Rows = std::vector<std::vector<float>>;

struct Model {
  std::vector<uint8_t> file;
  Artifact artifact;
  explicit Model(const ToyOptions &options = {}) : file(toy_file(options)) {
    EXPECT_TRUE(open_toy(file, &artifact).ok());
  }
};

std::vector<int32_t> tokens_of(int seed, size_t count) {
  std::vector<int32_t> tokens(count);
  for (size_t i = 0; i < count; ++i) tokens[i] = int32_t((seed * 31 + i * 17 + i * i) % toy_vocab);
  return tokens;
}

void take_rows(Session &session, Rows *rows) {
  for (uint32_t i = 0; i < session.logit_count(); ++i) {
    const float *row;
    ASSERT_TRUE(session.logits(i, &row).ok());
    rows->emplace_back(row, row + toy_vocab);
  }
}

// All logits of one sequence, fed `chunk` tokens at a time.
Rows feed(Model &model, const std::vector<int32_t> &tokens, size_t chunk, SessionOptions options = {}) {
  Session session;
  Rows rows;
  Status status = session.open(model.artifact, options);
  EXPECT_TRUE(status.ok()) << status.message();
  uint32_t sequence;
  EXPECT_TRUE(session.create(&sequence).ok());
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    size_t count = std::min(chunk, tokens.size() - at);
    EXPECT_TRUE(session.append(sequence, tokens.data() + at, count, LogitRows::all).ok());
    Status stepped = session.step();
    EXPECT_TRUE(stepped.ok()) << stepped.message();
    take_rows(session, &rows);
  }
  EXPECT_EQ(rows.size(), tokens.size());
  return rows;
}

TEST(Session, TheHandMadeModelTellsTokensApart) {
  Model model;
  Rows a = feed(model, tokens_of(1, 20), 20), b = feed(model, tokens_of(2, 20), 20);
  EXPECT_NE(a, b);
  EXPECT_NE(a[18], a[19]);
  for (float x : a[19]) EXPECT_TRUE(x == x && x != 0);
}

TEST(Session, BitsDoNotDependOnChunksThreadsPadsOrLogitWindows) {
  for (uint32_t window : {0u, 9u}) {
    Model model({.window = window});
    Rows whole = feed(model, tokens_of(3, 50), 50);
    for (size_t chunk : {1, 2, 3, 7, 49}) EXPECT_EQ(feed(model, tokens_of(3, 50), chunk), whole) << chunk;
    for (uint32_t threads : {2, 3, 5}) EXPECT_EQ(feed(model, tokens_of(3, 50), 7, {.threads = threads}), whole);
    EXPECT_EQ(feed(model, tokens_of(3, 50), 7, {.pad_rows = 8}), whole);
    EXPECT_EQ(feed(model, tokens_of(3, 50), 50, {.max_logits = 6}), whole);
  }
}

TEST(Session, AMixWithPadsGivesEachSequenceTheBitsItHasAlone) {
  Model model;
  std::vector<int32_t> tokens[3] = {tokens_of(4, 40), tokens_of(5, 23), tokens_of(6, 31)};
  Rows alone[3], mixed[3];
  for (int s = 0; s < 3; ++s) alone[s] = feed(model, tokens[s], 8);
  Session session;
  ASSERT_TRUE(session.open(model.artifact, {.threads = 2, .max_sequences = 3, .max_rows = 64, .pad_rows = 16}).ok());
  uint32_t id[3];
  size_t fed[3] = {};
  for (uint32_t &sequence : id) ASSERT_TRUE(session.create(&sequence).ok());
  for (int turn = 0; fed[0] < 40 || fed[1] < 23 || fed[2] < 31; ++turn) {
    std::vector<int> in_step;
    for (int s = 2; s >= 0; --s) { // segments need not be in the order of their numbers
      size_t count = std::min<size_t>(size_t(turn + s) % 6, tokens[s].size() - fed[s]);
      if (count == 0) continue;
      ASSERT_TRUE(session.append(id[s], tokens[s].data() + fed[s], count, LogitRows::all).ok());
      fed[s] += count;
      for (size_t i = 0; i < count; ++i) in_step.push_back(s);
    }
    if (in_step.empty()) continue;
    ASSERT_TRUE(session.step().ok());
    ASSERT_EQ(session.logit_count(), in_step.size());
    for (uint32_t i = 0; i < in_step.size(); ++i) {
      const float *row;
      ASSERT_TRUE(session.logits(i, &row).ok());
      mixed[in_step[i]].emplace_back(row, row + toy_vocab);
    }
  }
  for (int s = 0; s < 3; ++s) EXPECT_EQ(mixed[s], alone[s]) << s;
}

TEST(Session, ForksAndTruncationsContinueAsIfFedAlone) {
  Model model;
  std::vector<int32_t> tokens = tokens_of(7, 30);
  Rows whole = feed(model, tokens, 30);
  Session session;
  ASSERT_TRUE(session.open(model.artifact, {.max_sequences = 2}).ok());
  uint32_t a, b;
  ASSERT_TRUE(session.create(&a).ok());
  std::vector<int32_t> wrong = tokens_of(8, 12);
  ASSERT_TRUE(session.append(a, tokens.data(), 18, LogitRows::none).ok());
  ASSERT_TRUE(session.step().ok());
  EXPECT_EQ(session.logit_count(), 0u);
  ASSERT_TRUE(session.fork(a, &b).ok());
  ASSERT_TRUE(session.append(a, wrong.data(), 12, LogitRows::last).ok()); // spoils only its own copy
  ASSERT_TRUE(session.step().ok());
  ASSERT_TRUE(session.append(b, tokens.data() + 18, 12, LogitRows::last).ok());
  ASSERT_TRUE(session.step().ok());
  Rows rows;
  take_rows(session, &rows);
  EXPECT_EQ(rows[0], whole[29]);
  ASSERT_TRUE(session.truncate(a, 18).ok());
  ASSERT_TRUE(session.append(a, tokens.data() + 18, 12, LogitRows::last).ok());
  ASSERT_TRUE(session.step().ok());
  take_rows(session, &rows);
  EXPECT_EQ(rows[1], whole[29]);
  ASSERT_TRUE(session.destroy(a).ok());
  ASSERT_TRUE(session.destroy(b).ok());
  EXPECT_EQ(session.stats().kv_used_bytes, 0u);
}

TEST(Session, ErrorsAreNamedAndLeaveTheSequenceAlone) {
  Model model;
  Session session;
  ASSERT_TRUE(session.open(model.artifact, {.max_sequences = 2, .max_context = 10, .max_rows = 8}).ok());
  uint32_t a, b, c, length;
  ASSERT_TRUE(session.create(&a).ok());
  ASSERT_TRUE(session.create(&b).ok());
  EXPECT_EQ(session.create(&c).code(), Code::bad_input);
  std::vector<int32_t> tokens = tokens_of(1, 20);
  int32_t outside = 40;
  EXPECT_EQ(session.step().code(), Code::usage);
  EXPECT_EQ(session.append(7, tokens.data(), 1, LogitRows::none).code(), Code::usage);
  EXPECT_EQ(session.append(a, tokens.data(), 0, LogitRows::none).code(), Code::usage);
  EXPECT_EQ(session.append(a, tokens.data(), 9, LogitRows::none).code(), Code::usage);
  EXPECT_EQ(session.append(a, tokens.data(), SIZE_MAX, LogitRows::none).code(), Code::context_full);
  EXPECT_EQ(session.append(a, &outside, 1, LogitRows::none).code(), Code::bad_input);
  ASSERT_TRUE(session.append(a, tokens.data(), 8, LogitRows::last).ok());
  EXPECT_EQ(session.append(a, tokens.data(), 1, LogitRows::last).code(), Code::usage);
  EXPECT_EQ(session.append(b, tokens.data(), 1, LogitRows::last).code(), Code::usage); // no room
  EXPECT_EQ(session.destroy(a).code(), Code::usage);
  ASSERT_TRUE(session.step().ok());
  const float *row;
  EXPECT_EQ(session.logits(1, &row).code(), Code::usage);
  Status full = session.append(a, tokens.data(), 3, LogitRows::last);
  EXPECT_EQ(full.code(), Code::context_full);
  EXPECT_NE(std::string(full.message()).find("max_context 10"), std::string::npos);
  ASSERT_TRUE(session.append(a, tokens.data(), 2, LogitRows::last).ok());
  session.cancel();
  EXPECT_EQ(session.step().code(), Code::cancelled);
  ASSERT_TRUE(session.length(a, &length).ok());
  EXPECT_EQ(length, 8u);
  ASSERT_TRUE(session.append(a, tokens.data(), 2, LogitRows::last).ok()); // the cancelled step left nothing behind
  EXPECT_TRUE(session.step().ok());
  EXPECT_EQ(Session().open(model.artifact, {.max_context = 65}).code(), Code::bad_input);
  EXPECT_EQ(Session().open(model.artifact, {.max_sequences = 0}).code(), Code::bad_input);
  EXPECT_EQ(Session().open(model.artifact, {.max_rows = 0}).code(), Code::bad_input);
}

TEST(Session, ARefusedAppendKeepsTheLastLogits) {
  Model model;
  Session session;
  ASSERT_TRUE(session.open(model.artifact, {.max_context = 8}).ok());
  uint32_t a;
  ASSERT_TRUE(session.create(&a).ok());
  std::vector<int32_t> tokens = tokens_of(1, 20);
  ASSERT_TRUE(session.append(a, tokens.data(), 8, LogitRows::last).ok());
  ASSERT_TRUE(session.step().ok());
  EXPECT_EQ(session.append(a, tokens.data(), 1, LogitRows::last).code(), Code::context_full);
  const float *row;
  EXPECT_EQ(session.logit_count(), 1u);
  EXPECT_TRUE(session.logits(0, &row).ok());
}

TEST(Session, AModelWithoutItsWeightsIsRefusedUntilItGetsSome) {
  plan::PlanT plan = toy_plan();
  plan.facts->weights_left_out = true;
  std::vector<uint8_t> file = forge(pack(plan), toy_segments());
  Artifact artifact;
  ASSERT_TRUE(open_toy(file, &artifact).ok());
  Status refused = Session().open(artifact, {});
  EXPECT_EQ(refused.code(), Code::bad_input);
  EXPECT_NE(std::string(refused.message()).find("--no-weights"), std::string::npos);
  artifact.replace_weights(artifact.weights());
  EXPECT_TRUE(Session().open(artifact, {}).ok());
}

TEST(Session, AFullCacheFailsTheStepAndForgetsIt) {
  Model model;
  Session session;
  ASSERT_TRUE(session.open(model.artifact, {.kv_bytes = 3 * 512, .max_sequences = 2, .max_context = 64}).ok());
  uint32_t a, b;
  ASSERT_TRUE(session.create(&a).ok());
  ASSERT_TRUE(session.create(&b).ok());
  std::vector<int32_t> tokens = tokens_of(1, 20);
  ASSERT_TRUE(session.append(a, tokens.data(), 8, LogitRows::last).ok());
  ASSERT_TRUE(session.append(b, tokens.data(), 8, LogitRows::last).ok());
  EXPECT_EQ(session.step().code(), Code::no_memory);
  ASSERT_TRUE(session.append(a, tokens.data(), 12, LogitRows::last).ok());
  EXPECT_TRUE(session.step().ok()); // alone it fits
  uint32_t length;
  ASSERT_TRUE(session.length(a, &length).ok());
  EXPECT_EQ(length, 12u);
}

TEST(Session, DecodeOnlyModelsRefuseMoreThanOneToken) {
  plan::PlanT plan = toy_plan();
  plan.facts->max_new_per_sequence = 1;
  std::vector<uint8_t> file = forge(pack(plan), toy_segments());
  Artifact artifact;
  ASSERT_TRUE(open_toy(file, &artifact).ok());
  Session session;
  ASSERT_TRUE(session.open(artifact, {}).ok());
  uint32_t a;
  ASSERT_TRUE(session.create(&a).ok());
  int32_t tokens[] = {1, 2};
  EXPECT_EQ(session.append(a, tokens, 2, LogitRows::last).code(), Code::usage);
  EXPECT_TRUE(session.append(a, tokens, 1, LogitRows::last).ok());
}

} // namespace
} // namespace ingot::test
