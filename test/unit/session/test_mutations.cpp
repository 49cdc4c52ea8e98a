// Plans with resealed hashes and random damage: the semantic check refuses them, or a session over them is harmless
// (sanitizers see any touch outside). INGOT_MUTATIONS sets the number.
#include "runtime/session/session.h"
#include "test/unit/artifact/forge.h"

#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

namespace ingot::test {
namespace {

// Writes what the contract lets a kernel write: nothing is known of its buffers but slot addresses, so it reads its
// arguments and the batch.
int32_t look(const ingot_args *args, uint64_t begin, uint64_t end, void *) {
  volatile uint64_t sum = args->rows + args->batch->n_rows + begin + end;
  (void)sum;
  return 0;
}

// Fails large requests, as a small device would.
void *allocate_little(void *, size_t bytes, size_t alignment) {
  if (bytes > size_t(64) << 20) return nullptr;
  void *block = aligned_alloc(alignment, align_up(bytes, alignment));
  if (block) memset(block, 0, bytes);
  return block;
}
void release_little(void *, void *block, size_t) { free(block); }
constexpr Allocator little = {allocate_little, release_little, nullptr};

// True when the file was accepted.
bool survive(const std::vector<uint8_t> &file) {
  Artifact artifact;
  if (!Artifact::open_bytes(file, "mutant", {.allocator = little}, &artifact).ok()) return false;
  if (const plan::Program *program = artifact.program(plan::Target::cpu); program && artifact.cpu_level() != 0)
    for (uint32_t k = 0; k < program->kernels()->size(); ++k) artifact.replace_kernel(k, look);
  // Every byte that the plan says is a weight can be read.
  volatile uint8_t sum = 0;
  for (uint32_t w = 0; w < count_of(artifact.plan().weights()); ++w) {
    const plan::Weight &weight = *artifact.plan().weights()->Get(w);
    sum = sum + artifact.weights()[weight.offset()] + artifact.weights()[weight.offset() + weight.size() - 1];
  }
  Session session;
  SessionOptions options = {.threads = 1, .max_sequences = 2, .max_rows = 8, .allocator = little};
  options.max_context = std::min(artifact.facts().max_context(), 64u);
  uint32_t sequence;
  if (!session.open(artifact, options).ok() || !session.create(&sequence).ok()) return true;
  const int32_t tokens[3] = {0, 0, 0};
  const float *row;
  if (session.append(sequence, tokens, 3, LogitRows::all).ok() && session.step().ok()) (void)session.logits(2, &row);
  return true;
}

TEST(Mutations, ResealedPlansAreRefusedOrHarmless) {
  const char *asked = getenv("INGOT_MUTATIONS");
  long count = asked ? atol(asked) : 4000, accepted = 0;
  const std::vector<uint8_t> good = toy_file({.cuda = true});
  ingot_header header;
  memcpy(&header, good.data(), sizeof header);
  std::mt19937_64 random(20);
  const uint64_t extremes[] = {0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, ~uint64_t(0)};
  for (long i = 0; i < count; ++i) {
    std::vector<uint8_t> file = good;
    for (uint64_t changes = 1 + random() % 3; changes; --changes) {
      size_t width = size_t(1) << random() % 4, at = header.plan_offset + random() % (header.plan_size - width);
      uint64_t value = random() % 2 ? extremes[random() % std::size(extremes)] : random();
      if (random() % 4 == 0) value = file[at] + (random() % 2 ? 1 : -1);
      memcpy(file.data() + at, &value, width);
    }
    reseal(file);
    accepted += survive(file);
  }
  RecordProperty("accepted", int(accepted));
  EXPECT_LT(accepted, count);
  EXPECT_TRUE(survive(good));
}

} // namespace
} // namespace ingot::test
