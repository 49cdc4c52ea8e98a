// Runs the plan's CUDA program on one GPU.
//
// Invariants
//  1. Every address that kernels see is final at open(); a step uploads one block (step_block.h) and launches one
//     graph, or the same launches one by one.
//  2. All device and pinned memory is taken at open(), after the sum was compared with what is free; weights that
//     another session of the model has there are no part of it (weights.h). A step takes none; making a graph (once a
//     class of steps, graphs.h) is the driver's own allocation, kept under a budget.
//  3. Nothing runs on the stream between calls. After an error that is not device_lost the stream was waited for.
//  4. After device_lost no call reaches the driver but those of the destructor; after a hang not even those.
// The calling thread's current CUDA context is the GPU's primary one after any call.
#pragma once
#include "runtime/device/cuda/argmax.h"
#include "runtime/device/cuda/code.h"
#include "runtime/device/cuda/delay.h"
#include "runtime/device/cuda/graphs.h"
#include "runtime/device/cuda/launches.h"
#include "runtime/device/cuda/memory.h"
#include "runtime/device/cuda/places.h"
#include "runtime/device/cuda/step_block.h"
#include "runtime/device/cuda/top.h"
#include "runtime/device/cuda/weights.h"
#include "runtime/device/device.h"

namespace ingot::cuda {

class CudaExecutor final : public Device {
public:
  ~CudaExecutor() override;
  Status open(const Artifact &artifact, const DeviceOptions &options, const ingot_batch *batch) override;
  uint8_t *pages(uint32_t group) const override;
  Status copy_page(uint32_t group, uint32_t from, uint32_t to) override;
  Status run(Work work, const std::atomic<bool> *cancel, WorkTimes *times) override;
  Status logits(uint32_t row, const float **values) override;
  Status top(uint32_t row, std::span<Candidate> best, uint32_t *count) override;
  DeviceFacts facts() const override;
  size_t grid_count() const override { return n_grids_; }
  GridRun grid(size_t index) const override { return grids_[index]; }

private:
  // Opening, in this order.
  Status open_all();
  Status predict();
  uint64_t most_best() const; // candidates a row
  Status compare_with_free();
  Status take_memory();
  void bind(const plan::Entry &entry);
  uint64_t slot_of(const plan::Binding &binding, plan::Space space, uint32_t step) const;
  Status open_profile();

  // A step.
  struct Step {
    bool body = false, head = false;
    StepClass most; // of the body
    uint32_t head_rows = 0;
    uint32_t best = 1; // candidates a row that the head selects
    uint64_t splits = 1;
  };
  Status enter();
  Step describe(Work work) const;
  Status start(const Step &step);
  Status upload_block(const Step &step);
  Status launch(const plan::Entry &entry, const Launch &launch, bool first);
  Status launch_all(const Step &step);
  Status select(uint32_t head_rows, uint32_t best);
  Status bring_best(uint32_t best);
  Status launch_graph_or_all(const Step &step);
  Status wait(); // for what was queued, with the watchdog
  Status abandon(const Status &status);
  Status hung();
  Status mark_grid(plan::Space space, const Launch &launch);
  Status mark_end();
  Status time_grids();

  const Artifact *artifact_ = nullptr;
  const plan::Program *program_ = nullptr;
  const ingot_batch *batch_ = nullptr;
  DeviceOptions options_;
  uint32_t body_rows_ = 0, head_rows_ = 0; // capacities
  uint32_t n_groups_ = 0;
  uint64_t launches_ = 0; // of a body, a head and the selection at most

  Driver driver_;
  Card card_;
  CUcontext context_ = nullptr;
  CUstream stream_ = nullptr;
  CUevent done_ = nullptr;
  KernelCode code_;
  Argmax argmax_;
  Top top_;
  Graphs graphs_;
  bool overlaps_ = false, overlaps_in_graphs_ = false, capturing_ = false;

  DeviceMemory memory_; // all but the weights; theirs, too, where everything lies apart
  Weights weights_;
  Places places_;
  bool apart_ = false;
  uint32_t scratch_ = 0, logits_ = 0, block_memory_ = 0;
  uint32_t best_ = 0, between_[2] = {};
  uint32_t pools_[most_cache_groups] = {};
  CUdeviceptr pool_addresses_[most_cache_groups] = {};
  StepBlock block_;
  Pinned pinned_block_, pinned_best_, pinned_logits_;
  Array<uint8_t> on_host_; // [most_logits] whether pinned_logits_ holds the row
  // Keys a row that pinned_best_ holds of the last head; how many the next one selects: what was asked for since.
  uint32_t best_there_ = 1, best_asked_ = 1, last_head_rows_ = 0;
  uint64_t waited_ns_ = 0, host_ns_ = 0;

  // When timed: a delay, an event before each launch and one behind the last; steps are then no graphs.
  Delay delay_;
  Array<GridRun> grids_;
  struct Mark {
    CUevent event;
  };
  Array<Mark> marks_;
  size_t n_grids_ = 0;
};

} // namespace ingot::cuda
