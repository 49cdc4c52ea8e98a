// Does the work: copies with what is known about their bytes, fills, launches on the interpreter, graphs.
#include "tools/cuda-emulator/driver/errors.h"
#include "tools/cuda-emulator/driver/stream.h"
#include <algorithm>
#include <cstring>

namespace ingot::emulator {
using namespace cuda;

namespace {

// A device range that was freed since the call: on a card an illegal address, found when the copy runs.
CUresult check_range(Driver &driver, uint64_t address, size_t bytes, bool write, const char *what) {
  Access access = driver.memory->check(address, bytes, write, false);
  if (access == Access::ok) return CUDA_SUCCESS;
  char text[160];
  snprintf(text, sizeof text, "%s of %zu bytes at 0x%llx: %s", what, bytes, (unsigned long long)address, name(access));
  return driver.lose(CUDA_ERROR_ILLEGAL_ADDRESS, text);
}

// Bytes that no kernel and no copy ever wrote arrive as 0xA5, so that a host that uses them is seen.
void copy_to_host(Driver &driver, const Work &work) {
  memcpy(reinterpret_cast<void *>(work.to), reinterpret_cast<const void *>(work.from), work.bytes);
  Allocation *allocation = driver.memory->find(work.from);
  if (Memory::is_written(*allocation, work.from, work.bytes)) return;
  for (size_t i = 0; i < work.bytes; ++i)
    if (!Memory::is_written(*allocation, work.from + i, 1)) reinterpret_cast<uint8_t *>(work.to)[i] = 0xa5;
}

CUresult copy(Driver &driver, const Work &work) {
  if (work.kind != Work::copy_in)
    if (CUresult result = check_range(driver, work.from, work.bytes, false, "a copy reads"); result) return result;
  if (work.kind != Work::copy_out)
    if (CUresult result = check_range(driver, work.to, work.bytes, true, "a copy writes"); result) return result;
  auto *to = reinterpret_cast<void *>(work.to);
  if (work.kind == Work::copy_in) {
    memcpy(to, work.staged ? work.staged->data() : reinterpret_cast<const void *>(work.from), work.bytes);
    driver.memory->mark_written(work.to, work.bytes);
  } else if (work.kind == Work::copy_within) {
    memcpy(to, reinterpret_cast<const void *>(work.from), work.bytes);
    driver.memory->copy_written(work.to, work.from, work.bytes);
  } else {
    copy_to_host(driver, work);
  }
  return CUDA_SUCCESS;
}

constexpr size_t most_counters = 8192; // fills of less may set counters that count from zero

CUresult fill(Driver &driver, const Work &work) {
  if (CUresult result = check_range(driver, work.to, work.bytes, true, "a fill"); result) return result;
  auto *to = reinterpret_cast<uint8_t *>(work.to);
  if (work.value == 0 && driver.settings.poison && work.bytes >= most_counters)
    memset(to, 255, work.bytes);
  else if (work.value == (work.value & 255) * 0x01010101u)
    memset(to, int(work.value & 255), work.bytes);
  else
    for (size_t i = 0; i + 4 <= work.bytes; i += 4) memcpy(to + i, &work.value, 4);
  driver.memory->mark_written(work.to, work.bytes);
  return CUDA_SUCCESS;
}

CUresult launch(Driver &driver, const Work &first, std::span<Work *const> rest) {
  std::vector<Launch> chain{first.launched};
  for (Work *work : rest) chain.push_back(work->launched);
  auto unloaded = [](const Work &work) { return !work.module->loaded; };
  if (unloaded(first) || std::any_of(rest.begin(), rest.end(), [&](Work *work) { return unloaded(*work); }))
    return driver.lose(CUDA_ERROR_LAUNCH_FAILED, "a launch of a kernel whose module was unloaded");
  // Every chain has a seed of its own, a function of the settings and of how many ran before.
  driver.machine->options().seed =
      driver.settings.seed ? driver.settings.seed * 0x9e3779b97f4a7c15ull + driver.chains + 1 : 0;
  ++driver.chains;
  Counters counters;
  Fault fault = driver.machine->run(chain, driver.settings.profile ? &counters : nullptr);
  for (const Launch &launch : chain) ++driver.kernels[launch.entry->name].launches;
  if (driver.settings.profile) driver.kernels[first.launched.entry->name].counters.add(counters);
  return fault ? driver.lose(error_of(fault), fault.message()) : CUDA_SUCCESS;
}

// Nodes in a legal order: as captured, or drawn. A launch takes along those that programmatically follow it alone.
CUresult run_graph(Driver &driver, const Graph &graph) {
  std::vector<uint32_t> missing(graph.nodes.size());
  std::vector<std::vector<uint32_t>> followers(graph.nodes.size());
  std::vector<uint32_t> ready;
  for (uint32_t i = 0; i < graph.nodes.size(); ++i) {
    missing[i] = uint32_t(graph.nodes[i].after.size());
    for (uint32_t before : graph.nodes[i].after) followers[before].push_back(i);
    if (!missing[i]) ready.push_back(i);
  }
  auto complete = [&](uint32_t node) {
    for (uint32_t next : followers[node])
      if (--missing[next] == 0) ready.push_back(next);
  };
  while (!ready.empty()) {
    size_t pick = driver.settings.seed > 1 ? driver.draw(ready.size()) : 0;
    uint32_t node = ready[pick];
    ready.erase(ready.begin() + ptrdiff_t(pick));
    std::vector<uint32_t> members{node};
    std::vector<Work> works{graph.nodes[node].work};
    while (works.back().kind == Work::launch && !driver.settings.profile && followers[members.back()].size() == 1) {
      const Node &next = graph.nodes[followers[members.back()][0]];
      if (next.work.kind != Work::launch || !next.work.launched.programmatic || next.after.size() != 1) break;
      if (driver.settings.seed > 1 && driver.draw(8) == 0) break;
      members.push_back(followers[members.back()][0]);
      works.push_back(next.work);
    }
    std::vector<Work *> chain;
    for (size_t i = 1; i < works.size(); ++i) chain.push_back(&works[i]);
    if (CUresult result = execute(driver, works[0], chain); result) return result;
    for (size_t i = 0; i + 1 < members.size(); ++i) missing[members[i + 1]] = 0;
    complete(members.back());
  }
  return CUDA_SUCCESS;
}

} // namespace

bool hangs(const Driver &driver, const Work &work) {
  if (driver.settings.hang.empty()) return false;
  if (work.kind == Work::launch) return work.launched.entry->name == driver.settings.hang;
  if (work.kind == Work::graph)
    for (const Node &node : work.nodes->nodes)
      if (hangs(driver, node.work)) return true;
  return false;
}

CUresult execute(Driver &driver, Work &work, std::span<Work *const> chain) {
  switch (work.kind) {
  case Work::copy_in:
  case Work::copy_out:
  case Work::copy_within:
    return copy(driver, work);
  case Work::fill:
    return fill(driver, work);
  case Work::launch:
    return launch(driver, work, chain);
  case Work::graph:
    return run_graph(driver, *work.nodes);
  case Work::record:
    work.recording->done = true;
    work.recording->time = std::chrono::steady_clock::now();
    return CUDA_SUCCESS;
  case Work::wait:
    return CUDA_SUCCESS;
  }
  return CUDA_SUCCESS;
}

} // namespace ingot::emulator
