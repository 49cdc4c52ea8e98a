#include "runtime/device/cuda/upload.h"

#include <algorithm>
#include <cstring>

namespace ingot::cuda {
namespace {

constexpr size_t most_piece = size_t(16) << 20;

struct Buffer {
  Pinned memory;
  CUevent copied = nullptr; // recorded behind the copy out of it
  bool busy = false;
};

Status open(Driver &driver, size_t bytes, Buffer &buffer) {
  INGOT_TRY(buffer.memory.take(driver, bytes));
  return INGOT_CUDA(driver, cuEventCreate, &buffer.copied, CU_EVENT_DISABLE_TIMING);
}

Status wait(Driver &driver, Buffer &buffer) {
  if (!buffer.busy) return {};
  buffer.busy = false;
  return INGOT_CUDA(driver, cuEventSynchronize, buffer.copied);
}

Status copy(Driver &driver, CUstream stream, CUdeviceptr to, Bytes from, const UploadProgress &progress,
            Buffer (&buffers)[2]) {
  size_t piece = std::min(from.size(), most_piece);
  for (Buffer &each : buffers) INGOT_TRY(open(driver, piece, each));
  for (size_t at = 0, turn = 0; at < from.size(); at += piece, ++turn) {
    Buffer &buffer = buffers[turn % 2];
    size_t now = std::min(piece, from.size() - at);
    INGOT_TRY(wait(driver, buffer));
    memcpy(buffer.memory.data(), from.data() + at, now);
    INGOT_TRY(INGOT_CUDA(driver, cuMemcpyHtoDAsync_v2, to + at, buffer.memory.data(), now, stream));
    INGOT_TRY(INGOT_CUDA(driver, cuEventRecord, buffer.copied, stream));
    buffer.busy = true;
    if (progress.moved) progress.moved(progress.self, at + now, from.size());
  }
  for (Buffer &each : buffers) INGOT_TRY(wait(driver, each));
  return {};
}

} // namespace

Status upload(Driver &driver, CUstream stream, CUdeviceptr to, Bytes from, const UploadProgress &progress) {
  if (from.empty()) return {};
  Buffer buffers[2];
  Status status = copy(driver, stream, to, from, progress, buffers);
  // After an error a copy may still read from the buffers.
  if (!status.ok()) (void)INGOT_CUDA(driver, cuStreamSynchronize, stream);
  for (Buffer &each : buffers) {
    if (each.copied) (void)INGOT_CUDA(driver, cuEventDestroy_v2, each.copied);
    each.memory.release(driver);
  }
  return status;
}

} // namespace ingot::cuda
