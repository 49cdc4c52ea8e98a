// Runs the plan's entries on the CPU: owns activations, prepared rows, argument blocks and the pool.
//
// Invariants
//  1. Every address in an argument block is final at open(); a step changes only `rows`.
//  2. Row capacities are multiples of 64 (format/abi.h, invariant 3).
//  3. run() allocates nothing.
#pragma once
#include "runtime/artifact/artifact.h"
#include "runtime/device/cpu/pool.h"

namespace ingot {

struct ExecutorOptions {
  uint32_t threads = 1;
  uint32_t processors = 1;
  uint32_t most_rows = 1;   // of a body, pads included
  uint32_t most_logits = 1; // of a head
  uint32_t streams = 255;   // runtime/device/cpu/taste.h
  bool timed = false;       // keep phase times
  Allocator allocator = system_allocator();
  Clock clock = system_clock();
};

class Executor {
public:
  // `artifact` outlives the executor. `batch` is where the session describes each step; it stays at its address.
  Status open(const Artifact &artifact, const ExecutorOptions &options, const ingot_batch *batch);

  // Runs the body over batch->n_rows rows, or the head over batch->n_logits.
  Status run(plan::Space space, const std::atomic<bool> *cancel);

  float *logits() const { return reinterpret_cast<float *>(logits_.data()); } // [most_logits][vocab]
  uint32_t threads() const { return pool_.threads(); }

  // The last run, for profiles: phases().size() == times().size() when timed, else times() is empty.
  std::span<const Phase> phases() const { return {phases_.data(), n_phases_}; }
  std::span<const PhaseTime> times() const { return {times_.data(), times_.size() ? n_phases_ : 0}; }

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

  Status take_memory(const Artifact &artifact, const ExecutorOptions &options);
  Status bind(const plan::Entry &entry, BoundEntry &bound);
  uint64_t slot_of(const plan::Binding &binding) const;
  uint64_t items_of(const plan::Variant &variant, uint64_t rows) const;
  const plan::Variant &choose(const flatbuffers::Vector<flatbuffers::Offset<plan::Variant>> &variants,
                              uint64_t rows) const;
  void add_phases(const plan::Step &step, uint32_t index, ingot_args *args, uint64_t rows);

  const Artifact *artifact_ = nullptr;
  const ingot_batch *batch_ = nullptr;
  ExecutorOptions options_;
  size_t body_rows_ = 0, head_rows_ = 0; // capacities
  Block body_arena_, head_arena_, prepared_, logits_;
  BoundEntry body_, head_;
  Array<Phase> phases_;
  Array<PhaseTime> times_;
  size_t n_phases_ = 0;
  Pool pool_;
};

} // namespace ingot
