// A session: sequences, their KV cache, and steps over any mix of their new tokens.
//
//   session.append(sequence, tokens, n, LogitRows::last); ...   once a sequence
//   session.step();                                             body over all rows, head over the wanted ones
//   session.logits(0, &row);
//
// Invariants
//  1. All memory is taken at open(); append(), step() and logits() allocate nothing.
//  2. A step that fails leaves every sequence at its old length and forgets what was appended.
//  3. What a sequence computes depends on its own tokens only (the numerics law), never on who else is in the step.
// One thread at a time may call; cancel() may come from anywhere, signal handlers included.
#pragma once
#include "runtime/device/device.h"
#include "runtime/kv/cache.h"
#include "runtime/session/batch.h"

namespace ingot {

// The longest step of a large model on a slow card takes a few seconds.
inline constexpr uint32_t default_watchdog_seconds = 60;

struct SessionOptions {
  DeviceChoice device = {}; // as DeviceOwner::make() reads its kind
  uint32_t threads = 0;     // CPU; 0: what affinity and cgroup allow
  size_t kv_bytes = 0;      // 0: every sequence at max_context
  uint32_t max_sequences = 1;
  uint32_t max_context = 0; // 0: the model's
  uint32_t max_rows = 512;  // tokens of one step
  uint32_t max_logits = 0;  // logits rows held at once; 0: max_sequences. More wanted rows are computed when asked for.
  uint32_t pad_rows = 1;    // rows are padded to a multiple of it (tests)
  bool timed = false;       // keep the times of grids for profiles
  uint32_t watchdog_seconds = default_watchdog_seconds; // CUDA: a step that takes longer counts as hung; 0: none does
  UploadProgress progress = {};                         // CUDA
  Allocator allocator = system_allocator();
  Clock clock = system_clock();
};

enum class LogitRows : uint8_t { none, last, all };

struct SessionStats {
  uint64_t steps, tokens, logit_rows; // since open
  uint64_t body_ns, head_ns;          // CUDA: body_ns holds both
  size_t kv_used_bytes, kv_capacity_bytes;
};

// Sees each run (for profiles).
struct RunObserver {
  void (*ran)(void *self, const Device &device) = nullptr;
  void *self = nullptr;
};

class Session {
public:
  // `artifact` outlives the session. Errors: options out of range, memory, weights that were left out,
  // no code for the device, no such device.
  Status open(const Artifact &artifact, const SessionOptions &options);

  Status create(uint32_t *sequence);
  Status destroy(uint32_t sequence);
  // A new sequence with the same tokens; pages are shared until one of the two writes.
  Status fork(uint32_t sequence, uint32_t *child);
  // Forgets the tokens from `length` on. Error: a window has slid past what the shorter sequence needs.
  Status truncate(uint32_t sequence, uint32_t length);
  Status length(uint32_t sequence, uint32_t *length) const;

  // Puts new tokens of a sequence into the next step, at most once a sequence and step. Errors, which change nothing:
  // unknown sequence, token outside the vocabulary, context_full, more tokens than the step has room for.
  Status append(uint32_t sequence, const int32_t *tokens, size_t count, LogitRows rows);
  uint32_t room() const { return over_ ? options_.max_rows : batch_.room(); } // tokens that the next step still takes
  Status step();

  // The wanted rows of the last step, in the order of the appends. A row stays valid until the next append or until
  // a row max_logits further is asked for.
  uint32_t logit_count() const { return wanted_; }
  Status logits(uint32_t index, const float **row);
  // A row's likeliest logits, as Device::top() has them, without bringing the row to the host.
  Status top(uint32_t index, std::span<Candidate> best, uint32_t *count);
  // The likeliest one. Error: none is above minus infinity.
  Status greedy(uint32_t index, int32_t *token);

  void cancel() { cancel_.store(true, std::memory_order_relaxed); } // the running step, else the next

  const Artifact &artifact() const { return *artifact_; }
  const plan::Program &program() const { return *program_; } // that runs
  DeviceKind device() const { return device_.kind(); }
  DeviceFacts device_facts() const { return device_->facts(); }
  const SessionOptions &options() const { return options_; } // as resolved by open()
  SessionStats stats() const;
  void observe(RunObserver observer) { observer_ = observer; }

private:
  struct Sequence {
    bool live, pending;
    uint32_t length;
  };

  Status resolve(const Artifact &artifact, const SessionOptions &options);
  Sequence *find(uint32_t sequence) const; // null: it does not exist
  Status reserve_all();
  Status open_device();
  static Status copy_page(void *self, uint32_t group, uint32_t from, uint32_t to);
  void select(uint32_t first);
  Status run(Work work);
  Status need_row(uint32_t index);
  void begin_step();
  void end_step();

  const Artifact *artifact_ = nullptr;
  const plan::Program *program_ = nullptr;
  SessionOptions options_;
  Cache cache_;
  Batch batch_;
  DeviceOwner device_;
  Array<Sequence> sequences_;
  Array<uint32_t> pending_; // [max_sequences] the sequence behind each segment of the step
  RunObserver observer_;
  SessionStats stats_ = {};
  uint32_t wanted_ = 0, window_first_ = 0, window_count_ = 0;
  bool over_ = true; // no tokens were appended since the last step
  std::atomic<bool> cancel_{false};
};

} // namespace ingot
