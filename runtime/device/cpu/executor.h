// Runs the plan's entries on the CPU: owns activations, prepared rows, KV pages, argument blocks and the pool.
//
// Invariants
//  1. Every address in an argument block is final at open(); a step changes only `rows`.
//  2. Row capacities are multiples of 64 (format/abi.h, invariant 3).
//  3. run() allocates nothing, and the work is done when it returns.
#pragma once
#include "runtime/device/cpu/pool.h"
#include "runtime/device/device.h"

namespace ingot {

class CpuExecutor final : public Device {
public:
  Status open(const Artifact &artifact, const DeviceOptions &options, const ingot_batch *batch) override;
  uint8_t *pages(uint32_t group) const override { return pages_[group].bytes.data(); }
  Status copy_page(uint32_t group, uint32_t from, uint32_t to) override;
  Status run(Work work, const std::atomic<bool> *cancel, WorkTimes *times) override;
  Status logits(uint32_t row, const float **values) override;
  Status top(uint32_t row, std::span<Candidate> best, uint32_t *count) override;
  DeviceFacts facts() const override;
  size_t grid_count() const override { return times_.size() ? n_phases_ : 0; }
  GridRun grid(size_t index) const override;

private:
  struct StepArgs {
    ingot_args *args;
  };
  // An entry of the plan and the argument blocks of its steps.
  struct BoundEntry {
    const plan::Entry *entry = nullptr;
    Array<StepArgs> args;
    Block memory;
  };
  struct Pages {
    Block bytes;
    size_t page_bytes = 0;
  };

  Status take_memory(const DeviceOptions &options);
  Status bind(const plan::Entry &entry, BoundEntry &bound);
  uint64_t slot_of(const plan::Binding &binding) const;
  uint64_t items_of(const plan::Variant &variant, uint64_t rows) const;
  const plan::Variant &choose(const flatbuffers::Vector<flatbuffers::Offset<plan::Variant>> &variants,
                              uint64_t rows) const;
  void add_phases(const plan::Step &step, uint32_t index, ingot_args *args, uint64_t rows);
  Status run(const BoundEntry &bound, uint64_t rows, const std::atomic<bool> *cancel);

  const Artifact *artifact_ = nullptr;
  const plan::Program *program_ = nullptr;
  const ingot_batch *batch_ = nullptr;
  DeviceOptions options_;
  size_t body_rows_ = 0, head_rows_ = 0; // capacities
  Block body_arena_, head_arena_, prepared_, logits_;
  Pages pages_[most_cache_groups];
  BoundEntry body_, head_;
  Array<Phase> phases_;
  Array<PhaseTime> times_;
  size_t n_phases_ = 0, n_body_phases_ = 0; // of the last run; the body's come first
  Pool pool_;
};

} // namespace ingot
