// What runs the steps of a session: the processors (cpu/) or a GPU (cuda/). The session keeps the books (sequences,
// block tables, the step's description); the device owns the memory that steps work in and the code that runs them.
//
// Invariants
//  1. open() takes all memory that the device will ever use; nothing allocates per step (CUDA: once the shapes of steps
//     have been seen, see cuda/README.md).
//  2. When run() returns, with an error or without, nothing is running any more (but see 3).
//  3. Code::device_lost is for ever: every later call of this device returns it again, and every other device of the
//     process on the same GPU fails, too. A step that hangs may still be running. The process should end.
// One thread at a time.
#pragma once
#include "runtime/artifact/artifact.h"
#include "runtime/base/checked.h"
#include "runtime/base/clock.h"
#include "runtime/format/abi.h"
#include "runtime/sample/top.h"

#include <algorithm>
#include <atomic>
#include <string>

namespace ingot {

// Pages of one cache group, numbered from 0; page_bytes each, page i behind page i - 1.
struct PageRange {
  size_t page_bytes;
  size_t pages;
  size_t table_stride; // entries of a sequence's block table
};

// Entries of a block table that kernels look at, for a sequence of `length` tokens: as far as the split that it ends
// in.
inline size_t entries_seen(uint64_t length, uint64_t page_tokens, size_t stride) {
  uint64_t positions = align_up(length, INGOT_SPLIT_TOKENS);
  return size_t(std::min<uint64_t>((positions + page_tokens - 1) / page_tokens, stride));
}

// Tells how far the upload of weights is. Called at least once, with done == total at the end; bytes.
struct UploadProgress {
  void (*moved)(void *self, uint64_t done, uint64_t total) = nullptr;
  void *self = nullptr;
};

struct DeviceOptions {
  uint32_t most_rows = 1;           // of a body, pads included
  uint32_t most_logits = 1;         // rows of a head
  uint32_t most_segments = 1;       // sequences in a step
  uint32_t max_context = 1;         // tokens of a sequence
  const PageRange *pages = nullptr; // [cache groups of the plan]
  bool timed = false;               // keep the times of grids
  Allocator allocator = system_allocator();
  Clock clock = system_clock();
  // CPU
  uint32_t threads = 1;
  uint32_t processors = 1;
  uint32_t streams = 255; // runtime/device/cpu/taste.h
  // CUDA
  uint32_t card = 0;             // as DeviceChoice has it
  uint32_t watchdog_seconds = 0; // 0: waits for ever
  UploadProgress progress = {};
};

struct DeviceFacts {
  const char *name = "cpu";  // lives as long as the device
  uint32_t level = 0;        // of the code that runs: 3 or 4 (CPU), 80, 90, ... (CUDA)
  uint32_t threads = 0;      // CPU; 0: none
  uint64_t memory_bytes = 0; // of the device's own memory that is taken; 0: the host's
  uint64_t weight_bytes = 0; // of those: the weights, one copy for all devices of the model on the same GPU
  uint64_t host_ns = 0;      // since open: the processor's time in run(), waiting for the GPU not counted; CPU: 0
};

// What a run computes: a step's body over batch->n_rows rows, a head over batch->n_logits, or one after the other.
enum class Work : uint8_t { body = 1, head = 2, both = 3 };
inline bool has(Work work, plan::Space space) { return (uint8_t(work) & (space == plan::Space::body ? 1 : 2)) != 0; }

// Added to by a run. On CUDA body_ns holds both.
struct WorkTimes {
  uint64_t body_ns = 0, head_ns = 0;
};

enum class GridPart : uint8_t { prepare, main, finish };

// One grid of the last run, for profiles. begin, end: ns of the options' clock; both 0 when it had no items.
struct GridRun {
  plan::Space space;
  uint32_t step, kernel; // indices into the program
  GridPart part;
  uint64_t rows, items, begin, end;
};

class Device {
public:
  Device() = default;
  Device(const Device &) = delete;
  virtual ~Device() = default;

  // `artifact` outlives the device. `batch` is where the session describes each step; it stays at its address.
  virtual Status open(const Artifact &artifact, const DeviceOptions &options, const ingot_batch *batch) = 0;

  // The memory of a group's pages, all zeroes at first: what a batch's ingot_kv_view names. Not for the host to touch.
  virtual uint8_t *pages(uint32_t group) const = 0;
  // Before the next run.
  virtual Status copy_page(uint32_t group, uint32_t from, uint32_t to) = 0;

  // Does the work that the batch describes. A head alone is one over other rows of the last body. `cancel` becoming
  // true ends the run with Code::cancelled: at once on the CPU, after the step that the GPU is at on CUDA.
  virtual Status run(Work work, const std::atomic<bool> *cancel, WorkTimes *times) = 0;

  // A row of the last head: float [vocab] on the host, valid until the next run.
  virtual Status logits(uint32_t row, const float **values) = 0;
  // Its likeliest logits, as runtime/sample/top.h selects them: at most best.size(), which is 1 to most_candidates and
  // at most vocab; *count: how many. The row itself stays where it is. A step selects as many as were asked for after
  // the one before it, so that a loop of steps brings them back with no copy of their own.
  virtual Status top(uint32_t row, std::span<Candidate> best, uint32_t *count) = 0;

  virtual DeviceFacts facts() const = 0;

  // The last run's grids, in order; none unless timed.
  virtual size_t grid_count() const = 0;
  virtual GridRun grid(size_t index) const = 0;
};

enum class DeviceKind : uint8_t { automatic, cpu, cuda };

struct DeviceChoice {
  DeviceKind kind = DeviceKind::automatic;
  uint32_t card = 0; // CUDA: which of the GPUs that the driver shows, from 0
  DeviceChoice(DeviceKind kind = DeviceKind::automatic, uint32_t card = 0) : kind(kind), card(card) {}
};

// "cpu", "cuda" (card 0), "cuda:N"; null: automatic. Error: any other text.
Status parse_device(const char *text, DeviceChoice *choice);

// A line for each device of this machine: what parse_device() takes, and what it is; why there is no GPU, if so.
std::string list_devices();

// Owns a device whose object lies in memory of an allocator.
class DeviceOwner {
public:
  ~DeviceOwner() { reset(); }
  // A device that is not open yet. `automatic`: the CPU if the artifact has code for it, else CUDA. Error: the artifact
  // has no code for that kind; it says what it has.
  Status make(DeviceKind kind, const Artifact &artifact, const Allocator &allocator);
  Device *operator->() const { return device_; }
  Device *get() const { return device_; }
  DeviceKind kind() const { return kind_; }

private:
  void reset() {
    if (device_) device_->~Device();
    device_ = nullptr;
  }

  Block memory_; // dies after the device
  Device *device_ = nullptr;
  DeviceKind kind_ = DeviceKind::automatic;
};

} // namespace ingot
