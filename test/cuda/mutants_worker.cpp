// Runs an artifact on the emulated card again and again, each time with other settings of the emulator: the engine of
// mutate_kernels.py.
//
// argv: ARTIFACT. stdin: one INGOT_EMULATOR text a line. stdout, a line each: `<hash of all logits>`, or `fault: ...`
// when the runtime reports an error. After a fault the process ends with 1 (the card is lost to it): the rest of the
// lines is for another process.
#include "ingot/ingot.h"
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <iostream>
#include <string>
#include <vector>
#include <xxhash.h>

namespace {

struct Failure {
  std::string message;
};
void check(ingot_code code) {
  if (code != INGOT_OK) throw Failure{ingot_error_message()};
}

using Tokens = std::vector<int32_t>;

class Run {
public:
  explicit Run(const ingot_model *model) {
    ingot_session_options options;
    ingot_session_options_init(&options);
    ingot_facts facts;
    ingot_model_facts(model, &facts);
    vocabulary_ = facts.vocab_size;
    options.device = "cuda", options.max_sequences = 2, options.max_context = std::min(facts.max_context, 128u);
    check(ingot_session_open(model, &options, &session_));
    for (ingot_sequence &sequence : sequences_) check(ingot_sequence_create(session_, &sequence));
  }
  ~Run() { ingot_session_close(session_); }

  /// A prompt of 70 tokens, then 9 more beside another prompt, then single tokens of both: every kind of step.
  std::vector<float> logits() {
    feed(0, 70), step();
    feed(0, 9), feed(1, 21), step();
    for (int k = 0; k < 2; ++k) feed(0, 1), feed(1, 1), step();
    return std::move(rows_);
  }

private:
  void feed(int sequence, size_t count) {
    Tokens tokens(count);
    for (int32_t &token : tokens) token = int32_t(next_ = (next_ * 1103515245u + 12345u) % vocabulary_);
    check(ingot_append(session_, sequences_[sequence], tokens.data(), count, INGOT_LOGITS_ALL));
  }
  void step() {
    check(ingot_step(session_));
    for (uint32_t k = 0; k < ingot_logits_count(session_); ++k) {
      const float *row;
      check(ingot_logits(session_, k, &row));
      rows_.insert(rows_.end(), row, row + vocabulary_);
    }
  }

  ingot_session *session_ = nullptr;
  ingot_sequence sequences_[2] = {};
  uint32_t vocabulary_ = 0, next_ = 7;
  std::vector<float> rows_;
};

} // namespace

int main(int argc, char **argv) {
  const char *path = getenv("INGOT_CUDA_DRIVER");
  void *driver = path ? dlopen(path, RTLD_NOW) : nullptr;
  auto configure =
      driver ? reinterpret_cast<int (*)(const char *)>(dlsym(driver, "ingot_emulator_configure")) : nullptr;
  if (argc != 2 || !configure) return fprintf(stderr, "usage: INGOT_CUDA_DRIVER=emulator mutants-worker ARTIFACT\n"), 2;
  ingot_model *model = nullptr;
  if (ingot_model_open(argv[1], &model) != INGOT_OK) return fprintf(stderr, "%s\n", ingot_error_message()), 2;
  for (std::string settings; std::getline(std::cin, settings);) {
    if (configure(settings.c_str())) return 2;
    try {
      std::vector<float> rows = Run(model).logits();
      printf("%016llx\n", (unsigned long long)XXH3_64bits(rows.data(), rows.size() * sizeof(float)));
    } catch (const Failure &failure) {
      printf("fault: %s\n", failure.message.c_str());
      return fflush(stdout), 1;
    }
    fflush(stdout);
  }
  ingot_model_close(model);
  return 0;
}
