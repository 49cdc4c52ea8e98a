// Weights from the mapped file to the GPU: through two pinned buffers, so that reading the file and copying overlap.
#pragma once
#include "runtime/base/span.h"
#include "runtime/device/cuda/memory.h"
#include "runtime/device/device.h"

namespace ingot::cuda {

// Returns once all bytes are there. Takes and gives back its own pinned memory and events.
Status upload(Driver &driver, CUstream stream, CUdeviceptr to, Bytes from, const UploadProgress &progress);

} // namespace ingot::cuda
