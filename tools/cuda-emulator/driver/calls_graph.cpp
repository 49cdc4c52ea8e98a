// The calls about captures and graphs.
#include "tools/cuda-emulator/driver/stream.h"

namespace ingot::cuda {
using namespace emulator;

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  return call(Call::cuStreamBeginCapture_v2, Needs::context, [&](Driver &driver, Lock &) {
    if (mode < CU_STREAM_CAPTURE_MODE_GLOBAL || mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    if (!stream) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED; // the legacy stream cannot
    auto target = driver.streams.find(stream);
    if (!target) return CUDA_ERROR_INVALID_HANDLE;
    if (target->capture) return CUDA_ERROR_ILLEGAL_STATE;
    target->capture = std::make_shared<Capture>();
    target->capture->mode = mode;
    target->capture->thread = std::this_thread::get_id();
    target->capture->origin = target.get();
    target->leaves.clear();
    driver.captures.push_back(target->capture);
    return CUDA_SUCCESS;
  });
}

// Does everything in the graph come before one of the leaves? If not, a stream that joined was never joined back.
static bool joined(const Graph &graph, const std::vector<uint32_t> &leaves) {
  std::vector<bool> before(graph.nodes.size());
  for (uint32_t leaf : leaves) before[leaf] = true;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    if (!before[i]) return false; // its followers have higher numbers and were seen
    for (uint32_t earlier : graph.nodes[i].after) before[earlier] = true;
  }
  return true;
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  return call(Call::cuStreamEndCapture, Needs::context, [&](Driver &driver, Lock &) {
    if (!graph) return CUDA_ERROR_INVALID_VALUE;
    *graph = nullptr;
    auto target = driver.streams.find(stream);
    if (!target) return CUDA_ERROR_INVALID_HANDLE;
    std::shared_ptr<Capture> capture = target->capture;
    if (!capture) return CUDA_ERROR_ILLEGAL_STATE;
    if (capture->origin != target.get()) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != std::this_thread::get_id())
      return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    bool whole = joined(capture->graph, target->leaves);
    driver.streams.each([&](Stream &member) {
      if (member.capture != capture) return;
      member.capture = nullptr;
      member.leaves.clear();
    });
    capture->ended = true;
    if (capture->invalid || driver.injecting) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (!whole) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    *graph = driver.graphs.add(std::make_shared<Graph>(std::move(capture->graph)));
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long flags) {
  return call(Call::cuGraphInstantiateWithFlags, Needs::context, [&](Driver &driver, Lock &) {
    if (!executable) return CUDA_ERROR_INVALID_VALUE;
    if (flags) return driver.refuse(CUDA_ERROR_INVALID_VALUE, "cuGraphInstantiateWithFlags: flags are not emulated");
    auto source = driver.graphs.find(graph);
    if (!source) return CUDA_ERROR_INVALID_HANDLE;
    *executable = driver.executables.add(std::make_shared<Graph>(*source));
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  return call(Call::cuGraphLaunch, Needs::context, [&](Driver &driver, Lock &lock) {
    auto graph = driver.executables.find(executable);
    auto target = stream_of(driver, stream);
    if (!graph || !target) return CUDA_ERROR_INVALID_HANDLE;
    if (target->capture)
      return driver.refuse(CUDA_ERROR_NOT_SUPPORTED, "cuGraphLaunch into a capture (a child graph) is not emulated");
    Work work;
    work.kind = Work::graph;
    work.nodes = graph;
    return enqueue(driver, lock, target, std::move(work));
  });
}

CUresult cuGraphExecDestroy(CUgraphExec executable) {
  return call(Call::cuGraphExecDestroy, Needs::context, [&](Driver &driver, Lock &) {
    // Launches of it that still wait keep what they need.
    return driver.executables.remove(executable) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  });
}

CUresult cuGraphDestroy(CUgraph graph) {
  return call(Call::cuGraphDestroy, Needs::context, [&](Driver &driver, Lock &) {
    return driver.graphs.remove(graph) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  });
}

} // namespace ingot::cuda
