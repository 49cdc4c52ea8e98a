#include "runtime/device/cpu/executor.h"

#include <algorithm>
#include <cstring>

namespace ingot {
namespace {

constexpr size_t row_granule = 64;

// bytes_per_row * rows, or an error naming the product.
Status product(uint64_t bytes_per_row, size_t rows, const char *what, size_t *bytes) {
  if (checked_mul(bytes_per_row, rows, bytes)) return {};
  return Status::error(Code::no_memory, "%s: %llu bytes a row for %zu rows overflow", what,
                       (unsigned long long)bytes_per_row, rows);
}

// What the steps of both entries need at most.
struct Needs {
  uint64_t scratch = 0, shared_per_row[2] = {}, private_bytes = 0;
  uint32_t slots = 0, steps = 0;

  Status add(const plan::Entry &entry, size_t rows) {
    steps += entry.steps()->size();
    for (const plan::Step *step : *entry.steps()) {
      slots = std::max(slots, step->bindings()->size());
      uint64_t &shared = shared_per_row[int(entry.space())];
      shared = std::max(shared, step->prepared_bytes_per_row());
      size_t own, own_rows = align_up(std::min<size_t>(step->prepare_private_rows(), rows), row_granule);
      INGOT_TRY(product(step->prepared_bytes_per_row(), own_rows, "prepared rows", &own));
      private_bytes = std::max(private_bytes, own);
    }
    return {};
  }
};

} // namespace

Status CpuExecutor::open(const Artifact &artifact, const DeviceOptions &options, const ingot_batch *batch) {
  artifact_ = &artifact;
  batch_ = batch;
  options_ = options;
  body_rows_ = align_up(options.most_rows, row_granule);
  head_rows_ = align_up(options.most_logits, row_granule);
  INGOT_TRY(artifact.supports(plan::Target::cpu));
  program_ = artifact.program(plan::Target::cpu);
  INGOT_TRY(take_memory(options));
  INGOT_TRY(bind(*program_->body(), body_));
  return bind(*program_->head(), head_);
}

Status CpuExecutor::take_memory(const DeviceOptions &options) {
  const plan::Program &program = *program_;
  const Allocator &allocator = options.allocator;
  Needs needs;
  INGOT_TRY(needs.add(*program.body(), body_rows_));
  INGOT_TRY(needs.add(*program.head(), head_rows_));
  for (const plan::Kernel *kernel : *program.kernels())
    needs.scratch = std::max(needs.scratch, kernel->scratch_bytes());

  size_t body, head, shared_body, shared_head, logits;
  INGOT_TRY(product(program.body_arena_bytes_per_row(), body_rows_, "activations of the body", &body));
  INGOT_TRY(product(program.head_arena_bytes_per_row(), head_rows_, "activations of the head", &head));
  INGOT_TRY(product(needs.shared_per_row[0], body_rows_, "prepared rows", &shared_body));
  INGOT_TRY(product(needs.shared_per_row[1], head_rows_, "prepared rows", &shared_head));
  INGOT_TRY(product(artifact_->facts().vocab_size() * sizeof(float), options.most_logits, "logits", &logits));
  INGOT_TRY(body_arena_.take(allocator, body, 64, "activations of the body"));
  INGOT_TRY(head_arena_.take(allocator, head, 64, "activations of the head"));
  INGOT_TRY(prepared_.take(allocator, std::max(shared_body, shared_head), 64, "prepared rows"));
  INGOT_TRY(logits_.take(allocator, logits, 64, "logits"));
  for (uint32_t g = 0; g < count_of(artifact_->plan().cache_groups()); ++g) {
    size_t bytes, page_bytes = pages_[g].page_bytes = options.pages[g].page_bytes;
    INGOT_TRY(product(page_bytes, options.pages[g].pages, "KV cache", &bytes));
    INGOT_TRY(pages_[g].bytes.take(allocator, bytes, 4096, "KV cache"));
  }
  INGOT_TRY(phases_.take(allocator, size_t(needs.steps) * 2, "phases"));
  if (options.timed) INGOT_TRY(times_.take(allocator, phases_.size(), "phase times"));
  return pool_.open({.threads = options.threads,
                     .processors = options.processors,
                     .scratch_bytes = needs.scratch,
                     .prepared_bytes = needs.private_bytes,
                     .most_slots = needs.slots,
                     .allocator = allocator,
                     .clock = options.clock});
}

uint64_t CpuExecutor::slot_of(const plan::Binding &binding) const {
  switch (binding.kind()) {
  case plan::BindingKind::buffer: {
    const plan::Buffer &buffer = *program_->buffers()->Get(binding.index());
    bool body = buffer.space() == plan::Space::body;
    const uint8_t *arena = (body ? body_arena_ : head_arena_).data();
    return reinterpret_cast<uintptr_t>(arena + buffer.offset_per_row() * (body ? body_rows_ : head_rows_));
  }
  case plan::BindingKind::weight:
    return reinterpret_cast<uintptr_t>(artifact_->weights() +
                                       artifact_->plan().weights()->Get(binding.index())->offset());
  case plan::BindingKind::immediate:
    return binding.value();
  case plan::BindingKind::prepared:
    return reinterpret_cast<uintptr_t>(prepared_.data());
  case plan::BindingKind::logits:
    return reinterpret_cast<uintptr_t>(logits_.data());
  }
  return 0;
}

// Lays out the argument blocks of an entry, one after the other.
Status CpuExecutor::bind(const plan::Entry &entry, BoundEntry &bound) {
  auto size_of = [](const plan::Step &step) {
    return align_up(sizeof(ingot_args) + step.bindings()->size() * sizeof(uint64_t), 64);
  };
  size_t bytes = 0;
  for (const plan::Step *step : *entry.steps()) bytes += size_of(*step);
  INGOT_TRY(bound.memory.take(options_.allocator, bytes, 64, "argument blocks"));
  INGOT_TRY(bound.args.take(options_.allocator, entry.steps()->size(), "argument blocks"));
  bound.entry = &entry;
  uint8_t *next = bound.memory.data();
  for (uint32_t s = 0; s < entry.steps()->size(); ++s) {
    const plan::Step &step = *entry.steps()->Get(s);
    ingot_args *args = bound.args[s].args = reinterpret_cast<ingot_args *>(next);
    args->batch = batch_;
    for (uint32_t i = 0; i < step.bindings()->size(); ++i) args->slot[i] = slot_of(*step.bindings()->Get(i));
    next += size_of(step);
  }
  return {};
}

uint64_t CpuExecutor::items_of(const plan::Variant &variant, uint64_t rows) const {
  uint64_t tiles = variant.grid() == plan::Grid::rows ? (rows + variant.per() - 1) / variant.per()
                                                      : batch_->n_q_tiles * batch_->n_splits;
  return variant.units() * tiles;
}

// The first class that serves `rows`; in it the variant whose number of streams the CPU likes, or the next lower one.
const plan::Variant &CpuExecutor::choose(const flatbuffers::Vector<flatbuffers::Offset<plan::Variant>> &variants,
                                         uint64_t rows) const {
  uint32_t i = 0;
  while (variants.Get(i)->max_rows() < rows) ++i;
  uint32_t chosen = i, most = variants.Get(i)->max_rows();
  for (; i < variants.size() && variants.Get(i)->max_rows() == most; ++i)
    if (variants.Get(i)->streams() <= options_.streams) chosen = i;
  return *variants.Get(chosen);
}

void CpuExecutor::add_phases(const plan::Step &step, uint32_t index, ingot_args *args, uint64_t rows) {
  args->rows = rows;
  const plan::Variant &main = choose(*step.main(), rows);
  Phase phase = {};
  phase.kernel = artifact_->kernel(main.kernel());
  phase.args = args;
  phase.items = items_of(main, rows);
  phase.n_slots = step.bindings()->size();
  phase.step = index;
  phase.kernel_index = main.kernel();
  if (count_of(step.prepare()) > 0) {
    const plan::Variant &prepare = choose(*step.prepare(), rows);
    ingot_kernel kernel = artifact_->kernel(prepare.kernel());
    uint32_t slot = 0;
    while (slot < phase.n_slots && step.bindings()->Get(slot)->kind() != plan::BindingKind::prepared) ++slot;
    if (rows <= step.prepare_private_rows() && slot < phase.n_slots) {
      phase.prepare = kernel;
      phase.prepare_items = items_of(prepare, rows);
      phase.prepared_slot = slot;
    } else {
      Phase shared = phase;
      shared.kernel = kernel;
      shared.kernel_index = prepare.kernel();
      shared.items = items_of(prepare, rows);
      phases_[n_phases_++] = shared;
    }
  }
  phases_[n_phases_++] = phase;
}

Status CpuExecutor::run(const BoundEntry &bound, uint64_t rows, const std::atomic<bool> *cancel) {
  size_t first = n_phases_;
  for (uint32_t s = 0; s < bound.args.size(); ++s)
    add_phases(*bound.entry->steps()->Get(s), s, bound.args[s].args, rows);
  return pool_.run({phases_.data() + first, n_phases_ - first}, cancel,
                   times_.size() ? times_.data() + first : nullptr);
}

Status CpuExecutor::run(Work work, const std::atomic<bool> *cancel, WorkTimes *times) {
  uint64_t begin = options_.clock();
  n_phases_ = n_body_phases_ = 0;
  Status status;
  if (has(work, plan::Space::body)) status = run(body_, batch_->n_rows, cancel);
  n_body_phases_ = n_phases_;
  uint64_t middle = options_.clock();
  times->body_ns += middle - begin;
  if (!status.ok() || !has(work, plan::Space::head)) return status;
  status = run(head_, batch_->n_logits, cancel);
  times->head_ns += options_.clock() - middle;
  return status;
}

Status CpuExecutor::copy_page(uint32_t group, uint32_t from, uint32_t to) {
  const Pages &pages = pages_[group];
  memcpy(pages.bytes.data() + to * pages.page_bytes, pages.bytes.data() + from * pages.page_bytes, pages.page_bytes);
  return {};
}

Status CpuExecutor::logits(uint32_t row, const float **values) {
  *values = reinterpret_cast<const float *>(logits_.data()) + size_t(row) * artifact_->facts().vocab_size();
  return {};
}

Status CpuExecutor::top(uint32_t row, std::span<Candidate> best, uint32_t *count) {
  const float *values;
  INGOT_TRY(logits(row, &values));
  *count = ingot::top({values, artifact_->facts().vocab_size()}, best);
  return {};
}

DeviceFacts CpuExecutor::facts() const { return {.level = artifact_->cpu_level(), .threads = pool_.threads()}; }

GridRun CpuExecutor::grid(size_t index) const {
  const Phase &phase = phases_[index];
  size_t end = index < n_body_phases_ ? n_body_phases_ : n_phases_;
  bool prepare = index + 1 < end && phases_[index + 1].step == phase.step;
  return {.space = index < n_body_phases_ ? plan::Space::body : plan::Space::head,
          .step = phase.step,
          .kernel = phase.kernel_index,
          .part = prepare ? GridPart::prepare : GridPart::main,
          .rows = phase.args->rows,
          .items = phase.items,
          .begin = times_[index].begin,
          .end = times_[index].end};
}

} // namespace ingot
