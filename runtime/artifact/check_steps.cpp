#include "runtime/artifact/check_steps.h"

#include <algorithm>

namespace ingot {
namespace {

constexpr uint32_t most_steps = 1u << 20;
constexpr uint64_t most_bytes = uint64_t(1) << 40;
constexpr uint32_t most_units = 1u << 24; // with at most 2^15 rows a step the items of a grid stay below 2^40

struct StepCheck {
  const plan::Plan &plan;
  const plan::Program &program;
  const char *name;
  plan::Space space;
  const plan::Step &step;

  Status bad(const char *what, uint32_t index) const {
    return damaged(name, "plan: step '%.60s' of the %s %s: %s %u", text_of(step.name()),
                   plan::EnumNameTarget(program.target()), plan::EnumNameSpace(space), what, index);
  }

  Status binding(uint32_t i, const plan::Binding &binding, uint32_t *prepared) const {
    switch (binding.kind()) {
    case plan::BindingKind::buffer:
      if (binding.index() >= count_of(program.buffers())) return bad("binding out of range:", i);
      if (space == plan::Space::body && program.buffers()->Get(binding.index())->space() != plan::Space::body)
        return bad("a head buffer is bound by binding", i);
      return {};
    case plan::BindingKind::weight:
      return binding.index() < count_of(plan.weights()) ? Status() : bad("binding out of range:", i);
    case plan::BindingKind::immediate:
      return {};
    case plan::BindingKind::prepared:
      if ((count_of(step.prepare()) == 0 && count_of(step.finish()) == 0) || ++*prepared > 1)
        return bad("a stray `prepared` binding", i);
      return {};
    case plan::BindingKind::logits:
      return space == plan::Space::head ? Status() : bad("a stray logits binding", i);
    }
    return bad("unknown kind of binding", i);
  }

  Status bindings() const {
    uint32_t count = count_of(step.bindings()), prepared = 0;
    if (count == 0 || count > most_bindings) return bad("number of bindings", count);
    for (uint32_t i = 0; i < count; ++i) INGOT_TRY(binding(i, *step.bindings()->Get(i), &prepared));
    uint64_t rows_bytes = step.prepared_bytes_per_row(), partial_bytes = step.partial_bytes();
    if (rows_bytes % 64 != 0 || rows_bytes > most_bytes || partial_bytes % 64 != 0 || partial_bytes > most_bytes ||
        (prepared != 0) != (rows_bytes != 0 || partial_bytes != 0))
      return bad("bytes of `prepared` do not fit the number of its bindings,", prepared);
    return {};
  }

  Status finish() const {
    uint32_t count = count_of(step.finish());
    if (count == 0 && step.partial_bytes() == 0) return {};
    if (program.target() == plan::Target::cpu) return bad("a CPU step has no `finish` grid, this one has", count);
    if (count == 0 || count_of(step.prepare()) != 0 || step.prepared_bytes_per_row() != 0 || step.partial_bytes() == 0)
      return bad("partial results do not fit its grids; variants of `finish`:", count);
    return variants(step.finish());
  }

  using Variants = flatbuffers::Vector<flatbuffers::Offset<plan::Variant>>;
  Status variants(const Variants *variants) const {
    uint64_t last = 0;
    for (uint32_t i = 0; i < count_of(variants); ++i) {
      const plan::Variant &variant = *variants->Get(i);
      if (variant.kernel() >= program.kernels()->size()) return bad("kernel out of range in variant", i);
      if (variant.grid() > plan::Grid::MAX || variant.units() == 0 || variant.units() > most_units ||
          variant.per() == 0)
        return bad("no grid in variant", i);
      if (variant.grid() == plan::Grid::q_tiles && (space != plan::Space::body || program.q_tile_rows() == 0))
        return bad("a grid of query tiles in variant", i);
      uint64_t rank = uint64_t(variant.max_rows()) << 8 | variant.streams();
      if (variant.max_rows() == 0 || (i > 0 && rank <= last)) return bad("row classes do not ascend at variant", i);
      last = rank;
    }
    if (count_of(variants) > 0 && last >> 8 != UINT32_MAX)
      return bad("no variant serves every row count; last is", count_of(variants) - 1);
    return {};
  }
};

Status check_entry(const plan::Plan &plan, const plan::Program &program, const plan::Entry *entry, plan::Space space,
                   const char *name) {
  const char *label = plan::EnumNameSpace(space);
  if (!entry || entry->space() != space) return damaged(name, "plan: the %s is missing", label);
  if (count_of(entry->steps()) == 0 || entry->steps()->size() > most_steps)
    return damaged(name, "plan: the %s has %u steps", label, count_of(entry->steps()));
  for (const plan::Step *step : *entry->steps()) {
    StepCheck check = {plan, program, name, space, *step};
    INGOT_TRY(check.bindings());
    INGOT_TRY(check.variants(step->prepare()));
    if (count_of(step->main()) == 0) return check.bad("number of main variants", 0);
    INGOT_TRY(check.variants(step->main()));
    INGOT_TRY(check.finish());
  }
  return {};
}

// A buffer's bytes and the steps between which they matter.
struct Life {
  uint32_t space, first, last;
  uint64_t begin, end;
  uint32_t buffer;
};

void mark(const plan::Entry &entry, uint32_t first_step, Life *lives) {
  for (uint32_t s = 0; s < entry.steps()->size(); ++s)
    for (const plan::Binding *binding : *entry.steps()->Get(s)->bindings()) {
      if (binding->kind() != plan::BindingKind::buffer) continue;
      Life &life = lives[binding->index()];
      life.first = std::min(life.first, first_step + s);
      life.last = std::max(life.last, first_step + s);
    }
}

} // namespace

Status check_steps(const plan::Plan &plan, const plan::Program &program, const char *name) {
  INGOT_TRY(check_entry(plan, program, program.body(), plan::Space::body, name));
  return check_entry(plan, program, program.head(), plan::Space::head, name);
}

Status check_liveness(const plan::Program &program, const char *name, const Allocator &allocator) {
  uint32_t count = count_of(program.buffers());
  // The pairwise comparison below is quadratic; real plans have a dozen buffers.
  if (count > 4096) return damaged(name, "plan: %u buffers", count);
  Array<Life> lives;
  INGOT_TRY(lives.take(allocator, count, "artifact: liveness of buffers"));
  for (uint32_t i = 0; i < count; ++i) {
    const plan::Buffer &buffer = *program.buffers()->Get(i);
    lives[i] = {uint32_t(buffer.space()),
                UINT32_MAX,
                0,
                buffer.offset_per_row(),
                buffer.offset_per_row() + buffer.bytes_per_row(),
                i};
  }
  mark(*program.body(), 0, lives.data());
  mark(*program.head(), program.body()->steps()->size(), lives.data());
  for (uint32_t i = 0; i < count; ++i)
    for (uint32_t j = 0; j < i; ++j) {
      const Life &a = lives[i], &b = lives[j];
      bool together = a.space == b.space && a.first <= b.last && b.first <= a.last;
      if (together && a.begin < b.end && b.begin < a.end)
        return damaged(name, "plan: buffers %u '%.50s' and %u '%.50s' share bytes while both are in use", j,
                       text_of(program.buffers()->Get(j)->name()), i, text_of(program.buffers()->Get(i)->name()));
    }
  return {};
}

} // namespace ingot
