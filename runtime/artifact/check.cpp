// Facts, tables and their ranges: rules P1 to P7. Steps are checked in check_steps.cpp.
#include "runtime/artifact/check.h"
#include "runtime/artifact/check_steps.h"
#include "runtime/base/checked.h"

#include <cmath>

namespace ingot {
namespace {

using ULL = unsigned long long;
constexpr uint64_t most_arena_bytes = uint64_t(1) << 40;
constexpr uint64_t most_scratch_bytes = uint64_t(1) << 30;
constexpr uint32_t most_block_items = 1u << 24;

Status check_tokens(const plan::Facts &facts, const char *name) {
  const plan::TokenFacts *tokens = facts.tokens();
  if (!tokens) return {};
  auto bad = [&](int32_t id, bool absent_allowed) {
    return (id < 0 && !(absent_allowed && id == -1)) || (id >= 0 && uint32_t(id) >= facts.vocab_size());
  };
  if (bad(tokens->bos(), true)) return damaged(name, "plan: the bos id %d is outside the vocabulary", tokens->bos());
  if (bad(tokens->pad(), true)) return damaged(name, "plan: the pad id %d is outside the vocabulary", tokens->pad());
  for (uint32_t i = 0; i < count_of(tokens->eos()); ++i)
    if (bad(tokens->eos()->Get(i), false))
      return damaged(name, "plan: the eos id %d is outside the vocabulary", tokens->eos()->Get(i));
  return {};
}

Status check_facts(const plan::Facts *facts, const char *name) {
  if (!facts || !facts->name() || !facts->compiler() || !facts->numerics() || !facts->weight_format() ||
      !facts->activation_format())
    return damaged(name, "plan: facts are missing");
  if (facts->vocab_size() == 0 || facts->vocab_size() > INT32_MAX || facts->hidden_size() == 0 || facts->layers() == 0)
    return damaged(name, "plan: vocabulary %u, hidden size %u, layers %u", facts->vocab_size(), facts->hidden_size(),
                   facts->layers());
  if (facts->max_context() == 0 || facts->max_context() > INT32_MAX)
    return damaged(name, "plan: max_context %u", facts->max_context());
  if (const plan::SamplingFacts *sampling = facts->sampling())
    if (!std::isfinite(sampling->temperature()) || !std::isfinite(sampling->top_p()) ||
        !std::isfinite(sampling->min_p()) || !std::isfinite(sampling->repetition_penalty()))
      return damaged(name, "plan: a sampling fact is not a number");
  return check_tokens(*facts, name);
}

bool is_code(uint32_t kind) {
  return kind == INGOT_SEGMENT_CODE_CPU || kind == INGOT_SEGMENT_CUBIN || kind == INGOT_SEGMENT_PTX;
}

Status check_code(const plan::Program &program, const Layout &layout, const char *name) {
  const char *target = plan::EnumNameTarget(program.target());
  bool cpu = program.target() == plan::Target::cpu;
  if (count_of(program.code()) == 0) return damaged(name, "plan: the %s program has no code", target);
  for (uint32_t i = 0; i < program.code()->size(); ++i) {
    const plan::Code &code = *program.code()->Get(i);
    uint32_t kind = code.segment() < layout.header->segment_count ? layout.segments[code.segment()].kind : 0;
    if (!is_code(kind) || (kind == INGOT_SEGMENT_CODE_CPU) != cpu)
      return damaged(name, "plan: code %u names segment %u, which is not %s code", i, code.segment(),
                     cpu ? "CPU" : "CUDA");
    bool level = cpu ? code.level() == 3 || code.level() == 4 : code.level() >= 80 && code.level() <= 999;
    if (!level || layout.segments[code.segment()].tag != code.level())
      return damaged(name, "plan: %s code %u is of level %u", target, i, code.level());
    for (uint32_t j = 0; j < i; ++j)
      if (program.code()->Get(j)->segment() == code.segment())
        return damaged(name, "plan: %s code %u and %u share a segment", target, j, i);
  }
  return {};
}

Status check_programs(const plan::Plan &plan, const Layout &layout, const char *name) {
  if (count_of(plan.programs()) == 0) return damaged(name, "plan: no program");
  uint32_t in_plan = 0, in_table = 0, targets = 0;
  for (const plan::Program *program : *plan.programs()) {
    if (program->target() > plan::Target::MAX) return damaged(name, "plan: a program for no target");
    uint32_t target = 1u << uint32_t(program->target());
    if (targets & target)
      return damaged(name, "plan: two programs for the target %s", plan::EnumNameTarget(program->target()));
    targets |= target;
    INGOT_TRY(check_code(*program, layout, name));
    in_plan += program->code()->size();
  }
  for (uint32_t i = 0; i < layout.header->segment_count; ++i) in_table += is_code(layout.segments[i].kind);
  if (in_plan != in_table) return damaged(name, "plan: %u code entries for %u code segments", in_plan, in_table);
  return {};
}

Status check_addresses(const plan::Program &program, uint32_t i, const Layout &layout, const char *name) {
  const plan::Kernel &kernel = *program.kernels()->Get(i);
  const char *label = text_of(kernel.name());
  if (count_of(kernel.address()) != program.code()->size())
    return damaged(name, "plan: kernel %u '%.60s' has %u addresses for %u code segments", i, label,
                   count_of(kernel.address()), program.code()->size());
  for (uint32_t j = 0; j < kernel.address()->size(); ++j) {
    const plan::CodeAddress &address = *kernel.address()->Get(j);
    const ingot_segment &segment = layout.segments[program.code()->Get(j)->segment()];
    if (address.code() != j || address.reserved() != 0 || address.offset() >= segment.size ||
        address.offset() % 16 != 0)
      return damaged(name, "plan: kernel %u '%.60s': address %llu in code %u (size %llu)", i, label,
                     (ULL)address.offset(), address.code(), (ULL)segment.size);
  }
  if (kernel.block_threads() != 0 || kernel.block_items() != 0 || kernel.shared_bytes() != 0)
    return damaged(name, "plan: kernel %u '%.60s' of the CPU has the shape of a CTA", i, label);
  return {};
}

bool is_entry_name(const flatbuffers::String *text) {
  if (!text || text->size() == 0 || text->size() > 255) return false;
  for (uint32_t i = 0; i < text->size(); ++i) {
    char c = text->Get(i);
    bool digit = c >= '0' && c <= '9', letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && (i == 0 || (!digit && c != '_'))) return false;
  }
  return true;
}

Status check_cta(const plan::Kernel &kernel, uint32_t i, const char *name) {
  if (!is_entry_name(kernel.name())) return damaged(name, "plan: kernel %u has no name that PTX takes", i);
  if (count_of(kernel.address()) != 0)
    return damaged(name, "plan: kernel %u '%.60s' of CUDA has an address", i, text_of(kernel.name()));
  if (kernel.block_threads() == 0 || kernel.block_threads() > most_block_threads || kernel.block_items() == 0 ||
      kernel.block_items() > most_block_items || kernel.shared_bytes() > most_shared_bytes)
    return damaged(name, "plan: kernel %u '%.60s': a CTA of %u threads, %u items, %u bytes of shared memory", i,
                   text_of(kernel.name()), kernel.block_threads(), kernel.block_items(), kernel.shared_bytes());
  return {};
}

Status check_kernels(const plan::Program &program, const Layout &layout, const char *name) {
  if (count_of(program.kernels()) == 0) return damaged(name, "plan: no kernels");
  for (uint32_t i = 0; i < program.kernels()->size(); ++i) {
    const plan::Kernel &kernel = *program.kernels()->Get(i);
    INGOT_TRY(program.target() == plan::Target::cpu ? check_addresses(program, i, layout, name)
                                                    : check_cta(kernel, i, name));
    if (kernel.scratch_bytes() > most_scratch_bytes)
      return damaged(name, "plan: kernel %u '%.60s' wants %llu bytes of scratch", i, text_of(kernel.name()),
                     (ULL)kernel.scratch_bytes());
  }
  return {};
}

Status check_weights(const plan::Plan &plan, const Layout &layout, const char *name) {
  if (count_of(plan.weights()) == 0) return {};
  if (plan.weights_segment() >= layout.header->segment_count ||
      layout.segments[plan.weights_segment()].kind != INGOT_SEGMENT_WEIGHTS)
    return damaged(name, "plan: segment %u holds no weights", plan.weights_segment());
  uint64_t size = layout.segments[plan.weights_segment()].size;
  for (uint32_t i = 0; i < plan.weights()->size(); ++i) {
    const plan::Weight &weight = *plan.weights()->Get(i);
    const char *label = text_of(weight.name());
    if (!in_range(weight.offset(), weight.size(), size))
      return damaged(name, "plan: weight %u '%.60s' lies outside the weights segment (offset %llu, size %llu, of %llu)",
                     i, label, (ULL)weight.offset(), (ULL)weight.size(), (ULL)size);
    size_t elements;
    if (weight.offset() % 64 != 0 || weight.size() == 0 || weight.rows() == 0 || weight.cols() == 0 ||
        !checked_mul(weight.rows(), weight.cols(), &elements))
      return damaged(name, "plan: weight %u '%.60s' (offset %llu, size %llu, %llu x %llu) is not possible", i, label,
                     (ULL)weight.offset(), (ULL)weight.size(), (ULL)weight.rows(), (ULL)weight.cols());
  }
  return {};
}

Status check_buffers(const plan::Program &program, const char *name) {
  for (uint32_t i = 0; i < count_of(program.buffers()); ++i) {
    const plan::Buffer &buffer = *program.buffers()->Get(i);
    const char *label = text_of(buffer.name());
    if (buffer.space() > plan::Space::MAX) return damaged(name, "plan: buffer %u '%.60s' is of no space", i, label);
    uint64_t arena =
        buffer.space() == plan::Space::body ? program.body_arena_bytes_per_row() : program.head_arena_bytes_per_row();
    if (arena > most_arena_bytes) return damaged(name, "plan: an arena of %llu bytes a row", (ULL)arena);
    if (buffer.bytes_per_row() == 0 || buffer.bytes_per_row() % 64 != 0 || buffer.offset_per_row() % 64 != 0 ||
        !in_range(buffer.offset_per_row(), buffer.bytes_per_row(), arena))
      return damaged(name, "plan: buffer %u '%.60s' lies outside its arena (offset %llu, size %llu, of %llu)", i, label,
                     (ULL)buffer.offset_per_row(), (ULL)buffer.bytes_per_row(), (ULL)arena);
  }
  return {};
}

Status check_caches(const plan::Plan &plan, const char *name) {
  if (count_of(plan.state_slots()) != 0)
    return Status::error(Code::unsupported, "artifact %.120s: it has recurrent state, which this runtime does not know",
                         name);
  if (count_of(plan.cache_groups()) > most_cache_groups)
    return damaged(name, "plan: %u cache groups", plan.cache_groups()->size());
  for (uint32_t i = 0; i < count_of(plan.cache_groups()); ++i) {
    const plan::CacheGroup &group = *plan.cache_groups()->Get(i);
    const char *label = text_of(group.name());
    if (group.type() > plan::DType::MAX) return damaged(name, "plan: cache group %u '%.60s' is of no type", i, label);
    size_t page = bytes_of(group.type()), dims;
    bool fits = checked_add(group.key_dim(), group.value_dim(), &dims) && checked_mul(page, dims, &page) &&
                checked_mul(page, group.layers(), &page) && checked_mul(page, group.kv_heads(), &page) &&
                checked_mul(page, group.page_tokens(), &page);
    if (!fits || page == 0 || group.page_bytes() < page || group.page_bytes() % 64 != 0 ||
        group.page_bytes() > most_arena_bytes)
      return damaged(name, "plan: cache group %u '%.60s': a page of %llu bytes for %u tokens", i, label,
                     (ULL)group.page_bytes(), group.page_tokens());
  }
  return {};
}

} // namespace

