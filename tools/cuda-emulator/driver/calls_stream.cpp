// The calls about streams and events.
#include "tools/cuda-emulator/driver/stream.h"
#include <algorithm>

namespace ingot::cuda {
using namespace emulator;

// Synchronising with a stream that captures is an error that spoils the capture.
static bool spoils(Stream &stream) {
  if (stream.capture) stream.capture->invalid = true;
  return stream.capture != nullptr;
}

CUresult cuStreamCreate(CUstream *stream, unsigned int flags) {
  return call(Call::cuStreamCreate, Needs::uncaptured, [&](Driver &driver, Lock &) {
    if (!stream || flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    auto made = std::make_shared<Stream>();
    made->self = made;
    made->blocking = flags == CU_STREAM_DEFAULT;
    *stream = driver.streams.add(made);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamDestroy_v2(CUstream stream) {
  return call(Call::cuStreamDestroy_v2, Needs::context, [&](Driver &driver, Lock &lock) {
    auto target = driver.streams.find(stream);
    if (!target) return CUDA_ERROR_INVALID_HANDLE;
    spoils(*target);
    CUresult result = finish(driver, lock, target); // its work is done all the same, on a card a little later
    driver.streams.remove(stream);
    return result;
  });
}

CUresult cuStreamSynchronize(CUstream stream) {
  return call(Call::cuStreamSynchronize, Needs::context, [&](Driver &driver, Lock &lock) {
    auto target = stream_of(driver, stream);
    if (!target) return CUDA_ERROR_INVALID_HANDLE;
    if (spoils(*target)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return finish(driver, lock, target);
  });
}

CUresult cuStreamQuery(CUstream stream) {
  return call(Call::cuStreamQuery, Needs::context, [&](Driver &driver, Lock &) {
    auto target = stream_of(driver, stream);
    if (!target) return CUDA_ERROR_INVALID_HANDLE;
    if (spoils(*target)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (target->queue.empty()) return CUDA_SUCCESS;
    CUresult result = poll(driver, target);
    return result == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : result;
  });
}

// Into a capture: `stream` joins it, or comes after the event's place in it.
static CUresult wait_captured(Driver &driver, Stream &stream, const Event &event) {
  if (!event.capture || event.capture->ended) {
    spoils(stream);
    return driver.refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "a capture waits for an event recorded outside of it");
  }
  if (stream.capture && stream.capture != event.capture) {
    stream.capture->invalid = event.capture->invalid = true;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  stream.capture = event.capture;
  for (uint32_t leaf : event.leaves)
    if (std::find(stream.leaves.begin(), stream.leaves.end(), leaf) == stream.leaves.end())
      stream.leaves.push_back(leaf);
  return CUDA_SUCCESS;
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags) {
  return call(Call::cuStreamWaitEvent, Needs::context, [&](Driver &driver, Lock &lock) {
    auto target = stream_of(driver, stream);
    auto awaited = driver.events.find(event);
    if (!target || !awaited) return CUDA_ERROR_INVALID_HANDLE;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    if (target->capture || (awaited->capture && !awaited->capture->ended))
      return wait_captured(driver, *target, *awaited);
    if (!awaited->last || awaited->last->done) return CUDA_SUCCESS;
    Work work;
    work.kind = Work::wait;
    work.recording = awaited->last;
    return enqueue(driver, lock, target, std::move(work));
  });
}

CUresult cuEventCreate(CUevent *event, unsigned int flags) {
  return call(Call::cuEventCreate, Needs::context, [&](Driver &driver, Lock &) {
    if (!event || flags & ~(CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING)) return CUDA_ERROR_INVALID_VALUE;
    auto made = std::make_shared<Event>();
    made->timed = !(flags & CU_EVENT_DISABLE_TIMING);
    *event = driver.events.add(made);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy_v2(CUevent event) {
  return call(Call::cuEventDestroy_v2, Needs::context, [&](Driver &driver, Lock &) {
    return driver.events.remove(event) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  });
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  return call(Call::cuEventRecord, Needs::context, [&](Driver &driver, Lock &lock) {
    auto target = stream_of(driver, stream);
    auto recorded = driver.events.find(event);
    if (!target || !recorded) return CUDA_ERROR_INVALID_HANDLE;
    recorded->capture = target->capture;
    recorded->leaves = target->leaves;
    recorded->last = nullptr;
    if (target->capture) return target->capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
    recorded->last = std::make_shared<Recording>();
    recorded->last->stream = target;
    Work work;
    work.kind = Work::record;
    work.recording = recorded->last;
    return enqueue(driver, lock, target, std::move(work));
  });
}

static CUresult captured(const Event &event) {
  if (!event.capture) return CUDA_SUCCESS;
  event.capture->invalid = true;
  return CUDA_ERROR_CAPTURED_EVENT;
}

CUresult cuEventQuery(CUevent event) {
  return call(Call::cuEventQuery, Needs::context, [&](Driver &driver, Lock &) {
    auto asked = driver.events.find(event);
    if (!asked) return CUDA_ERROR_INVALID_HANDLE;
    if (CUresult result = captured(*asked); result != CUDA_SUCCESS) return result;
    if (!asked->last || asked->last->done) return CUDA_SUCCESS;
    auto stream = asked->last->stream.lock();
    CUresult result = stream ? poll(driver, stream) : CUDA_SUCCESS;
    return result == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : result;
  });
}

CUresult cuEventSynchronize(CUevent event) {
  return call(Call::cuEventSynchronize, Needs::context, [&](Driver &driver, Lock &lock) {
    auto awaited = driver.events.find(event);
    if (!awaited) return CUDA_ERROR_INVALID_HANDLE;
    if (CUresult result = captured(*awaited); result != CUDA_SUCCESS) return result;
    return awaited->last ? finish(driver, lock, awaited->last) : CUDA_SUCCESS;
  });
}

// Wall time between the moments at which the emulator came to the records: no statement about a card.
CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
  return call(Call::cuEventElapsedTime, Needs::context, [&](Driver &driver, Lock &) {
    auto first = driver.events.find(start), second = driver.events.find(end);
    if (!milliseconds) return CUDA_ERROR_INVALID_VALUE;
    if (!first || !second || !first->timed || !second->timed || !first->last || !second->last)
      return CUDA_ERROR_INVALID_HANDLE;
    if (!first->last->done || !second->last->done) return CUDA_ERROR_NOT_READY;
    *milliseconds = std::chrono::duration<float, std::milli>(second->last->time - first->last->time).count();
    return CUDA_SUCCESS;
  });
}

} // namespace ingot::cuda
