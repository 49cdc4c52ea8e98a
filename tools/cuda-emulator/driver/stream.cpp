// The order of work: which stream's head runs next, and how far.
#include "tools/cuda-emulator/driver/stream.h"
#include <chrono>

namespace ingot::emulator {
using namespace cuda;

std::shared_ptr<Stream> stream_of(Driver &driver, CUstream handle) {
  return handle ? driver.streams.find(handle) : driver.legacy;
}

namespace {

enum class Step { ran, blocked, hung, empty, failed };

bool blocked(const Stream &stream) {
  return !stream.queue.empty() && stream.queue.front().kind == Work::wait && !stream.queue.front().recording->done;
}

bool hung(const Driver &driver, const Stream &stream) {
  return !stream.queue.empty() && hangs(driver, stream.queue.front());
}

// Launches at the head that may overlap the first. Drawn seeds cut the chain anywhere: the card may be busy.
std::vector<Work *> chain_of(Driver &driver, Stream &stream) {
  std::vector<Work *> chain;
  if (stream.queue.front().kind != Work::launch || driver.settings.profile) return chain;
  for (size_t i = 1; i < stream.queue.size(); ++i) {
    Work &next = stream.queue[i];
    if (next.kind != Work::launch || !next.launched.programmatic || hangs(driver, next)) break;
    if (driver.settings.seed > 1 && driver.draw(8) == 0) break;
    chain.push_back(&next);
  }
  return chain;
}

Step run_head(Driver &driver, Stream &stream) {
  if (stream.queue.empty()) return Step::empty;
  if (blocked(stream)) return Step::blocked;
  if (hung(driver, stream)) return Step::hung;
  std::vector<Work *> chain = chain_of(driver, stream);
  size_t count = chain.size() + 1;
  if (execute(driver, stream.queue.front(), chain) != CUDA_SUCCESS) return Step::failed; // the queues are gone
  stream.queue.erase(stream.queue.begin(), stream.queue.begin() + ptrdiff_t(count));
  return Step::ran;
}

// Runs what `stream` needs next and no more: its head, or the head of the stream that the head waits for.
Step run_needed(Driver &driver, Stream &stream) {
  Stream *at = &stream;
  while (blocked(*at)) {
    auto other = at->queue.front().recording->stream.lock();
    if (!other) return Step::failed; // a stream is emptied before it is destroyed
    at = other.get();
  }
  return run_head(driver, *at);
}

// Any stream whose head may run; blocked when none can.
Step run_any(Driver &driver) {
  std::vector<Stream *> ready;
  bool some_hung = false;
  driver.streams.each([&](Stream &stream) {
    if (stream.queue.empty() || blocked(stream)) return;
    hung(driver, stream) ? void(some_hung = true) : ready.push_back(&stream);
  });
  if (ready.empty()) return some_hung ? Step::hung : Step::empty;
  return run_head(driver, *ready[driver.draw(ready.size())]);
}

void wait_for_ever(Lock &lock) {
  lock.unlock();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  lock.lock();
}

// Until `done`; with a drawn seed other streams advance in between, in any order.
template <typename Done>
CUresult run_until(Driver &driver, Lock &lock, const std::shared_ptr<Stream> &needed, Done &&done) {
  while (!done()) {
    if (driver.sticky != CUDA_SUCCESS) return driver.sticky;
    bool any = driver.settings.seed > 1 && driver.draw(2);
    Step step = any ? run_any(driver) : run_needed(driver, *needed);
    if (any && step != Step::ran && step != Step::failed) step = run_needed(driver, *needed);
    if (step == Step::hung) wait_for_ever(lock);
    if (step == Step::failed && driver.sticky == CUDA_SUCCESS)
      return driver.lose(CUDA_ERROR_UNKNOWN, "a stream waits for an event of a stream that is gone");
  }
  return driver.sticky;
}

} // namespace

CUresult finish(Driver &driver, Lock &lock, const std::shared_ptr<Stream> &stream) {
  return run_until(driver, lock, stream, [&] { return stream->queue.empty(); });
}

CUresult finish(Driver &driver, Lock &lock, const std::shared_ptr<Recording> &recording) {
  auto stream = recording->stream.lock();
  if (!stream) return driver.sticky; // it was emptied before it went
  return run_until(driver, lock, stream, [&] { return recording->done; });
}

CUresult finish_all(Driver &driver, Lock &lock) {
  std::vector<std::shared_ptr<Stream>> pending;
  driver.streams.each([&](Stream &stream) {
    if (!stream.queue.empty()) pending.push_back(stream.self.lock());
  });
  for (auto &stream : pending)
    if (CUresult result = finish(driver, lock, stream); result != CUDA_SUCCESS) return result;
  return driver.sticky;
}

CUresult poll(Driver &driver, const std::shared_ptr<Stream> &stream) {
  if (driver.settings.seed <= 1 || driver.draw(2)) run_needed(driver, *stream);
  return driver.sticky;
}

static void run_early(Driver &driver) {
  if (driver.settings.seed == 0) return;
  uint64_t steps = driver.settings.seed == 1 ? ~uint64_t(0) : driver.draw(4) == 0 ? driver.draw(8) : 0;
  while (steps-- && driver.sticky == CUDA_SUCCESS && run_any(driver) == Step::ran) {
  }
}

static CUresult add_node(Stream &stream, Work work) {
  Capture &capture = *stream.capture;
  if (capture.invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  auto index = uint32_t(capture.graph.nodes.size());
  // A programmatic edge needs exactly one launch ahead of it.
  if (work.kind == Work::launch && work.launched.programmatic)
    work.launched.programmatic =
        stream.leaves.size() == 1 && capture.graph.nodes[stream.leaves[0]].work.kind == Work::launch;
  capture.graph.nodes.push_back({std::move(work), stream.leaves});
  stream.leaves = {index};
  return CUDA_SUCCESS;
}

// The legacy default stream: everything before it in blocking streams is done first, and it is done at once.
static CUresult run_legacy(Driver &driver, Lock &lock, Work work) {
  bool captures = false;
  driver.streams.each([&](Stream &stream) {
    if (!stream.capture || !stream.blocking || stream.capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED) return;
    captures = stream.capture->invalid = true;
  });
  if (captures) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  std::vector<std::shared_ptr<Stream>> before;
  driver.streams.each([&](Stream &stream) {
    if (stream.blocking && !stream.queue.empty()) before.push_back(stream.self.lock());
  });
  for (auto &stream : before)
    if (CUresult result = finish(driver, lock, stream); result != CUDA_SUCCESS) return result;
  driver.legacy->queue.push_back(std::move(work));
  return finish(driver, lock, driver.legacy);
}

CUresult enqueue(Driver &driver, Lock &lock, const std::shared_ptr<Stream> &stream, Work work) {
  if (stream->capture) return add_node(*stream, std::move(work));
  if (stream == driver.legacy) return run_legacy(driver, lock, std::move(work));
  stream->queue.push_back(std::move(work));
  run_early(driver);
  return CUDA_SUCCESS; // a fault of work that ran early is reported by the next call, as on a card
}

} // namespace ingot::emulator
