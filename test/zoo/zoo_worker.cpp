// Compiles and runs many models in one process: the engine of run.py. Kernels that models share are compiled once
// (ObjectCache). Nothing is judged here but the chunk law, whose judge is memcmp.
//
// argv: jobs, then v3 or v4 - or `cuda` and seeds: then every case runs on the emulated card that INGOT_CUDA_DRIVER
// names, once a seed (of its schedules), one job at a time, and the law holds between the seeds, too.
//
// stdin, a JSON object a line: {"case", "model", "out": folder, "ids": [..], "batch": [[..], ..], "greedy": n,
// "max_context": n}. stdout, one a case, in the order of completion: {"case", "seconds", "errors": [..], "law": [..],
// "greedy": [..], "warnings": [..]} - `errors` are the compiler's, `failure` is the runtime's message, `law` names the
// ways of feeding the prompt that gave other bits than feeding it whole. Files in `out`: full.f32 [ids, V] and
// batch.f32 [rows, V] (last logits of each row).
#include "compiler/driver/Compile.h"
#include "compiler/target/ObjectCache.h"
#include "ingot/ingot.h"
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

using namespace ingot;
using nlohmann::json;

namespace {

/// A call of the C API failed: its message becomes the case's failure.
struct RuntimeFailure {
  std::string message;
};
void check(ingot_code code) {
  if (code != INGOT_OK) throw RuntimeFailure{ingot_error_message()};
}

/// Where cases run.
struct Machine {
  cpu::CpuLevel level = cpu::CpuLevel::v4;
  bool cuda = false;
  std::vector<std::string> seeds;                   // of the emulated card
  int (*configure)(const char *settings) = nullptr; // the emulated driver's

  /// Another schedule; no session is open.
  void seed(const std::string &seed) const {
    if (configure(("sm=90,threads=1,seed=" + seed).c_str())) throw RuntimeFailure{"the emulator refuses seed " + seed};
  }
};
Machine machine;

struct Model {
  explicit Model(const std::string &path) { check(ingot_model_open(path.c_str(), &model)); }
  ~Model() { ingot_model_close(model); }
  ingot_model *model = nullptr;
};

using Tokens = std::vector<int32_t>;
using Rows = std::vector<float>;

class Session {
public:
  Session(const Model &model, uint32_t sequences, uint32_t threads, uint32_t padRows) {
    ingot_session_options options;
    ingot_session_options_init(&options);
    ingot_facts facts;
    ingot_model_facts(model.model, &facts);
    options.threads = threads, options.max_sequences = sequences, options.pad_rows = padRows;
    options.max_context = std::min(facts.max_context, 64u);
    options.device = machine.cuda ? "cuda" : "cpu";
    check(ingot_session_open(model.model, &options, &session));
    vocabulary = facts.vocab_size;
  }
  ~Session() { ingot_session_close(session); }

  ingot_sequence start() {
    ingot_sequence sequence;
    check(ingot_sequence_create(session, &sequence));
    return sequence;
  }
  void append(ingot_sequence sequence, const int32_t *tokens, size_t count, ingot_logits_rows rows) {
    check(ingot_append(session, sequence, tokens, count, rows));
  }
  /// Runs the step and appends its logits rows to `rows`.
  void step(Rows &rows) {
    check(ingot_step(session));
    for (uint32_t k = 0; k < ingot_logits_count(session); ++k) {
      const float *row;
      check(ingot_logits(session, k, &row));
      rows.insert(rows.end(), row, row + vocabulary);
    }
  }

