#include "tools/ingot-bench/speed.h"
#include "runtime/session/session.h"
#include "tools/ingot-bench/gpu_probe.h"
#include "tools/ingot-bench/read_probe.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace ingot {
namespace {

// The read limit of what the session runs on.
struct Probe {
  ReadProbe cpu;
  GpuProbe gpu;
  bool on_gpu = false;

  Status open(const Session &session, uint32_t threads) {
    on_gpu = session.device() == DeviceKind::cuda;
    return on_gpu ? gpu.open(session.options().device.card) : cpu.open(session.artifact(), threads);
  }
  Status measure(double *bytes_per_second) {
    return on_gpu ? gpu.measure_reading(bytes_per_second) : cpu.measure(bytes_per_second);
  }
};

// One thread count: its session, its probe, its cases.
struct Bench {
  Session session;
  Probe probe;
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
      INGOT_TRY(session.append(sequence, tokens, now, fed == count ? LogitRows::last : LogitRows::none));
      INGOT_TRY(session.step());
    }
    return {};
  }

  // Every sequence grows by a token a step; the next token is a greedy choice's cost away, as in earnest.
  Status decode(const std::vector<uint32_t> &sequences, uint32_t count) {
    for (uint32_t step = 0; step < count; ++step) {
      for (uint32_t sequence : sequences) {
        int32_t next = token();
        INGOT_TRY(session.append(sequence, &next, 1, LogitRows::last));
      }
      INGOT_TRY(session.step());
    }
    return {};
  }

  Status run(SpeedCase &which) {
    uint32_t model_step = session.artifact().facts().max_new_per_sequence();
    uint32_t chunk = model_step ? std::min(model_step, 512u) : 512;
    std::vector<uint32_t> sequences(which.batch);
    for (uint32_t &sequence : sequences) {
      INGOT_TRY(session.create(&sequence));
      INGOT_TRY(feed(sequence, which.depth, chunk));
    }
    uint64_t host = session.device_facts().host_ns, steps = session.stats().steps, begin = system_clock()();
    INGOT_TRY(which.decode ? decode(sequences, which.tokens) : feed(sequences[0], which.tokens, chunk));
    which.speeds.push_back(double(which.tokens) * which.batch * 1e9 / double(system_clock()() - begin));
    which.host_us.push_back(double(session.device_facts().host_ns - host) / 1e3 /
                            double(session.stats().steps - steps));
    for (uint32_t sequence : sequences) INGOT_TRY(session.destroy(sequence));
    return {};
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
    for (int32_t batch : decode ? options.batches : std::vector<int32_t>{1})
      for (int32_t tokens : decode ? options.tokens : options.prompts)
        for (int32_t depth : options.depths)
          cases->push_back({decode, threads, uint32_t(batch), uint32_t(tokens), uint32_t(depth), {}, {}, 0});
}

Status open(const Artifact &artifact, DeviceChoice device, uint32_t threads, const std::vector<SpeedCase> &cases,
            Bench *bench) {
  uint32_t context = 1, batch = 1, most = artifact.facts().max_context();
  for (const SpeedCase &each : cases) {
    context = std::max(context, each.tokens + each.depth);
    batch = std::max(batch, each.batch);
  }
  if (context > most)
    return Status::error(Code::bad_input,
                         "depth and tokens make %u, but the context holds %u: choose smaller -p, -n or -d", context,
                         most);
  bench->vocab = artifact.facts().vocab_size();
  SessionOptions options = {.device = device, .threads = threads, .max_sequences = batch, .max_context = context};
  options.max_rows = std::max(options.max_rows, batch);
  INGOT_TRY(bench->session.open(artifact, options));
  return bench->probe.open(bench->session, threads);
}

} // namespace

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t n = values.size();
  return n == 0 ? 0 : n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

Status measure_speed(const Artifact &artifact, const BenchOptions &options, SpeedReport *report) {
  DeviceChoice device;
  INGOT_TRY(parse_device(options.device.empty() ? nullptr : options.device.c_str(), &device));
  for (int32_t threads : options.threads) {
    std::vector<SpeedCase> cases;
    add_cases(options, uint32_t(threads), &cases);
    auto bench = std::make_unique<Bench>();
    INGOT_TRY(open(artifact, device, uint32_t(threads), cases, bench.get()));
    report->device = bench->session.device_facts().name;
    report->on_gpu = bench->session.device() == DeviceKind::cuda;
    report->bytes_per_token = bytes_per_token(bench->session.program());
    double best = 0;
    for (SpeedCase &each : cases) { // once unmeasured: pages come in
      SpeedCase warm = {each.decode, each.threads, each.batch, std::min(each.tokens, 16u), 0, {}, {}, 0};
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
      if (each.decode) each.read_fraction = double(report->bytes_per_token) * median(each.speeds) / each.batch / best;
    report->probes.push_back(best);
    report->cases.insert(report->cases.end(), cases.begin(), cases.end());
  }
  return {};
}

} // namespace ingot
