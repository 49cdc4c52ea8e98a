#include "runtime/session/session.h"
#include "runtime/base/cpu.h"
#include "runtime/device/cpu/taste.h"
#include "runtime/sample/sampler.h"

#include <algorithm>

namespace ingot {
namespace {

constexpr uint32_t most_rows = 1u << 15, most_sequences = 1u << 16;

} // namespace

Status Session::resolve(const Artifact &artifact, const SessionOptions &options) {
  options_ = options;
  uint32_t model = artifact.facts().max_context();
  if (options_.max_context == 0) options_.max_context = model;
  if (options_.max_context > model)
    return Status::error(Code::bad_input, "max_context %u is more than the %u that the model was compiled for",
                         options_.max_context, model);
  if (options_.max_sequences == 0 || options_.max_sequences > most_sequences)
    return Status::error(Code::bad_input, "max_sequences %u is not between 1 and %u", options_.max_sequences,
                         most_sequences);
  if (options_.max_rows == 0 || options_.max_rows > most_rows)
    return Status::error(Code::bad_input, "max_rows %u is not between 1 and %u", options_.max_rows, most_rows);
  if (options_.pad_rows == 0 || options_.pad_rows > 1024)
    return Status::error(Code::bad_input, "pad_rows %u is not between 1 and 1024", options_.pad_rows);
  if (options_.max_logits == 0) options_.max_logits = options_.max_sequences;
  options_.max_logits = std::min(options_.max_logits, options_.max_rows);
  if (options_.threads == 0) options_.threads = usable_cpus();
  return {};
}

Status Session::copy_page(void *self, uint32_t group, uint32_t from, uint32_t to) {
  return static_cast<Session *>(self)->device_->copy_page(group, from, to);
}

Status Session::open(const Artifact &artifact, const SessionOptions &options) {
  artifact_ = &artifact;
  if (!artifact.has_weights())
    return Status::error(Code::bad_input, "artifact %.120s has no weights: it was compiled with --no-weights",
                         artifact.name());
  INGOT_TRY(resolve(artifact, options));
  INGOT_TRY(device_.make(options_.device.kind, artifact, options_.allocator));
  program_ = artifact.program(device_.kind() == DeviceKind::cpu ? plan::Target::cpu : plan::Target::cuda);
  INGOT_TRY(cache_.open(artifact.plan(), {.bytes = options_.kv_bytes,
                                          .max_sequences = options_.max_sequences,
                                          .max_context = options_.max_context,
                                          .max_rows = options_.max_rows,
                                          .copy = {copy_page, this},
                                          .allocator = options_.allocator}));
  INGOT_TRY(sequences_.take(options_.allocator, options_.max_sequences, "sequences"));
  INGOT_TRY(pending_.take(options_.allocator, options_.max_sequences, "sequences"));
  return open_device();
}

Status Session::open_device() {
  PageRange pages[most_cache_groups];
  size_t strides[most_cache_groups];
  uint8_t *pools[most_cache_groups];
  for (uint32_t g = 0; g < cache_.groups(); ++g) {
    strides[g] = cache_.stride(g);
    pages[g] = {cache_.pages(g).page_bytes(), size_t(cache_.pages(g).capacity()) + 1, strides[g]};
  }
  INGOT_TRY(device_->open(*artifact_,
                          {.most_rows = uint32_t(align_up(options_.max_rows, options_.pad_rows)),
                           .most_logits = options_.max_logits,
                           .most_segments = options_.max_sequences,
                           .max_context = options_.max_context,
                           .pages = pages,
                           .timed = options_.timed,
                           .allocator = options_.allocator,
                           .clock = options_.clock,
                           .threads = options_.threads,
                           .processors = usable_cpus(),
                           .streams = streams_of(detect_cpu()),
                           .card = options_.device.card,
                           .watchdog_seconds = options_.watchdog_seconds,
                           .progress = options_.progress},
                          batch_.get()));
  for (uint32_t g = 0; g < cache_.groups(); ++g) pools[g] = device_->pages(g);
  return batch_.open({.max_rows = options_.max_rows,
                      .max_sequences = options_.max_sequences,
                      .pad_rows = options_.pad_rows,
                      .q_tile_rows = program_->q_tile_rows(),
                      .allocator = options_.allocator},
                     cache_.groups(), strides, pools);
}

static Status unknown(uint32_t sequence) { return Status::error(Code::usage, "sequence %u does not exist", sequence); }

Session::Sequence *Session::find(uint32_t sequence) const {
  return sequence < sequences_.size() && sequences_[sequence].live ? &sequences_[sequence] : nullptr;
}

Status Session::create(uint32_t *sequence) {
  for (uint32_t s = 0; s < sequences_.size(); ++s) {
    if (sequences_[s].live) continue;
    sequences_[s] = {true, false, 0};
    *sequence = s;
    return {};
  }
  return Status::error(Code::bad_input, "all %u sequences of the session are in use: free one or raise max_sequences",
                       options_.max_sequences);
}

Status Session::destroy(uint32_t sequence) {
  Sequence *found = find(sequence);
  if (!found) return unknown(sequence);
  if (found->pending) return Status::error(Code::usage, "sequence %u waits for the next step", sequence);
  cache_.truncate(sequence, 0);
  *found = {};
  return {};
}

Status Session::fork(uint32_t sequence, uint32_t *child) {
  Sequence *found = find(sequence);
  if (!found) return unknown(sequence);
  INGOT_TRY(create(child));
  cache_.fork(sequence, *child);
  sequences_[*child].length = found->length;
  return {};
}

Status Session::truncate(uint32_t sequence, uint32_t length) {
  Sequence *found = find(sequence);
  if (!found) return unknown(sequence);
  if (found->pending) return Status::error(Code::usage, "sequence %u waits for the next step", sequence);
  if (length >= found->length) return {};
  if (!cache_.holds(sequence, length))
    return Status::error(Code::unsupported, "sequence %u cannot go back to %u tokens: its window has moved on",
                         sequence, length);
  cache_.truncate(sequence, length);
  found->length = length;
  return {};
}

Status Session::length(uint32_t sequence, uint32_t *length) const {
  Sequence *found = find(sequence);
  if (!found) return unknown(sequence);
  *length = found->length;
  return {};
}

Status Session::append(uint32_t sequence, const int32_t *tokens, size_t count, LogitRows rows) {
  Sequence *found = find(sequence);
  if (!found) return unknown(sequence);
  const plan::Facts &facts = artifact_->facts();
  if (found->pending) return Status::error(Code::usage, "sequence %u is already in the next step", sequence);
  if (count == 0) return Status::error(Code::usage, "sequence %u: no tokens to append", sequence);
  if (count > options_.max_context - found->length)
    return Status::error(Code::context_full,
                         "the context is full: %u tokens and %zu new ones are more than max_context %u", found->length,
                         count, options_.max_context);
  if (count > room())
    return Status::error(Code::usage, "%zu tokens: the step takes %u more (max_rows %u)", count, room(),
                         options_.max_rows);
  if (facts.max_new_per_sequence() && count > facts.max_new_per_sequence())
    return Status::error(Code::usage, "this model takes at most %u new tokens of a sequence in a step, not %zu",
                         facts.max_new_per_sequence(), count);
  for (size_t i = 0; i < count; ++i)
    if (tokens[i] < 0 || uint32_t(tokens[i]) >= facts.vocab_size())
      return Status::error(Code::bad_input, "token %d (number %zu) is outside the vocabulary of %u", tokens[i], i,
                           facts.vocab_size());
  begin_step();
  pending_[batch_.segments()] = sequence;
  batch_.add(tokens, uint32_t(count), found->length);
  for (size_t i = rows == LogitRows::all ? 0 : count - 1; rows != LogitRows::none && i < count; ++i)
    batch_.want_logits(uint32_t(i));
  found->pending = true;
  return {};
}

// Pages for every new token, and the block tables of the step.
Status Session::reserve_all() {
  for (uint32_t s = 0; s < batch_.segments(); ++s) {
    uint32_t sequence = pending_[s], from = sequences_[sequence].length;
    INGOT_TRY(cache_.reserve(sequence, from, from + batch_.rows_of(s)));
  }
  for (uint32_t g = 0; g < cache_.groups(); ++g) {
    uint32_t page_tokens = artifact_->plan().cache_groups()->Get(g)->page_tokens();
    for (uint32_t s = 0; s < batch_.segments(); ++s) {
      uint64_t length = sequences_[pending_[s]].length + batch_.rows_of(s);
      std::copy_n(cache_.table(g, pending_[s]), entries_seen(length, page_tokens, cache_.stride(g)),
                  batch_.table(g, s));
    }
  }
  return {};
}

Status Session::run(Work work) {
  WorkTimes times;
  Status status = device_->run(work, &cancel_, &times);
  stats_.body_ns += times.body_ns;
  stats_.head_ns += times.head_ns;
  if (status.code() == Code::cancelled) cancel_.store(false);
  if (status.ok() && observer_.ran) observer_.ran(observer_.self, *device_.get());
  return status;
}

// The window of wanted rows that the next head computes.
void Session::select(uint32_t first) {
  window_first_ = first;
  window_count_ = std::min(wanted_ - first, options_.max_logits);
  batch_.select(first, window_count_);
}

// The last step's description is kept until new tokens come, for logits rows that are still to be computed.
void Session::begin_step() {
  if (!over_) return;
  over_ = false;
  wanted_ = 0;
  batch_.clear();
}

void Session::end_step() {
  for (uint32_t s = 0; s < batch_.segments(); ++s) sequences_[pending_[s]].pending = false;
  over_ = true;
}

Status Session::step() {
  if (over_) return Status::error(Code::usage, "a step without tokens");
  wanted_ = batch_.wanted();
  batch_.finish();
  select(0);
  Status status = reserve_all();
  if (status.ok()) status = run(wanted_ > 0 ? Work::both : Work::body);
  if (!status.ok()) {
    wanted_ = window_count_ = 0;
    end_step();
    return status;
  }
  ++stats_.steps;
  stats_.logit_rows += window_count_;
  for (uint32_t s = 0; s < batch_.segments(); ++s) {
    Sequence &sequence = sequences_[pending_[s]];
    stats_.tokens += batch_.rows_of(s);
    sequence.length += batch_.rows_of(s);
    cache_.slide(pending_[s], sequence.length);
  }
  end_step();
  return {};
}

// Runs the head over the window that holds the row, unless it did so last.
Status Session::need_row(uint32_t index) {
  if (index >= wanted_) return Status::error(Code::usage, "logits row %u of %u", index, wanted_);
  if (index >= window_first_ && index - window_first_ < window_count_) return {};
  select(index / options_.max_logits * options_.max_logits);
  uint32_t count = window_count_;
  window_count_ = 0;
  INGOT_TRY(run(Work::head));
  window_count_ = count;
  stats_.logit_rows += count;
  return {};
}

Status Session::logits(uint32_t index, const float **row) {
  INGOT_TRY(need_row(index));
  return device_->logits(index - window_first_, row);
}

Status Session::top(uint32_t index, std::span<Candidate> best, uint32_t *count) {
  if (best.empty() || best.size() > std::min(most_candidates, artifact_->facts().vocab_size()))
    return Status::error(Code::usage, "%zu candidates of a row are not between 1 and %u", best.size(),
                         std::min(most_candidates, artifact_->facts().vocab_size()));
  INGOT_TRY(need_row(index));
  return device_->top(index - window_first_, best, count);
}

Status Session::greedy(uint32_t index, int32_t *token) {
  Candidate best;
  uint32_t count;
  INGOT_TRY(top(index, {&best, 1}, &count));
  if (count == 0) return no_logit();
  *token = best.id;
  return {};
}

SessionStats Session::stats() const {
  SessionStats stats = stats_;
  stats.kv_used_bytes = cache_.used_bytes();
  stats.kv_capacity_bytes = cache_.capacity_bytes();
  return stats;
}

} // namespace ingot
