// ingot-bench: speed against the machine's read limit, and quality against a reference.
#include "runtime/base/cpu.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/json.h"
#include "tools/ingot-bench/quality.h"
#include "tools/ingot-bench/random_weights.h"
#include "tools/ingot-bench/speed.h"
#include "tools/ingot-bench/step_times.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <unistd.h>

namespace ingot {
namespace {

Status read_text(const std::string &path, std::string *text) {
  File file;
  INGOT_TRY(file.open(system_files(), path.c_str()));
  if (file.size() == 0) return {};
  Mapping mapping;
  INGOT_TRY(mapping.map(system_files(), file.handle(), 0, file.size(), false, path.c_str()));
  text->assign(reinterpret_cast<const char *>(mapping.bytes().data()), mapping.bytes().size());
  return {};
}

void print_json(const BenchOptions &options, const SpeedReport &report, const Quality *quality) {
  Json json;
  json.begin_object()
      .text("model", options.model)
      .text("device", report.device)
      .integer("weight_bytes_per_token", int64_t(report.bytes_per_token));
  json.begin_array("probes");
  for (size_t i = 0; i < report.probes.size(); ++i)
    json.begin_object()
        .integer("threads", options.threads[i])
        .number("bytes_per_second", report.probes[i])
        .end_object();
  json.end_array().begin_array("cases");
  for (const SpeedCase &each : report.cases) {
    json.begin_object().text("kind", each.decode ? "decode" : "prefill").integer("threads", each.threads);
    json.integer("batch", each.batch).integer("tokens", each.tokens).integer("depth", each.depth);
    json.number("tokens_per_second", median(each.speeds));
    json.number("least", *std::min_element(each.speeds.begin(), each.speeds.end()));
    json.number("most", *std::max_element(each.speeds.begin(), each.speeds.end()));
    if (each.decode) json.number("read_fraction", each.read_fraction);
    if (report.on_gpu) json.number("host_us_per_step", median(each.host_us));
    json.end_object();
  }
  json.end_array();
  if (quality) {
    json.begin_object("quality").integer("tokens", int64_t(quality->tokens)).number("mean_kl", quality->mean_kl);
    json.number("top1_agreement", quality->top1_agreement).number("perplexity", quality->perplexity);
    json.number("reference_perplexity", quality->reference_perplexity).end_object();
  }
  json.end_object();
  printf("%s\n", json.str().c_str());
}

void print_text(const BenchOptions &options, const SpeedReport &report, const Quality *quality) {
  for (size_t i = 0; i < report.probes.size(); ++i)
    if (report.on_gpu)
      printf("read probe, %s: %.2f GB/s\n", report.device.c_str(), report.probes[i] / 1e9);
    else
      printf("read probe, %d threads: %.2f GB/s\n", options.threads[i], report.probes[i] / 1e9);
  if (!report.cases.empty())
    printf("%-8s %7s %5s %7s %7s %10s %21s %6s %7s\n", "kind", "threads", "batch", "tokens", "depth", "tok/s",
           "least .. most", "read", report.on_gpu ? "host us" : "");
  for (const SpeedCase &each : report.cases) {
    printf("%-8s %7u %5u %7u %7u %10.1f %10.1f .. %7.1f", each.decode ? "decode" : "prefill", each.threads, each.batch,
           each.tokens, each.depth, median(each.speeds), *std::min_element(each.speeds.begin(), each.speeds.end()),
           *std::max_element(each.speeds.begin(), each.speeds.end()));
    if (each.decode)
      printf(" %6.2f", each.read_fraction);
    else
      printf(" %6s", "");
    printf(report.on_gpu ? " %7.1f\n" : "\n", median(each.host_us));
  }
  if (!quality) return;
  printf("quality over %llu tokens: mean KL %.6f, top-1 agreement %.4f, perplexity %.4f (reference %.4f)\n",
         (unsigned long long)quality->tokens, quality->mean_kl, quality->top1_agreement, quality->perplexity,
         quality->reference_perplexity);
}

Status compare(const BenchOptions &options, const Artifact &artifact, Quality *quality) {
  std::string text;
  Artifact other;
  RandomWeights random; // the same seed: equal layouts get equal weights
  INGOT_TRY(read_text(options.text, &text));
  INGOT_TRY(Artifact::open(options.reference.c_str(), {.cpu_level = getenv("INGOT_CPU")}, &other));
  const Artifact &reference = options.reference == options.model ? artifact : other;
  if (options.random_weights && &reference == &other) INGOT_TRY(random.replace(&other));
  DeviceChoice device;
  INGOT_TRY(parse_device(options.device.empty() ? nullptr : options.device.c_str(), &device));
  return measure_quality(artifact, device, reference, text, options.chunk, quality);
}

Status bench(BenchOptions &options) {
  RandomWeights random;
  Artifact artifact;
  INGOT_TRY(Artifact::open(options.model.c_str(), {.cpu_level = getenv("INGOT_CPU")}, &artifact));
  if (options.random_weights) INGOT_TRY(random.replace(&artifact));
  if (!options.steps.empty()) {
    StepTimes times;
    INGOT_TRY(measure_steps(artifact, options, &times));
    print(times, options.json);
    return {};
  }
  SpeedReport speed = {};
  Quality quality;
  bool with_quality = !options.reference.empty();
  if (with_quality) {
    INGOT_TRY(compare(options, artifact, &quality));
  } else {
    bool on_gpu =
        options.device.starts_with("cuda") || (options.device.empty() && !artifact.program(plan::Target::cpu));
    if (on_gpu) options.threads = {1}; // means nothing there
    if (options.threads.empty()) options.threads = {int32_t(usable_cpus())};
    INGOT_TRY(measure_speed(artifact, options, &speed));
  }
  (options.json ? print_json : print_text)(options, speed, with_quality ? &quality : nullptr);
  return {};
}

} // namespace
} // namespace ingot

int main(int argc, char **argv) {
  using namespace ingot;
  try {
    BenchOptions options;
    int code = exit_done;
    if (!parse_options(argc, argv, &options, &code)) return code;
    Status status = bench(options);
    if (!status.ok()) fprintf(stderr, "ingot-bench: %s\n", status.message());
    if (status.code() == Code::device_lost) { // the driver's exit handlers may wait for a step that never ends
      fflush(nullptr);
      _exit(exit_device);
    }
    return exit_code_of(status);
  } catch (const std::exception &error) {
    fprintf(stderr, "ingot-bench: internal error: %s\n", error.what());
    return exit_bug;
  }
}
