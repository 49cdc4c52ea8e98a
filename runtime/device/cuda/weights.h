// A model's weights on a GPU: one copy for all sessions of the model there, uploaded by the first that opens and freed
// by the last that closes. Models are told apart by where their files are mapped: one file opened twice is two.
//
// Invariants
//  1. A copy that another session sees is complete; a session that comes while it is made waits. If making it fails,
//     one of those that wait makes it.
//  2. Nobody writes to a copy.
//  3. Users hold the GPU's primary context, in which the copy lives, from before join() until after leave().
// join() and leave() may be called from any threads at once.
#pragma once
#include "runtime/artifact/artifact.h"
#include "runtime/device/cuda/upload.h"

namespace ingot::cuda {

class Weights {
public:
  // Finds or begins the copy for a model in a context; waits while another session makes it. Error: too many models.
  Status join(const Artifact &artifact, CUcontext context);
  // Of the GPU's memory.
  uint64_t bytes() const { return bytes_; }
  // Whether the copy is there; if not, this session makes it.
  bool is_there() const { return address_ != 0 || bytes_ == 0; }
  // Takes memory and uploads what is not there.
  Status upload(Driver &driver, CUstream stream, const UploadProgress &progress);
  CUdeviceptr address() const { return address_; }

  // The last one frees the copy, if it can: after a hang nothing may be called any more. Without join(): nothing.
  void leave(Driver &driver, bool is_hung);

private:
  struct Copy;
  static Copy *find(const uint8_t *source, CUcontext context);

  Copy *copy_ = nullptr;
  Bytes source_;
  uint64_t bytes_ = 0;
  CUdeviceptr address_ = 0;
};

} // namespace ingot::cuda
