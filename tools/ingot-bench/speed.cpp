#include "tools/ingot-bench/speed.h"
#include "runtime/session/session.h"
#include "tools/ingot-bench/read_probe.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace ingot {
namespace {

// One thread count: its session, its probe, its cases.
struct Bench {
  Session session;
  ReadProbe probe;
  uint32_t vocab = 0;
  uint64_t random = 1;

  int32_t token() {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return int32_t((random >> 33) % vocab);
  }

  Status feed(uint32_t sequence, uint32_t count, uint32_t chunk) {
    int32_t tokens[512];
    for (uint32_t fed = 0; fed < count;) {
      uint32_t now = std::min({count - fed, chunk, 512u});
      for (uint32_t i = 0; i < now; ++i) tokens[i] = token();
      fed += now;
      INGOT_TRY(session.append(sequence, tokens, now, chunk == 1 || fed == count ? LogitRows::last : LogitRows::none));
      INGOT_TRY(session.step());
    }
    return {};
  }

  Status run(SpeedCase &which) {
    uint32_t sequence, model_step = session.artifact().facts().max_new_per_sequence();
    uint32_t chunk = model_step ? std::min(model_step, 512u) : 512;
    INGOT_TRY(session.create(&sequence));
    INGOT_TRY(feed(sequence, which.depth, chunk));
    uint64_t begin = system_clock()();
    INGOT_TRY(feed(sequence, which.tokens, which.decode ? 1 : chunk));
    which.speeds.push_back(which.tokens * 1e9 / double(system_clock()() - begin));
    return session.destroy(sequence);
  }

  // Of the last step: a model whose numbers are broken has no speed worth reporting.
  Status check_logits() {
    const float *row;
    INGOT_TRY(session.logits(0, &row));
    if (std::all_of(row, row + vocab, [](float x) { return std::isfinite(x); })) return {};
    return Status::error(Code::bad_input, "artifact %.120s: its logits are not finite", session.artifact().name());
  }
};

uint64_t bytes_per_token(const plan::Program &program) {
  uint64_t bytes = 0;
  for (const plan::Entry *entry : {program.body(), program.head()})
    for (const plan::Step *step : *entry->steps()) bytes += step->weight_bytes();
  return bytes;
}

void add_cases(const BenchOptions &options, uint32_t threads, std::vector<SpeedCase> *cases) {
  for (bool decode : {false, true})
    for (int32_t tokens : decode ? options.tokens : options.prompts)
      for (int32_t depth : options.depths)
        cases->push_back({decode, threads, uint32_t(tokens), uint32_t(depth), {}, 0});
}

Status open(const Artifact &artifact, uint32_t threads, const std::vector<SpeedCase> &cases, Bench *bench) {
  uint32_t context = 1, most = artifact.facts().max_context();
  for (const SpeedCase &each : cases) context = std::max(context, each.tokens + each.depth);
  if (context > most)
    return Status::error(Code::bad_input,
                         "depth and tokens make %u, but the context holds %u: choose smaller -p, -n or -d", context,
                         most);
  bench->vocab = artifact.facts().vocab_size();
  INGOT_TRY(bench->session.open(artifact, {.threads = threads, .max_context = context}));
  return bench->probe.open(artifact, threads);
}

} // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t n = values.size();
  return n == 0 ? 0 : n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

Status measure_speed(const Artifact &artifact, const BenchOptions &options, SpeedReport *report) {
  INGOT_TRY(artifact.supports(plan::Target::cpu));
  report->bytes_per_token = bytes_per_token(*artifact.program(plan::Target::cpu));
  for (int32_t threads : options.threads) {
    std::vector<SpeedCase> cases;
    add_cases(options, uint32_t(threads), &cases);
    auto bench = std::make_unique<Bench>();
    INGOT_TRY(open(artifact, uint32_t(threads), cases, bench.get()));
    double best = 0;
    for (SpeedCase &each : cases) { // once unmeasured: pages come in
      SpeedCase warm = {each.decode, each.threads, std::min(each.tokens, 16u), 0, {}, 0};
      INGOT_TRY(bench->run(warm));
      INGOT_TRY(bench->check_logits());
    }
    for (uint32_t repeat = 0; repeat < options.repeats; ++repeat) {
      double probe;
      INGOT_TRY(bench->probe.measure(&probe));
      best = std::max(best, probe);
      for (SpeedCase &each : cases) INGOT_TRY(bench->run(each));
    }
    for (SpeedCase &each : cases)
      if (each.decode) each.read_fraction = double(report->bytes_per_token) * median(each.speeds) / best;
    report->probes.push_back(best);
    report->cases.insert(report->cases.end(), cases.begin(), cases.end());
  }
  return {};
}

} // namespace ingot