size_t bytes_of(plan::DType type) {
  switch (type) {
  case plan::DType::f32:
  case plan::DType::i32:
    return 4;
  case plan::DType::f16:
  case plan::DType::bf16:
    return 2;
  case plan::DType::i8:
    return 1;
  }
  return 0;
}

const plan::Program *find_program(const plan::Plan &plan, plan::Target target) {
  for (uint32_t i = 0; i < count_of(plan.programs()); ++i)
    if (plan.programs()->Get(i)->target() == target) return plan.programs()->Get(i);
  return nullptr;
}

Status check_plan(const Layout &layout, const char *name, const Allocator &allocator, const plan::Plan **checked) {
  flatbuffers::Verifier verifier(layout.plan.data(), layout.plan.size(), 16, 2000000);
  if (layout.plan.size() < 16 || !plan::VerifyPlanBuffer(verifier))
    return damaged(name, "plan: it is not a well-formed FlatBuffer");
  const plan::Plan *plan = plan::GetPlan(layout.plan.data());
  INGOT_TRY(check_facts(plan->facts(), name));
  INGOT_TRY(check_programs(*plan, layout, name));
  INGOT_TRY(check_weights(*plan, layout, name));
  INGOT_TRY(check_caches(*plan, name));
  for (const plan::Program *program : *plan->programs()) {
    INGOT_TRY(check_kernels(*program, layout, name));
    INGOT_TRY(check_buffers(*program, name));
    INGOT_TRY(check_steps(*plan, *program, name));
    INGOT_TRY(check_liveness(*program, name, allocator));
  }
  *checked = plan;
  return {};
}

} // namespace ingot
