#include "test/unit/artifact/forge.h"
#include "test/unit/artifact/kernels.h"

#include <cstring>

namespace ingot::test {

std::vector<uint8_t> pack(const plan::PlanT &plan) {
  flatbuffers::FlatBufferBuilder builder;
  plan::FinishPlanBuffer(builder, plan::Plan::Pack(builder, &plan));
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

std::vector<uint8_t> forge(const std::vector<uint8_t> &plan, const std::vector<Segment> &segments) {
  std::vector<uint8_t> file(sizeof(ingot_header) + segments.size() * sizeof(ingot_segment));
  ingot_header header = {};
  memcpy(header.magic, INGOT_MAGIC, sizeof header.magic);
  header.format_version = INGOT_FORMAT_VERSION;
  header.abi_version = INGOT_ABI_VERSION;
  header.segment_count = uint32_t(segments.size());
  header.plan_offset = file.size();
  header.plan_size = plan.size();
  file.insert(file.end(), plan.begin(), plan.end());
  for (size_t i = 0; i < segments.size(); ++i) {
    file.resize(align_up(file.size(), INGOT_SEGMENT_ALIGNMENT));
    ingot_segment record = {segments[i].kind, segments[i].tag, file.size(), segments[i].bytes.size(), 0};
    memcpy(file.data() + sizeof header + i * sizeof record, &record, sizeof record);
    file.insert(file.end(), segments[i].bytes.begin(), segments[i].bytes.end());
  }
  header.file_size = file.size();
  memcpy(file.data(), &header, sizeof header);
  reseal(file);
  return file;
}

void reseal(std::vector<uint8_t> &file) {
  ingot_header header;
  memcpy(&header, file.data(), sizeof header);
  Bytes bytes(file);
  for (uint32_t i = 0; i < header.segment_count && i < 64; ++i) {
    size_t at = sizeof header + i * sizeof(ingot_segment);
    if (!in_range(at, sizeof(ingot_segment), file.size())) return;
    ingot_segment record;
    memcpy(&record, file.data() + at, sizeof record);
    if (in_range(record.offset, record.size, file.size()))
      record.hash = hash_of(bytes.subspan(record.offset, record.size));
    memcpy(file.data() + at, &record, sizeof record);
  }
  size_t records = header.segment_count * sizeof(ingot_segment);
  if (in_range(sizeof header, records, file.size())) header.table_hash = hash_of(bytes.subspan(sizeof header, records));
  if (in_range(header.plan_offset, header.plan_size, file.size()))
    header.plan_hash = hash_of(bytes.subspan(header.plan_offset, header.plan_size));
  memcpy(file.data(), &header, sizeof header);
  header.header_hash = hash_of(bytes.first(offsetof(ingot_header, header_hash)));
  memcpy(file.data(), &header, sizeof header);
}

namespace {

using plan::BindingKind;

std::unique_ptr<plan::BindingT> bind(BindingKind kind, uint32_t index, uint64_t value = 0) {
  auto binding = std::make_unique<plan::BindingT>();
  binding->kind = kind;
  binding->index = index;
  binding->value = value;
  return binding;
}

std::unique_ptr<plan::VariantT> variant(uint32_t max_rows, ToyKernel kernel, uint32_t units, uint32_t per,
                                        uint8_t streams = 0, plan::Grid grid = plan::Grid::rows) {
  auto made = std::make_unique<plan::VariantT>();
  made->max_rows = max_rows;
  made->kernel = uint32_t(kernel);
  made->grid = grid;
  made->units = units;
  made->per = per;
  made->streams = streams;
  return made;
}

std::unique_ptr<plan::StepT> step(const char *name) {
  auto made = std::make_unique<plan::StepT>();
  made->name = name;
  return made;
}

std::unique_ptr<plan::BufferT> buffer(const char *name, uint64_t offset) {
  auto made = std::make_unique<plan::BufferT>();
  made->name = name;
  made->bytes_per_row = 64;
  made->offset_per_row = offset;
  return made;
}

std::unique_ptr<plan::WeightT> weight(const char *name, uint64_t offset, uint64_t rows) {
  auto made = std::make_unique<plan::WeightT>();
  made->name = name;
  made->layout = "f32";
  made->offset = offset;
  made->rows = rows;
  made->cols = toy_hidden;
  made->size = rows * toy_hidden * 4;
  return made;
}

std::unique_ptr<plan::FactsT> toy_facts(const ToyOptions &options) {
  auto facts = std::make_unique<plan::FactsT>();
  facts->name = "toy";
  facts->compiler = "forge";
  facts->vocab_size = toy_vocab;
  facts->hidden_size = toy_hidden;
  facts->layers = toy_layers;
  facts->max_context = options.max_context;
  facts->numerics = "exact";
  facts->weight_format = "f32";
  facts->activation_format = "f32";
  facts->licences = {"Apache-2.0"};
  facts->tokens = std::make_unique<plan::TokenFactsT>();
  facts->tokens->bos = 1;
  facts->tokens->eos = {2, 3};
  facts->sampling = std::make_unique<plan::SamplingFactsT>();
  return facts;
}

std::unique_ptr<plan::EntryT> toy_body(const ToyOptions &options) {
  auto body = std::make_unique<plan::EntryT>();
  auto embed = step("embed");
  embed->bindings.push_back(bind(BindingKind::buffer, 0));
  embed->bindings.push_back(bind(BindingKind::weight, 0));
  embed->main.push_back(variant(UINT32_MAX, ToyKernel::embed, 1, 4));
  body->steps.push_back(std::move(embed));
  for (uint32_t layer = 0; layer < toy_layers; ++layer) {
    auto linear = step("linear");
    linear->bindings.push_back(bind(BindingKind::buffer, 0));
    linear->bindings.push_back(bind(BindingKind::buffer, 1));
    linear->bindings.push_back(bind(BindingKind::prepared, 0));
    linear->bindings.push_back(bind(BindingKind::weight, 1 + layer));
    linear->prepare.push_back(variant(UINT32_MAX, ToyKernel::prepare, 1, 2));
    linear->prepared_bytes_per_row = 64;
    linear->prepare_private_rows = options.private_rows;
    linear->main.push_back(variant(1, ToyKernel::linear, 4, 1));
    linear->main.push_back(variant(UINT32_MAX, ToyKernel::linear, 4, 8, 1));
    linear->main.push_back(variant(UINT32_MAX, ToyKernel::linear, 4, 8, 4));
    body->steps.push_back(std::move(linear));
    auto append = step("append");
    append->bindings.push_back(bind(BindingKind::buffer, 1));
    append->bindings.push_back(bind(BindingKind::immediate, 0, layer));
    append->bindings.push_back(bind(BindingKind::immediate, 0, options.page_tokens));
    append->main.push_back(variant(UINT32_MAX, ToyKernel::append, 1, 4));
    body->steps.push_back(std::move(append));
    auto attend = step("attend");
    attend->bindings.push_back(bind(BindingKind::buffer, 1));
    attend->bindings.push_back(bind(BindingKind::buffer, 0));
    attend->bindings.push_back(bind(BindingKind::immediate, 0, layer));
    attend->bindings.push_back(bind(BindingKind::immediate, 0, options.page_tokens));
    attend->bindings.push_back(bind(BindingKind::immediate, 0, options.window));
    attend->main.push_back(variant(UINT32_MAX, ToyKernel::attend, 1, 1, 0, plan::Grid::q_tiles));
    body->steps.push_back(std::move(attend));
  }
  return body;
}

std::unique_ptr<plan::EntryT> toy_head() {
  auto head = std::make_unique<plan::EntryT>();
  head->space = plan::Space::head;
  auto logits = step("logits");
  logits->bindings.push_back(bind(BindingKind::logits, 0));
  logits->bindings.push_back(bind(BindingKind::buffer, 0));
  logits->bindings.push_back(bind(BindingKind::weight, 0));
  logits->main.push_back(variant(UINT32_MAX, ToyKernel::logits, 5, 4));
  head->steps.push_back(std::move(logits));
  return head;
}

std::unique_ptr<plan::ProgramT> toy_program(const ToyOptions &options) {
  auto program = std::make_unique<plan::ProgramT>();
  for (uint32_t level = 3; level <= (options.v4 ? 4u : 3u); ++level) {
    auto code = std::make_unique<plan::CodeT>();
    code->segment = level - 2;
    code->level = level;
    program->code.push_back(std::move(code));
  }
  for (uint32_t k = 0; k < toy_kernels; ++k) {
    auto kernel = std::make_unique<plan::KernelT>();
    kernel->name = toy_kernel_names[k];
    kernel->scratch_bytes = 100;
    for (uint32_t c = 0; c < program->code.size(); ++c) kernel->address.push_back(plan::CodeAddress(c, 0, k * 16));
    program->kernels.push_back(std::move(kernel));
  }
  program->buffers.push_back(buffer("x", 0));
  program->buffers.push_back(buffer("y", 64));
  program->body_arena_bytes_per_row = 128;
  program->q_tile_rows = 3;
  program->body = toy_body(options);
  program->head = toy_head();
  return program;
}

// The same steps for CUDA; the second attend leaves partial results to a grid after it.
std::unique_ptr<plan::ProgramT> toy_cuda_program(const ToyOptions &options) {
  std::unique_ptr<plan::ProgramT> program = toy_program(options);
  program->target = plan::Target::cuda;
  program->code.clear();
  for (uint32_t level : {80u, 90u}) {
    auto code = std::make_unique<plan::CodeT>();
    code->segment = (options.v4 ? 3 : 2) + (level == 90);
    code->level = level;
    program->code.push_back(std::move(code));
  }
  for (auto &kernel : program->kernels) {
    kernel->address.clear();
    kernel->block_threads = 128;
    kernel->block_items = 4;
    kernel->shared_bytes = 1024;
  }
  plan::StepT &attend = *program->body->steps.back();
  attend.bindings.push_back(bind(BindingKind::prepared, 0));
  attend.partial_bytes = 64;
  attend.finish.push_back(variant(UINT32_MAX, ToyKernel::attend, 1, 1));
  return program;
}

} // namespace

plan::PlanT toy_plan(const ToyOptions &options) {
  plan::PlanT plan;
  plan.facts = toy_facts(options);
  plan.weights_segment = 0;
  plan.weights.push_back(weight("embed", 0, toy_vocab));
  for (uint32_t layer = 0; layer < toy_layers; ++layer)
    plan.weights.push_back(weight("linear", toy_vocab * 64 + layer * toy_hidden * 64, toy_hidden));
  auto group = std::make_unique<plan::CacheGroupT>();
  group->name = "g0";
  group->layers = toy_layers;
  group->kv_heads = 1;
  group->key_dim = group->value_dim = toy_hidden / 2;
  group->window = options.window;
  group->page_tokens = options.page_tokens;
  group->page_bytes = toy_layers * options.page_tokens * 64;
  plan.cache_groups.push_back(std::move(group));
  plan.programs.push_back(toy_program(options));
  if (options.cuda) plan.programs.push_back(toy_cuda_program(options));
  return plan;
}

plan::ProgramT &program_of(plan::PlanT &plan) { return *plan.programs[0]; }

// Weights are small and differ in every place; the code answers 0 and does nothing.
std::vector<Segment> toy_segments(const ToyOptions &options) {
  std::vector<float> weights((toy_vocab + toy_layers * toy_hidden) * toy_hidden);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = float(int((i * 7919) % 101) - 50) / 128.0f;
  std::vector<uint8_t> bytes(weights.size() * 4), code(16 * toy_kernels);
  memcpy(bytes.data(), weights.data(), bytes.size());
  const uint8_t answer_0[] = {0x31, 0xc0, 0xc3}; // xor eax, eax; ret
  for (uint32_t k = 0; k < toy_kernels; ++k) memcpy(code.data() + 16 * k, answer_0, sizeof answer_0);
  std::vector<Segment> segments = {{INGOT_SEGMENT_WEIGHTS, 0, bytes}, {INGOT_SEGMENT_CODE_CPU, 3, code}};
  if (options.v4) segments.push_back({INGOT_SEGMENT_CODE_CPU, 4, code});
  if (options.cuda) {
    segments.push_back({INGOT_SEGMENT_PTX, 80, {'/', '/'}});
    segments.push_back({INGOT_SEGMENT_CUBIN, 90, {0x7f, 'E', 'L', 'F'}});
  }
  return segments;
}

std::vector<uint8_t> toy_file(const ToyOptions &options) {
  return forge(pack(toy_plan(options)), toy_segments(options));
}

Status open_toy(const std::vector<uint8_t> &file, Artifact *artifact, const ArtifactOptions &options) {
  INGOT_TRY(Artifact::open_bytes(file, "toy", options, artifact));
  for (uint32_t k = 0; k < toy_kernels && artifact->program(plan::Target::cpu) &&
                       k < artifact->program(plan::Target::cpu)->kernels()->size();
       ++k)
    artifact->replace_kernel(k, toy_kernel_functions[k]);
  return {};
}

} // namespace ingot::test
