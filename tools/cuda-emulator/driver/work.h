// What waits in streams and graphs: copies, fills, launches, event records and waits.
//
// Invariants
// 1. A stream's work runs in its order. A wait is behind exactly the recording that was the event's latest when
//    cuStreamWaitEvent was called, so waits never form a circle.
// 2. A launch owns its parameters (copied by the call) and keeps its module's text alive; that the module is still
//    loaded is checked when it runs.
// 3. In a graph, node k depends on earlier nodes only; the order of the vector is a legal order.
#pragma once
#include "runtime/device/cuda/driver_api.h"
#include "tools/cuda-emulator/machine.h"
#include <chrono>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

namespace ingot::emulator {

struct LoadedModule {
  Module module;
  bool loaded = true;
  bool generated = false;                  // the artifact's kernels, not the runtime's own
  std::vector<cuda::CUfunction> functions; // handles to remove with it
};

struct Function {
  std::shared_ptr<LoadedModule> owner;
  const Entry *entry = nullptr;
  size_t dynamic_shared_limit = 0; // bytes
  int carveout = -1;
};

struct Stream;

// One cuEventRecord: done when the work ahead of it is.
struct Recording {
  std::weak_ptr<Stream> stream;
  bool done = false;
  std::chrono::steady_clock::time_point time;
};

struct Graph;

struct Work {
  enum Kind : uint8_t { copy_in, copy_out, copy_within, fill, launch, record, wait, graph } kind = copy_in;
  uint64_t to = 0, from = 0; // device or host addresses
  size_t bytes = 0;
  uint32_t value = 0;                             // fill: a byte in all four places, or a word
  std::shared_ptr<std::vector<std::byte>> staged; // copy_in from pageable memory: what it held at the call
  Launch launched;
  std::shared_ptr<LoadedModule> module;
  std::shared_ptr<Recording> recording;
  std::shared_ptr<const Graph> nodes;
};

struct Node {
  Work work;
  std::vector<uint32_t> after;
};

struct Graph {
  std::vector<Node> nodes;
};

struct Capture {
  Graph graph;
  cuda::CUstreamCaptureMode mode = cuda::CU_STREAM_CAPTURE_MODE_GLOBAL;
  std::thread::id thread;
  const Stream *origin = nullptr;
  bool invalid = false, ended = false;
};

struct Stream {
  std::weak_ptr<Stream> self;
  bool blocking = true; // synchronises with the legacy default stream
  std::deque<Work> queue;
  std::shared_ptr<Capture> capture;
  std::vector<uint32_t> leaves; // capture: what the next node comes after
};

struct Event {
  bool timed = true;
  std::shared_ptr<Recording> last;  // null before the first record
  std::shared_ptr<Capture> capture; // the last record was into this capture, after `leaves`
  std::vector<uint32_t> leaves;
};

} // namespace ingot::emulator
