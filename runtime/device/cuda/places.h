// Where that lies which the plan's steps bind: buffers of activations, weights, prepared rows and partial results.
//
// Usually buffers whose lifetimes are disjoint share an arena's bytes, all steps one region of prepared rows, and
// weights are one segment. *Apart* each has an allocation of its own, of exactly the bytes that format/abi.h grants:
// whatever watches accesses (the emulated card, compute-sanitizer) then sees each that leaves its buffer.
#pragma once
#include "runtime/artifact/artifact.h"
#include "runtime/device/cuda/memory.h"

namespace ingot::cuda {

class Places {
public:
  // Of the body's and of the head's buffers, rounded up as the ABI has it; rows times splits of partial results.
  struct Rows {
    uint64_t body, head, splits;
  };
  // How many regions add() notes.
  static uint32_t most_regions(const plan::Plan &plan, const plan::Program &program, bool apart);
  // `plan` and `program` live as long as this.
  Status add(const plan::Plan &plan, const plan::Program &program, const Rows &rows, bool apart, DeviceMemory &memory);

  // Weights apart: each from the mapped segment to its place.
  Status upload(Driver &driver, CUstream stream, const uint8_t *segment) const;
  // What a step finds in the slot of a binding to a buffer, a weight or prepared rows. `weights`: the segment's copy.
  CUdeviceptr of(const plan::Binding &binding, plan::Space space, uint32_t step, CUdeviceptr weights) const;

private:
  uint64_t rows(plan::Space space) const { return space == plan::Space::body ? rows_.body : rows_.head; }
  uint64_t prepared_bytes(const plan::Step &step, plan::Space space) const;
  Status add_shared();
  Status add_apart();

  const plan::Plan *plan_ = nullptr;
  const plan::Program *program_ = nullptr;
  DeviceMemory *memory_ = nullptr;
  Rows rows_ = {};
  bool apart_ = false;
  uint32_t arenas_[2] = {};   // of the body, of the head; apart: the first buffer's region, others follow
  uint32_t prepared_[2] = {}; // the same region; apart: that of the first step of the body, of the head
  uint32_t weights_ = 0;      // apart: the first weight's region
};

} // namespace ingot::cuda
