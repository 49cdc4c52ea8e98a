#include "tools/ingot-run/report.h"
#include "tools/cli/json.h"
#include "tools/cli/size.h"

#include <cstdio>
#include <sys/resource.h>

namespace ingot {

size_t peak_memory() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return size_t(usage.ru_maxrss) * 1024;
}

static double per_second(uint64_t count, uint64_t ns) { return ns ? double(count) * 1e9 / double(ns) : 0; }

static double host_us_per_step(const RunReport &report) {
  return report.session.steps ? double(report.facts.host_ns) / 1e3 / double(report.session.steps) : 0;
}

static void print_json(const RunReport &report, double load, double first) {
  const RunTimes &times = report.times;
  Json json;
  json.begin_object().number("load_ms", load).number("ttft_ms", first);
  json.integer("prompt_tokens", int64_t(times.prompt_tokens));
  json.number("prefill_ms", double(times.prompt_ns) / 1e6);
  json.number("prefill_tokens_per_second", per_second(times.prompt_tokens, times.prompt_ns));
  json.integer("generated_tokens", int64_t(times.generated_tokens));
  json.number("decode_ms", double(times.decode_ns) / 1e6);
  json.number("decode_tokens_per_second", per_second(times.decode_tokens, times.decode_ns));
  json.integer("peak_rss_bytes", int64_t(peak_memory()));
  json.integer("kv_used_bytes", int64_t(report.session.kv_used_bytes));
  json.integer("kv_capacity_bytes", int64_t(report.session.kv_capacity_bytes));
  const DeviceFacts &facts = report.facts;
  if (report.device == DeviceKind::cpu) {
    json.integer("threads", facts.threads).text("cpu", "v" + std::to_string(facts.level));
  } else {
    json.text("device", facts.name).integer("sm", facts.level).integer("device_bytes", int64_t(facts.memory_bytes));
    json.number("host_us_per_step", host_us_per_step(report));
  }
  json.end_object();
  fprintf(stderr, "%s\n", json.str().c_str());
}

void print_report(const RunReport &report, bool json) {
  const RunTimes &times = report.times;
  double load = double(report.ready - report.process_start) / 1e6;
  double first = times.first_token_at ? double(times.first_token_at - report.process_start) / 1e6 : 0;
  if (json) return print_json(report, load, first);
  const DeviceFacts &facts = report.facts;
  if (report.device == DeviceKind::cpu)
    fprintf(stderr, "load     %.1f ms (%u threads, code v%u)\n", load, facts.threads, facts.level);
  else
    fprintf(stderr, "load     %.1f ms (%s, code sm_%u, %s of its memory)\n", load, facts.name, facts.level,
            format_size(facts.memory_bytes).c_str());
  if (times.first_token_at) fprintf(stderr, "ttft     %.1f ms from process start\n", first);
  fprintf(stderr, "prefill  %llu tokens, %.1f tok/s\n", (unsigned long long)times.prompt_tokens,
          per_second(times.prompt_tokens, times.prompt_ns));
  fprintf(stderr, "decode   %llu tokens, %.1f tok/s\n", (unsigned long long)times.generated_tokens,
          per_second(times.decode_tokens, times.decode_ns));
  if (report.device == DeviceKind::cuda)
    fprintf(stderr, "host     %.1f us a step besides waiting\n", host_us_per_step(report));
  fprintf(stderr, "memory   %s at its peak, KV cache %s of %s\n", format_size(peak_memory()).c_str(),
          format_size(report.session.kv_used_bytes).c_str(), format_size(report.session.kv_capacity_bytes).c_str());
}

} // namespace ingot
