// Runs an artifact on the emulated card again and again, each time with other settings of the emulator: the engine of
// mutate_kernels.py.
//
// argv: ARTIFACT. stdin, a line each: `PLAN<tab>SETTINGS[<tab>HASHES]`, what to run (Plan, below), an INGOT_EMULATOR
// text and what is expected. stdout, a line each: `<hash of a step's logits>,...`, which ends with the first step that
// is not as expected; `none` if the model is too small for the plan; or `fault: ...` when the runtime reports an error.
// After a fault the process ends with 1 (the card is lost to it): the rest of the lines is for another process.
#include "ingot/ingot.h"
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <iostream>
#include <map>
#include <sstream>
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

// What is run. Every one has prompts, chunks, mixed batches and single tokens.
//  mixed  rows that are no whole tiles, few before many, so that nobody has written what lies behind them; one row
//         alone ends a page of keys, and others see it
//  padded steps with pads, rows that no sequence has, and logits that end with a tile of few; apart, as tight
//  tight  steps of exactly as many rows and sequences as there is memory for, every buffer and weight apart
//         (INGOT_CUDA_APART): what lies behind is nobody's
//  few    likewise, and each array of the step block fills its place: behind the block tables there is nothing
//  long   a context of several splits (format/abi.h), so that finish grids have something to add up, and steps that end
//         in each block of a tile of keys (compiler/kernels/cuda/AttendStream.cpp); of a model made
//         for fewer positions several tiles of keys (compiler/kernels/cpu/AttendBand.h)
struct Plan {
  uint32_t max_rows, max_context;
  uint32_t sequences;
  uint32_t max_logits;                    // rows of a head's launch; 0: as many as sequences, so a step has several
  uint32_t pad_rows;                      // rows of a step are padded to a multiple of it
  bool apart;                             // INGOT_CUDA_APART
  std::vector<std::vector<size_t>> steps; // tokens of each sequence; 0: it has none in this step
};

const Plan kMixed = {512, 128, 2, 512, 1, false, {{1, 0}, {8, 21}, {2, 9}, {1, 1}, {1, 0}, {0, 1}, {1, 1}, {70, 0}}};
const Plan kPadded = {72, 128, 2, 70, 8, true, {{70, 0}, {3, 2}, {0, 21}, {1, 1}, {1, 0}}};
const Plan kTight = {64, 128, 2, 64, 1, true, {{64, 0}, {3, 61}, {15, 49}, {1, 0}, {0, 13}, {1, 1}}};
const Plan kFew = {16, 32, 15, 0, 1, true, {{16}, std::vector<size_t>(15, 1)}};
const Plan kLong = {260, 640, 2, 0, 1, false, {{259, 0}, {16, 0}, {16, 0}, {219, 10}, {15, 5}, {1, 1}, {0, 1}, {1, 0}}};
const Plan kTiles = {160, 176, 2, 0, 1, false, {{150, 0}, {10, 15}, {1, 1}}}; // long, of a model made for less

// False: there is no such plan. *plan is null where the model is too small for it.
bool find_plan(const std::string &name, uint32_t positions, const Plan **plan) {
  static const std::map<std::string, const Plan *> plans = {
      {"mixed", &kMixed}, {"padded", &kPadded}, {"tight", &kTight}, {"few", &kFew}, {"long", &kLong}};
  auto found = plans.find(name);
  if (found == plans.end()) return false;
  *plan = found->second;
  if (*plan == &kLong && positions < kLong.max_context) *plan = positions < kTiles.max_context ? nullptr : &kTiles;
  return true;
}

class Run {
public:
  Run(const ingot_model *model, const ingot_facts &facts, const Plan &plan) : plan_(plan) {
    ingot_session_options options;
    ingot_session_options_init(&options);
    vocabulary_ = facts.vocab_size;
    options.device = "cuda", options.max_sequences = plan.sequences, options.max_rows = plan.max_rows;
    options.pad_rows = plan.pad_rows;
    options.max_logits = plan.max_logits;
    options.max_context = std::min(facts.max_context, plan.max_context);
    check(ingot_session_open(model, &options, &session_));
    sequences_.resize(plan.sequences);
    for (ingot_sequence &sequence : sequences_) check(ingot_sequence_create(session_, &sequence));
  }
  ~Run() { ingot_session_close(session_); }

  // A hash for each step, up to the first that `expected` does not begin with.
  std::string hashes(const std::string &expected) {
    std::string all;
    for (const auto &counts : plan_.steps) {
      for (size_t k = 0; k < counts.size(); ++k) feed(k, counts[k]);
      char hash[20];
      snprintf(hash, sizeof hash, "%016llx,", (unsigned long long)step());
      all += hash;
      if (!expected.empty() && !expected.starts_with(all)) break;
    }
    return all;
  }

private:
  void feed(size_t sequence, size_t count) {
    if (!count) return;
    Tokens tokens(count);
    for (int32_t &token : tokens) token = int32_t(next_ = (next_ * 1103515245u + 12345u) % vocabulary_);
    check(ingot_append(session_, sequences_[sequence], tokens.data(), count, INGOT_LOGITS_ALL));
  }
  uint64_t step() {
    check(ingot_step(session_));
    rows_.clear();
    for (uint32_t k = 0; k < ingot_logits_count(session_); ++k) {
      const float *row;
      check(ingot_logits(session_, k, &row));
      rows_.insert(rows_.end(), row, row + vocabulary_);
    }
    return XXH3_64bits(rows_.data(), rows_.size() * sizeof(float));
  }

  const Plan &plan_;
  ingot_session *session_ = nullptr;
  std::vector<ingot_sequence> sequences_;
  uint32_t vocabulary_ = 0, next_ = 7;
  std::vector<float> rows_; // of the last step
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
  ingot_facts facts;
  ingot_model_facts(model, &facts);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string name, settings, expected;
    for (std::string *part : {&name, &settings, &expected}) std::getline(words, *part, '\t');
    const Plan *plan;
    if (!find_plan(name, facts.max_context, &plan)) return fprintf(stderr, "there is no plan '%s'\n", name.c_str()), 2;
    setenv("INGOT_CUDA_APART", plan && plan->apart ? "1" : "0", 1);
    if (configure(settings.c_str())) return 2;
    try {
      puts(plan ? Run(model, facts, *plan).hashes(expected).c_str() : "none");
    } catch (const Failure &failure) {
      printf("fault: %s\n", failure.message.c_str());
      return fflush(stdout), 1;
    }
    fflush(stdout);
  }
  ingot_model_close(model);
  return 0;
}