  uint32_t vocabulary;

private:
  ingot_session *session = nullptr;
};

/// The logits of all tokens, fed in pieces of the given sizes; the last size repeats.
Rows feed(const Model &model, const Tokens &ids, std::vector<size_t> sizes, uint32_t threads = 1,
          uint32_t padRows = 1) {
  Session session(model, 1, threads, padRows);
  ingot_sequence sequence = session.start();
  Rows rows;
  for (size_t at = 0, k = 0; at < ids.size(); ++k) {
    size_t count = std::min(sizes[std::min(k, sizes.size() - 1)], ids.size() - at);
    session.append(sequence, ids.data() + at, count, INGOT_LOGITS_ALL);
    session.step(rows);
    at += count;
  }
  return rows;
}

Tokens greedy(const Model &model, const Tokens &ids, size_t count) {
  Session session(model, 1, 1, 1);
  ingot_sequence sequence = session.start();
  Tokens made, next = ids;
  while (made.size() < count) {
    Rows row;
    session.append(sequence, next.data(), next.size(), INGOT_LOGITS_LAST);
    session.step(row);
    made.push_back(int32_t(std::max_element(row.begin(), row.end()) - row.begin()));
    next = {made.back()};
  }
  return made;
}

/// All rows in one step, each its own sequence; the second step feeds nobody, so nothing leaks between them.
Rows batch(const Model &model, const std::vector<Tokens> &rows) {
  Session session(model, uint32_t(rows.size()), 2, 4);
  for (const Tokens &row : rows) session.append(session.start(), row.data(), row.size(), INGOT_LOGITS_LAST);
  Rows last;
  session.step(last);
  return last;
}

bool sameBits(const Rows &a, const Rows &b) {
  return a.size() == b.size() && !memcmp(a.data(), b.data(), a.size() * sizeof(float));
}

void store(const std::string &path, const Rows &rows) {
  FILE *file = fopen(path.c_str(), "wb");
  bool written = file && fwrite(rows.data(), sizeof(float), rows.size(), file) == rows.size();
  if ((file && fclose(file)) || !written) throw RuntimeFailure{"cannot write " + path};
}

void runArtifact(const json &job, const std::string &artifact, json &answer) {
  Model model(artifact);
  Tokens ids = job["ids"];
  std::string out = job["out"];
  answer["law"] = json::array();
  Rows first;
  for (const std::string &seed : machine.seeds) {
    if (machine.cuda) machine.seed(seed);
    Rows full = feed(model, ids, {ids.size()});
    auto hold = [&](const std::string &way, const Rows &rows) {
      if (!sameBits(full, rows)) answer["law"].push_back(way + (machine.cuda ? ", seed " + seed : ""));
    };
    if (first.empty()) first = full, store(out + "/full.f32", full);
    hold("another schedule", first);
    hold("one by one", feed(model, ids, {1}));
    hold("9 then one by one", feed(model, ids, {9, 1}));
    hold("by 5, two threads", feed(model, ids, {5}, 2));
    hold("7 then the rest, padded", feed(model, ids, {7, ids.size()}, 1, 8));
    answer["greedy"] = greedy(model, ids, job["greedy"]);
    if (std::vector<Tokens> rows = job["batch"]; !rows.empty()) {
      Rows last = batch(model, rows);
      store(out + "/batch.f32", last);
      Rows alone;
      for (const Tokens &row : rows) {
        Rows own = feed(model, row, {row.size()});
        alone.insert(alone.end(), own.end() - (last.size() / rows.size()), own.end());
      }
      hold("two sequences in a step", [&] { return sameBits(last, alone) ? full : Rows(); }());
    }
  }
}

json runCase(const json &job, cpu::ObjectCache &objects) {
  auto begin = std::chrono::steady_clock::now();
  json answer = {{"case", job["case"]}};
  CompileOptions options;
  options.model = job["model"];
  options.output = job["out"].get<std::string>() + "/model.ingot";
  options.activations = "f32";
  options.cpuLevels = {machine.level};
  if (machine.cuda) options.targets = {"cuda"}, options.architectures = {};
  options.maxContext = job["max_context"];
  options.objects = &objects;
  CompileResult result = compileModel(options);
  answer["errors"] = json::array();
  for (const Diagnostic &problem : result.errors) answer["errors"].push_back(toString(problem));
  answer["warnings"] = result.warnings;
  answer["compiled"] = result.ok;
  answer["compile_seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  try {
    if (result.ok) runArtifact(job, options.output, answer);
  } catch (const RuntimeFailure &failure) {
    answer["failure"] = failure.message;
  }
  remove(options.output.c_str());
  answer["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return answer;
}

bool chooseMachine(int argc, char **argv) {
  std::string kind = argc > 2 ? argv[2] : "v4";
  if (kind == "v3") machine.level = cpu::CpuLevel::v3;
  machine.cuda = kind == "cuda";
  machine.seeds.assign(argv + std::min(argc, 3), argv + argc);
  if (!machine.cuda) return machine.seeds = {""}, true;
  const char *path = getenv("INGOT_CUDA_DRIVER");
  void *driver = path ? dlopen(path, RTLD_NOW) : nullptr;
  if (driver) machine.configure = reinterpret_cast<int (*)(const char *)>(dlsym(driver, "ingot_emulator_configure"));
  if (!machine.configure) std::cerr << "INGOT_CUDA_DRIVER must name the emulated driver\n";
  return machine.configure && !machine.seeds.empty();
}

} // namespace

int main(int argc, char **argv) {
  unsigned jobs = argc > 1 ? unsigned(atoi(argv[1])) : 1;
  if (!chooseMachine(argc, argv)) return 2;
  if (machine.cuda) jobs = 1; // there is one card
  std::vector<json> work;
  for (std::string line; std::getline(std::cin, line);)
    if (!line.empty()) work.push_back(json::parse(line));
  cpu::ObjectCache objects;
  std::atomic<size_t> next{0};
  std::mutex output;
  auto loop = [&] {
    for (size_t k = next++; k < work.size(); k = next++) {
      {
        std::lock_guard lock(output);
        std::cout << json{{"begin", work[k]["case"]}} << std::endl; // who was at work if the process dies
      }
      json answer = runCase(work[k], objects);
      std::lock_guard lock(output);
      std::cout << answer << std::endl;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned k = 1; k < jobs; ++k) threads.emplace_back(loop);
  loop();
  for (std::thread &thread : threads) thread.join();
  std::cout << json{{"objects", objects.size()}, {"hits", objects.hits()}} << std::endl;
}
