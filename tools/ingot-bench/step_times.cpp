#include "tools/ingot-bench/step_times.h"
#include "runtime/session/session.h"
#include "tools/cli/json.h"
#include "tools/ingot-bench/gpu_probe.h"
#include "tools/ingot-bench/read_probe.h"
#include "tools/ingot-bench/speed.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

namespace ingot {
namespace {

constexpr const char *part_names[] = {"prepare", "main", "finish"};

// What one kernel did in all repeats.
struct Seen {
  std::vector<double> us;
  uint64_t weight_bytes, macs;
  size_t order; // of its first launch
};

struct Timer {
  Session session;
  std::map<std::pair<uint32_t, GridPart>, Seen> seen;

  static void ran(void *self, const Device &device) {
    auto timer = static_cast<Timer *>(self);
    const plan::Program &program = timer->session.program();
    for (size_t i = 0; i < device.grid_count(); ++i) {
      GridRun grid = device.grid(i);
      if (grid.end == 0) continue;
      const plan::Entry &entry = grid.space == plan::Space::body ? *program.body() : *program.head();
      const plan::Step &step = *entry.steps()->Get(grid.step);
      bool main = grid.part == GridPart::main;
      Seen first = {{}, main ? step.weight_bytes() : 0, main ? step.ops_per_row() * grid.rows : 0, i};
      Seen &seen = timer->seen.try_emplace({grid.kernel, grid.part}, first).first->second;
      seen.us.push_back(double(grid.end - grid.begin) / 1e3);
    }
  }

  // One chunk of `rows` tokens behind `depth`.
  Status step(uint32_t depth, uint32_t rows, bool timed) {
    uint32_t sequence, vocab = session.artifact().facts().vocab_size(), most = session.options().max_rows;
    std::vector<int32_t> tokens(std::max(depth, rows));
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = int32_t(i * 7919 % vocab);
    INGOT_TRY(session.create(&sequence));
    for (uint32_t at = 0; at < depth; at += most) {
      INGOT_TRY(session.append(sequence, tokens.data() + at, std::min(most, depth - at), LogitRows::none));
      INGOT_TRY(session.step());
    }
    if (timed) session.observe({ran, this});
    INGOT_TRY(session.append(sequence, tokens.data(), rows, LogitRows::last));
    INGOT_TRY(session.step());
    session.observe({});
    return session.destroy(sequence);
  }
};

void add(const Timer &timer, uint32_t rows, uint32_t repeats, StepTimes *times) {
  std::vector<std::pair<size_t, KernelTime>> found;
  for (const auto &[key, seen] : timer.seen) {
    const plan::Kernel &kernel = *timer.session.program().kernels()->Get(key.first);
    found.push_back({seen.order,
                     {rows, text_of(kernel.name()), part_names[size_t(key.second)], uint32_t(seen.us.size() / repeats),
                      median(seen.us), seen.weight_bytes, seen.macs}});
  }
  std::sort(found.begin(), found.end(), [](const auto &a, const auto &b) { return a.first < b.first; });
  for (auto &each : found) times->kernels.push_back(std::move(each.second));
}

Status measure_limits(const Session &session, StepTimes *times) {
  times->on_gpu = session.device() == DeviceKind::cuda;
  times->device = session.device_facts().name;
  if (!times->on_gpu) {
    auto probe = std::make_unique<ReadProbe>();
    INGOT_TRY(probe->open(session.artifact(), session.options().threads));
    return probe->measure(&times->read_limit);
  }
  GpuProbe probe;
  INGOT_TRY(probe.open(session.options().device.card));
  INGOT_TRY(probe.measure_reading(&times->read_limit));
  return probe.measure_multiplying(&times->multiply_limit);
}

Status open(const Artifact &artifact, const BenchOptions &options, uint32_t depth, Timer *timer) {
  uint32_t rows = uint32_t(*std::max_element(options.steps.begin(), options.steps.end()));
  uint32_t most = artifact.facts().max_new_per_sequence(), context = artifact.facts().max_context();
  if (most && rows > most)
    return Status::error(Code::bad_input, "--steps: this model takes at most %u new tokens of a sequence", most);
  if (rows + depth > context)
    return Status::error(Code::bad_input, "--steps and -d make %u tokens, but the context holds %u", rows + depth,
                         context);
  SessionOptions how = {.max_context = rows + depth, .max_rows = rows, .timed = true};
  INGOT_TRY(parse_device(options.device.empty() ? nullptr : options.device.c_str(), &how.device));
  return timer->session.open(artifact, how);
}

void print_json(const StepTimes &times) {
  Json json;
  json.begin_object().text("device", times.device).number("bytes_per_second", times.read_limit);
  json.number("macs_per_second", times.multiply_limit).begin_array("kernels");
  for (const KernelTime &each : times.kernels) {
    json.begin_object().integer("rows", each.rows).text("kernel", each.kernel).text("part", each.part);
    json.integer("launches", each.launches).number("us", each.us).integer("weight_bytes", int64_t(each.weight_bytes));
    json.integer("macs", int64_t(each.macs)).end_object();
  }
  json.end_array().end_object();
  printf("%s\n", json.str().c_str());
}

} // namespace

Status measure_steps(const Artifact &artifact, const BenchOptions &options, StepTimes *times) {
  uint32_t depth = options.depths.empty() ? 0 : uint32_t(options.depths[0]);
  auto timer = std::make_unique<Timer>();
  INGOT_TRY(open(artifact, options, depth, timer.get()));
  INGOT_TRY(measure_limits(timer->session, times));
  for (int32_t rows : options.steps) {
    timer->seen.clear();
    INGOT_TRY(timer->step(depth, uint32_t(rows), false)); // once unmeasured
    for (uint32_t repeat = 0; repeat < options.repeats; ++repeat) INGOT_TRY(timer->step(depth, uint32_t(rows), true));
    add(*timer, uint32_t(rows), options.repeats, times);
  }
  return {};
}

void print(const StepTimes &times, bool json) {
  if (json) return print_json(times);
  printf("%s: reads %.1f GB/s", times.device.c_str(), times.read_limit / 1e9);
  if (times.multiply_limit > 0) printf(", multiplies and adds %.4g T/s (mma f16)", times.multiply_limit / 1e12);
  printf("\n%5s  %-40s %-7s %8s %10s %8s %6s %8s %6s\n", "rows", "kernel", "part", "launches", "us", "GB/s", "read",
         "Gmac/s", "peak");
  for (const KernelTime &each : times.kernels) {
    double bytes = double(each.weight_bytes) * 1e6 / each.us, macs = double(each.macs) * 1e6 / each.us;
    printf("%5u  %-40.40s %-7s %8u %10.2f", each.rows, each.kernel.c_str(), each.part.c_str(), each.launches, each.us);
    if (each.weight_bytes) printf(" %8.1f %6.2f", bytes / 1e9, bytes / times.read_limit);
    if (each.weight_bytes && each.macs) printf(" %8.1f", macs / 1e9);
    if (each.weight_bytes && each.macs && times.multiply_limit > 0) printf(" %6.2f", macs / times.multiply_limit);
    printf("\n");
  }
}

} // namespace ingot
