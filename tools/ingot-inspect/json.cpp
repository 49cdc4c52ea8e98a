#include "tools/cli/json.h"
#include "tools/ingot-inspect/describe.h"

namespace ingot {
namespace {

void add_strings(Json *json, const char *key,
                 const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>> *strings) {
  json->begin_array(key);
  for (uint32_t i = 0; i < count_of(strings); ++i) json->text("", strings->Get(i)->c_str());
  json->end_array();
}

void add_facts(Json *json, const plan::Facts &facts) {
  json->begin_object("facts").text("name", text_of(facts.name())).text("compiler", text_of(facts.compiler()));
  json->integer("vocab_size", facts.vocab_size()).integer("hidden_size", facts.hidden_size());
  json->integer("layers", facts.layers()).integer("max_context", facts.max_context());
  json->integer("max_new_per_sequence", facts.max_new_per_sequence()).text("numerics", text_of(facts.numerics()));
  json->text("weight_format", text_of(facts.weight_format()));
  json->text("activation_format", text_of(facts.activation_format()));
  json->boolean("weights_left_out", facts.weights_left_out());
  add_strings(json, "relaxations", facts.relaxations());
  add_strings(json, "licences", facts.licences());
  if (const plan::TokenFacts *tokens = facts.tokens()) {
    json->integer("bos", tokens->bos()).integer("pad", tokens->pad()).boolean("add_bos", tokens->add_bos());
    json->begin_array("eos");
    for (uint32_t i = 0; i < count_of(tokens->eos()); ++i) json->integer("", tokens->eos()->Get(i));
    json->end_array();
  }
  json->end_object();
}

void add_segments(Json *json, const Layout &layout) {
  json->begin_array("segments");
  for (uint32_t i = 0; i < layout.header->segment_count; ++i) {
    const ingot_segment &segment = layout.segments[i];
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)segment.hash);
    json->begin_object().text("kind", segment_kind_name(segment.kind)).integer("tag", segment.tag);
    json->integer("offset", int64_t(segment.offset)).integer("size", int64_t(segment.size)).text("hash", hash);
    json->end_object();
  }
  json->end_array();
}

void add_variants(Json *json, const char *key, const plan::Program &program,
                  const flatbuffers::Vector<flatbuffers::Offset<plan::Variant>> *variants) {
  json->begin_array(key);
  for (uint32_t i = 0; i < count_of(variants); ++i) {
    const plan::Variant &variant = *variants->Get(i);
    json->begin_object().integer("max_rows", variant.max_rows());
    json->text("kernel", text_of(program.kernels()->Get(variant.kernel())->name()));
    json->text("grid", plan::EnumNameGrid(variant.grid())).integer("units", variant.units());
    json->integer("per", variant.per()).integer("streams", variant.streams()).end_object();
  }
  json->end_array();
}

void add_entry(Json *json, const plan::Program &program, const plan::Entry &entry, uint64_t arena) {
  json->begin_object(plan::EnumNameSpace(entry.space())).integer("arena_bytes_per_row", int64_t(arena));
  json->begin_array("steps");
  for (const plan::Step *step : *entry.steps()) {
    json->begin_object().text("name", text_of(step->name()));
    json->integer("weight_bytes", int64_t(step->weight_bytes())).integer("ops_per_row", int64_t(step->ops_per_row()));
    json->integer("prepared_bytes_per_row", int64_t(step->prepared_bytes_per_row()));
    json->integer("partial_bytes", int64_t(step->partial_bytes()));
    add_variants(json, "prepare", program, step->prepare());
    add_variants(json, "main", program, step->main());
    add_variants(json, "finish", program, step->finish());
    json->end_object();
  }
  json->end_array().end_object();
}

void add_kernels(Json *json, const plan::Program &program) {
  json->begin_array("kernels");
  for (const plan::Kernel *kernel : *program.kernels()) {
    json->begin_object()
        .text("name", text_of(kernel->name()))
        .integer("scratch_bytes", int64_t(kernel->scratch_bytes()));
    if (program.target() == plan::Target::cuda)
      json->integer("block_threads", kernel->block_threads())
          .integer("block_items", kernel->block_items())
          .integer("shared_bytes", kernel->shared_bytes());
    json->end_object();
  }
  json->end_array();
}

void add_program(Json *json, const Artifact &artifact, const plan::Program &program, const MemoryQuestion &question) {
  json->begin_object().text("target", plan::EnumNameTarget(program.target()));
  json->begin_array("code");
  for (const plan::Code *code : *program.code())
    json->begin_object().integer("segment", code->segment()).integer("level", code->level()).end_object();
  json->end_array();
  MemoryAnswer memory = memory_needed(artifact, program, question);
  json->begin_object("memory").integer("sequences", question.sequences).integer("tokens", question.tokens);
  json->integer("weights", int64_t(memory.weights)).integer("kv", int64_t(memory.kv));
  json->integer("activations", int64_t(memory.activations)).integer("logits", int64_t(memory.logits)).end_object();
  add_kernels(json, program);
  add_entry(json, program, *program.body(), program.body_arena_bytes_per_row());
  add_entry(json, program, *program.head(), program.head_arena_bytes_per_row());
  json->end_object();
}

} // namespace

std::string describe_json(const Artifact &artifact, const MemoryQuestion &question) {
  const plan::Plan &plan = artifact.plan();
  Json json;
  json.begin_object().integer("format", artifact.layout().header->format_version);
  json.integer("abi", artifact.layout().header->abi_version);
  json.integer("file_size", int64_t(artifact.layout().file.size()));
  add_facts(&json, artifact.facts());
  add_segments(&json, artifact.layout());
  json.begin_array("cache_groups");
  for (uint32_t g = 0; g < count_of(plan.cache_groups()); ++g) {
    const plan::CacheGroup &group = *plan.cache_groups()->Get(g);
    json.begin_object().text("name", text_of(group.name())).integer("layers", group.layers());
    json.integer("kv_heads", group.kv_heads()).integer("key_dim", group.key_dim());
    json.integer("value_dim", group.value_dim()).text("type", plan::EnumNameDType(group.type()));
    json.integer("window", group.window()).integer("page_tokens", group.page_tokens());
    json.integer("page_bytes", int64_t(group.page_bytes())).end_object();
  }
  json.end_array();
  json.begin_array("programs");
  for (const plan::Program *program : *plan.programs()) add_program(&json, artifact, *program, question);
  json.end_array().end_object();
  return json.str();
}

} // namespace ingot
