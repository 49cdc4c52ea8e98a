#include "tools/cli/size.h"
#include "tools/ingot-inspect/describe.h"

#include <cstdarg>
#include <cstdio>

namespace ingot {
namespace {

void add(std::string *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void add(std::string *out, const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  *out += line;
}

void add_facts(std::string *out, const Artifact &artifact) {
  const plan::Facts &facts = artifact.facts();
  add(out, "model       %s\n", text_of(facts.name()));
  add(out, "compiler    %s\n", text_of(facts.compiler()));
  add(out, "shape       vocabulary %u, hidden %u, layers %u, context %u\n", facts.vocab_size(), facts.hidden_size(),
      facts.layers(), facts.max_context());
  add(out, "numerics    %s; weights %s, activations %s\n", text_of(facts.numerics()), text_of(facts.weight_format()),
      text_of(facts.activation_format()));
  if (facts.weights_left_out()) add(out, "weights     left out (ingotc --no-weights): it cannot run\n");
  if (facts.max_new_per_sequence())
    add(out, "steps       at most %u new tokens of a sequence\n", facts.max_new_per_sequence());
  for (uint32_t i = 0; i < count_of(facts.relaxations()); ++i)
    add(out, "relaxation  %s\n", facts.relaxations()->Get(i)->c_str());
  if (const plan::TokenFacts *tokens = facts.tokens()) {
    add(out, "tokens      bos %d, eos", tokens->bos());
    for (uint32_t i = 0; i < count_of(tokens->eos()); ++i) add(out, "%s %d", i ? "," : "", tokens->eos()->Get(i));
    add(out, "%s\n", tokens->add_bos() ? ", prompts start with bos" : "");
  }
  for (uint32_t i = 0; i < count_of(facts.licences()); ++i)
    add(out, "licence     %s\n", facts.licences()->Get(i)->c_str());
}

void add_segments(std::string *out, const Artifact &artifact) {
  const Layout &layout = artifact.layout();
  add(out, "file        %s; format %u, ABI %u\n", format_size(layout.file.size()).c_str(),
      layout.header->format_version, layout.header->abi_version);
  add(out, "  plan           %12zu bytes\n", layout.plan.size());
  for (uint32_t i = 0; i < layout.header->segment_count; ++i) {
    const ingot_segment &segment = layout.segments[i];
    std::string tag =
        segment.tag == 0 ? "" : (segment.kind == INGOT_SEGMENT_CODE_CPU ? " v" : " sm_") + std::to_string(segment.tag);
    add(out, "  %-14s %12llu bytes at %llu, hash %016llx\n", (segment_kind_name(segment.kind) + tag).c_str(),
        (unsigned long long)segment.size, (unsigned long long)segment.offset, (unsigned long long)segment.hash);
  }
}

void add_entry(std::string *out, const plan::Program &program, const plan::Entry &entry, uint64_t arena) {
  uint64_t bytes = 0, ops = 0;
  for (const plan::Step *step : *entry.steps()) bytes += step->weight_bytes(), ops += step->ops_per_row();
  add(out, "%-11s %u steps; floor: %s of weights a step, %.3f M multiply-adds a row; %s of activations a row\n",
      plan::EnumNameSpace(entry.space()), entry.steps()->size(), format_size(bytes).c_str(), double(ops) / 1e6,
      format_size(arena).c_str());
  for (const plan::Step *step : *entry.steps()) {
    const plan::Variant &last = *step->main()->Get(step->main()->size() - 1);
    add(out, "  %-28s %10llu weight bytes %10llu madd/row  %u slots%s%s  %u variants, last: %s\n",
        text_of(step->name()), (unsigned long long)step->weight_bytes(), (unsigned long long)step->ops_per_row(),
        count_of(step->bindings()), count_of(step->prepare()) ? ", prepare" : "",
        count_of(step->finish()) ? ", finish" : "", step->main()->size(),
        text_of(program.kernels()->Get(last.kernel())->name()));
  }
}

void add_program(std::string *out, const Artifact &artifact, const plan::Program &program,
                 const MemoryQuestion &question) {
  MemoryAnswer memory = memory_needed(artifact, program, question);
  add(out, "\nprogram     %s, %u kernels\n", plan::EnumNameTarget(program.target()), program.kernels()->size());
  add(out, "memory      %u sequence(s) x %u tokens: weights %s%s, KV cache %s, activations %s, logits %s\n",
      question.sequences, question.tokens ? question.tokens : artifact.facts().max_context(),
      format_size(memory.weights).c_str(), program.target() == plan::Target::cpu ? " (mapped)" : "",
      format_size(memory.kv).c_str(), format_size(memory.activations).c_str(), format_size(memory.logits).c_str());
  add_entry(out, program, *program.body(), program.body_arena_bytes_per_row());
  add_entry(out, program, *program.head(), program.head_arena_bytes_per_row());
}

} // namespace

std::string describe_text(const Artifact &artifact, const MemoryQuestion &question) {
  const plan::Plan &plan = artifact.plan();
  std::string out;
  add_facts(&out, artifact);
  add_segments(&out, artifact);
  for (uint32_t g = 0; g < count_of(plan.cache_groups()); ++g) {
    const plan::CacheGroup &group = *plan.cache_groups()->Get(g);
    add(&out, "cache       %s: %u layers, %u heads x (%u + %u) %s, window %u, pages of %u tokens (%llu bytes)\n",
        text_of(group.name()), group.layers(), group.kv_heads(), group.key_dim(), group.value_dim(),
        plan::EnumNameDType(group.type()), group.window(), group.page_tokens(), (unsigned long long)group.page_bytes());
  }
  for (const plan::Program *program : *plan.programs()) add_program(&out, artifact, *program, question);
  return out;
}

} // namespace ingot
