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

Status check_code(const plan::Plan &plan, const Layout &layout, const char *name) {
  uint32_t in_table = 0;
  for (uint32_t i = 0; i < layout.header->segment_count; ++i)
    in_table += layout.segments[i].kind == INGOT_SEGMENT_CODE_CPU;
  if (count_of(plan.code()) != in_table || in_table == 0)
    return damaged(name, "plan: %u code entries for %u code segments", count_of(plan.code()), in_table);
  for (uint32_t i = 0; i < plan.code()->size(); ++i) {
    const plan::Code &code = *plan.code()->Get(i);
    if (code.segment() >= layout.header->segment_count ||
        layout.segments[code.segment()].kind != INGOT_SEGMENT_CODE_CPU)
      return damaged(name, "plan: code %u names segment %u, which is not CPU code", i, code.segment());
    if ((code.level() != 3 && code.level() != 4) || layout.segments[code.segment()].tag != code.level())
      return damaged(name, "plan: code %u is of level %u", i, code.level());
    for (uint32_t j = 0; j < i; ++j)
      if (plan.code()->Get(j)->segment() == code.segment())
        return damaged(name, "plan: code %u and %u share a segment", j, i);
  }
  return {};
}

Status check_kernels(const plan::Plan &plan, const Layout &layout, const char *name) {
  if (count_of(plan.kernels()) == 0) return damaged(name, "plan: no kernels");
  for (uint32_t i = 0; i < plan.kernels()->size(); ++i) {
    const plan::Kernel &kernel = *plan.kernels()->Get(i);
    const char *label = text_of(kernel.name());
    if (count_of(kernel.address()) != plan.code()->size())
      return damaged(name, "plan: kernel %u '%.60s' has %u addresses for %u code segments", i, label,
                     count_of(kernel.address()), plan.code()->size());
    for (uint32_t j = 0; j < kernel.address()->size(); ++j) {
      const plan::CodeAddress &address = *kernel.address()->Get(j);
      const ingot_segment &segment = layout.segments[plan.code()->Get(j)->segment()];
      if (address.code() != j || address.reserved() != 0 || address.offset() >= segment.size ||
          address.offset() % 16 != 0)
        return damaged(name, "plan: kernel %u '%.60s': address %llu in code %u (size %llu)", i, label,
                       (ULL)address.offset(), address.code(), (ULL)segment.size);
    }
    if (kernel.scratch_bytes() > most_scratch_bytes)
      return damaged(name, "plan: kernel %u '%.60s' wants %llu bytes of scratch", i, label,
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

Status check_buffers(const plan::Plan &plan, const char *name) {
  for (uint32_t i = 0; i < count_of(plan.buffers()); ++i) {
    const plan::Buffer &buffer = *plan.buffers()->Get(i);
    const char *label = text_of(buffer.name());
    if (buffer.space() > plan::Space::MAX) return damaged(name, "plan: buffer %u '%.60s' is of no space", i, label);
    uint64_t arena =
        buffer.space() == plan::Space::body ? plan.body_arena_bytes_per_row() : plan.head_arena_bytes_per_row();
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

Status check_plan(const Layout &layout, const char *name, const Allocator &allocator, const plan::Plan **checked) {
  flatbuffers::Verifier verifier(layout.plan.data(), layout.plan.size(), 16, 2000000);
  if (layout.plan.size() < 16 || !plan::VerifyPlanBuffer(verifier))
    return damaged(name, "plan: it is not a well-formed FlatBuffer");
  const plan::Plan *plan = plan::GetPlan(layout.plan.data());
  INGOT_TRY(check_facts(plan->facts(), name));
  INGOT_TRY(check_code(*plan, layout, name));
  INGOT_TRY(check_kernels(*plan, layout, name));
  INGOT_TRY(check_weights(*plan, layout, name));
  INGOT_TRY(check_buffers(*plan, name));
  INGOT_TRY(check_caches(*plan, name));
  INGOT_TRY(check_steps(*plan, name));
  INGOT_TRY(check_liveness(*plan, name, allocator));
  *checked = plan;
  return {};
}

} // namespace ingot
