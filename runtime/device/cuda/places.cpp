#include "runtime/device/cuda/places.h"
#include "runtime/device/cuda/upload.h"

#include <algorithm>

namespace ingot::cuda {

uint32_t Places::most_regions(const plan::Plan &plan, const plan::Program &program, bool apart) {
  uint64_t steps = uint64_t(count_of(program.body()->steps())) + count_of(program.head()->steps());
  return apart ? uint32_t(count_of(program.buffers()) + count_of(plan.weights()) + steps) : 3;
}

Status Places::add(const plan::Plan &plan, const plan::Program &program, const Rows &rows, bool apart,
                   DeviceMemory &memory) {
  plan_ = &plan, program_ = &program, memory_ = &memory;
  rows_ = rows, apart_ = apart;
  return apart ? add_apart() : add_shared();
}

uint64_t Places::prepared_bytes(const plan::Step &step, plan::Space space) const {
  uint64_t partial_rows = space == plan::Space::body ? std::max(rows_.body, rows_.splits) : rows_.head;
  return std::max(saturating_product(step.prepared_bytes_per_row(), rows(space)),
                  saturating_product(step.partial_bytes(), partial_rows));
}

Status Places::add_shared() {
  uint64_t prepared = 0;
  for (const plan::Entry *entry : {program_->body(), program_->head()})
    for (const plan::Step *step : *entry->steps()) prepared = std::max(prepared, prepared_bytes(*step, entry->space()));
  INGOT_TRY(memory_->add("activations of the body",
                         saturating_product(program_->body_arena_bytes_per_row(), rows_.body), &arenas_[0]));
  INGOT_TRY(memory_->add("activations of the head",
                         saturating_product(program_->head_arena_bytes_per_row(), rows_.head), &arenas_[1]));
  INGOT_TRY(memory_->add("prepared rows and partial results", prepared, &prepared_[0]));
  prepared_[1] = prepared_[0];
  return {};
}

Status Places::add_apart() {
  // Regions are numbered in the order of add(): only the first of each kind is kept.
  uint32_t region, k = 0;
  auto add = [&](const char *what, uint64_t bytes, uint32_t *first) {
    return memory_->add(what, bytes, k++ ? &region : first);
  };
  for (const plan::Buffer *buffer : *program_->buffers())
    INGOT_TRY(add("activations", saturating_product(buffer->bytes_per_row(), rows(buffer->space())), &arenas_[0]));
  k = 0;
  for (const plan::Weight *weight : *plan_->weights()) INGOT_TRY(add("a weight", weight->size(), &weights_));
  for (const plan::Entry *entry : {program_->body(), program_->head()}) {
    k = 0;
    for (const plan::Step *step : *entry->steps())
      INGOT_TRY(add("a step's prepared rows", prepared_bytes(*step, entry->space()),
                    &prepared_[entry->space() == plan::Space::head]));
  }
  return {};
}

Status Places::upload(Driver &driver, CUstream stream, const uint8_t *segment) const {
  for (uint32_t i = 0; i < count_of(plan_->weights()); ++i) {
    const plan::Weight &weight = *plan_->weights()->Get(i);
    INGOT_TRY(cuda::upload(driver, stream, memory_->address(weights_ + i),
                           {segment + weight.offset(), size_t(weight.size())}, {}));
  }
  return {};
}

CUdeviceptr Places::of(const plan::Binding &binding, plan::Space space, uint32_t step, CUdeviceptr weights) const {
  switch (binding.kind()) {
  case plan::BindingKind::buffer: {
    const plan::Buffer &buffer = *program_->buffers()->Get(binding.index());
    if (apart_) return memory_->address(arenas_[0] + binding.index());
    return memory_->address(arenas_[buffer.space() == plan::Space::head]) +
           buffer.offset_per_row() * rows(buffer.space());
  }
  case plan::BindingKind::weight:
    return apart_ ? memory_->address(weights_ + binding.index())
                  : weights + plan_->weights()->Get(binding.index())->offset();
  default:
    return memory_->address(prepared_[space == plan::Space::head] + (apart_ ? step : 0));
  }
}

} // namespace ingot::cuda
