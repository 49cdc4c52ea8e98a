// ingot.h: model, session, steps.
#include "runtime/session/c_api.h"

#include <cstdlib>
#include <cstring>
#include <new>

using namespace ingot;

static_assert(int(Code::bad_input) == INGOT_BAD_INPUT && int(Code::usage) == INGOT_USAGE);
static_assert(int(Code::internal) == INGOT_INTERNAL && int(Code::no_memory) == INGOT_NO_MEMORY);
static_assert(int(Code::io) == INGOT_IO && int(Code::unsupported) == INGOT_UNSUPPORTED);
static_assert(int(Code::device_lost) == INGOT_DEVICE_LOST);
static_assert(int(Code::cancelled) == INGOT_CANCELLED && int(Code::context_full) == INGOT_CONTEXT_FULL);

static thread_local Status last_error;

ingot_code ingot::answer(const Status &status) {
  if (!status.ok()) last_error = status;
  return ingot_code(status.code());
}

static Status no_memory(const char *what) { return Status::error(Code::no_memory, "no memory for %s", what); }

extern "C" {

const char *ingot_error_message(void) { return last_error.message(); }
const char *ingot_version(void) { return INGOT_VERSION; }

static Status open_model(const char *path, ingot_model *model) {
  INGOT_TRY(Artifact::open(path, {.cpu_level = getenv("INGOT_CPU")}, &model->artifact));
  model->has_tokenizer = !model->artifact.tokenizer().empty();
  model->has_chat = !model->artifact.chat_template().empty();
  if (model->has_tokenizer) INGOT_TRY(model->tokenizer.load(model->artifact.tokenizer()));
  return model->has_chat ? model->chat.load(model->artifact.chat_template()) : Status();
}

ingot_code ingot_model_open(const char *path, ingot_model **out) {
  *out = nullptr;
  auto model = new (std::nothrow) ingot_model;
  Status status = model ? open_model(path, model) : no_memory("a model");
  if (status.ok())
    *out = model;
  else
    delete model;
  return answer(status);
}

void ingot_model_close(ingot_model *model) { delete model; }

void ingot_model_facts(const ingot_model *model, ingot_facts *facts) {
  const plan::Facts &plan = model->artifact.facts();
  const plan::TokenFacts *tokens = plan.tokens();
  *facts = {};
  facts->name = plan.name()->c_str();
  facts->weight_format = plan.weight_format()->c_str();
  facts->activation_format = plan.activation_format()->c_str();
  facts->vocab_size = plan.vocab_size();
  facts->layers = plan.layers();
  facts->max_context = plan.max_context();
  facts->max_new_per_sequence = plan.max_new_per_sequence();
  facts->bos = tokens ? tokens->bos() : -1;
  facts->eos = tokens && tokens->eos() ? tokens->eos()->data() : nullptr;
  facts->eos_count = tokens ? count_of(tokens->eos()) : 0;
  facts->cpu_level = model->artifact.cpu_level();
  facts->has_cpu = model->artifact.program(plan::Target::cpu) != nullptr;
  facts->has_cuda = model->artifact.program(plan::Target::cuda) != nullptr;
  facts->has_tokenizer = model->has_tokenizer;
  facts->has_chat_template = model->has_chat;
}

ingot_code ingot_model_verify(const ingot_model *model) { return answer(model->artifact.verify()); }

void ingot_session_options_init(ingot_session_options *options) {
  SessionOptions defaults;
  *options = {};
  options->size = sizeof *options;
  options->max_sequences = defaults.max_sequences;
  options->max_rows = defaults.max_rows;
  options->pad_rows = defaults.pad_rows;
  options->watchdog_seconds = defaults.watchdog_seconds;
}

// ingot_session_options' way of saying it, as UploadProgress has it.
static void report_upload(void *self, uint64_t done, uint64_t total) {
  auto options = static_cast<const ingot_session_options *>(self);
  options->upload_progress(options->upload_user, done, total);
}

static Status open_session(const ingot_model *model, const ingot_session_options *options, ingot_session *session) {
  if (options->size != sizeof *options)
    return Status::error(Code::usage, "ingot_session_options.size is %zu, not %zu: call ingot_session_options_init()",
                         options->size, sizeof *options);
  DeviceChoice device;
  INGOT_TRY(parse_device(options->device, &device));
  UploadProgress progress;
  if (options->upload_progress) progress = {report_upload, const_cast<ingot_session_options *>(options)};
  INGOT_TRY(session->session.open(model->artifact, {.device = device,
                                                    .threads = options->threads,
                                                    .kv_bytes = options->kv_bytes,
                                                    .max_sequences = options->max_sequences,
                                                    .max_context = options->max_context,
                                                    .max_rows = options->max_rows,
                                                    .max_logits = options->max_logits,
                                                    .pad_rows = options->pad_rows,
                                                    .watchdog_seconds = options->watchdog_seconds,
                                                    .progress = progress}));
  return session->chooser.open(model->artifact.facts());
}

ingot_code ingot_session_open(const ingot_model *model, const ingot_session_options *options, ingot_session **out) {
  ingot_session_options defaults;
  ingot_session_options_init(&defaults);
  *out = nullptr;
  auto session = new (std::nothrow) ingot_session;
  Status status = session ? open_session(model, options ? options : &defaults, session) : no_memory("a session");
  if (status.ok())
    *out = session;
  else
    delete session;
  return answer(status);
}

void ingot_session_close(ingot_session *session) { delete session; }

ingot_code ingot_sequence_create(ingot_session *session, ingot_sequence *out) {
  return answer(session->session.create(out));
}

ingot_code ingot_sequence_fork(ingot_session *session, ingot_sequence sequence, ingot_sequence *out) {
  return answer(session->session.fork(sequence, out));
}

ingot_code ingot_sequence_truncate(ingot_session *session, ingot_sequence sequence, uint32_t length) {
  return answer(session->session.truncate(sequence, length));
}

ingot_code ingot_sequence_length(const ingot_session *session, ingot_sequence sequence, uint32_t *length) {
  return answer(session->session.length(sequence, length));
}

ingot_code ingot_sequence_free(ingot_session *session, ingot_sequence sequence) {
  return answer(session->session.destroy(sequence));
}

ingot_code ingot_append(ingot_session *session, ingot_sequence sequence, const int32_t *tokens, size_t count,
                        int rows) {
  if (rows < INGOT_LOGITS_NONE || rows > INGOT_LOGITS_ALL)
    return answer(Status::error(Code::usage, "%d is no kind of logits rows", rows));
  return answer(session->session.append(sequence, tokens, count, LogitRows(rows)));
}

uint32_t ingot_room(const ingot_session *session) { return session->session.room(); }
ingot_code ingot_step(ingot_session *session) { return answer(session->session.step()); }
void ingot_cancel(ingot_session *session) { session->session.cancel(); }
uint32_t ingot_logits_count(const ingot_session *session) { return session->session.logit_count(); }

ingot_code ingot_logits(ingot_session *session, uint32_t index, const float **row) {
  return answer(session->session.logits(index, row));
}

void ingot_sampling_init(const ingot_model *model, ingot_sampling *sampling) {
  SamplerOptions defaults = default_sampling(model->artifact.facts());
  *sampling = {sizeof *sampling, defaults.temperature,        defaults.top_k, defaults.top_p,
               defaults.min_p,   defaults.repetition_penalty, defaults.seed};
}

static Status sample_row(ingot_session *session, uint32_t index, const ingot_sampling *sampling,
                         std::span<const int32_t> recent, uint64_t stream, uint64_t place, int32_t *token) {
  if (sampling->size != sizeof *sampling)
    return Status::error(Code::usage, "ingot_sampling.size is %zu, not %zu: call ingot_sampling_init()", sampling->size,
                         sizeof *sampling);
  SamplerOptions options = {.temperature = sampling->temperature,
                            .top_k = sampling->top_k,
                            .top_p = sampling->top_p,
                            .min_p = sampling->min_p,
                            .repetition_penalty = sampling->repetition_penalty,
                            .seed = sampling->seed};
  return session->chooser.choose(session->session, index, options, recent, stream, place, token);
}

ingot_code ingot_sample(ingot_session *session, uint32_t index, const ingot_sampling *sampling, const int32_t *recent,
                        size_t recent_count, uint64_t stream, uint64_t place, int32_t *token) {
  return answer(sample_row(session, index, sampling, {recent, recent_count}, stream, place, token));
}

ingot_code ingot_session_stats(const ingot_session *session, ingot_stats *stats) {
  if (stats->size != sizeof *stats)
    return answer(Status::error(Code::usage, "ingot_stats.size is %zu, not %zu", stats->size, sizeof *stats));
  SessionStats now = session->session.stats();
  DeviceFacts device = session->session.device_facts();
  *stats = {sizeof *stats, now.steps,           now.tokens,          now.logit_rows,
            now.body_ns,   now.head_ns,         now.kv_used_bytes,   now.kv_capacity_bytes,
            device.name,   device.memory_bytes, device.weight_bytes, device.host_ns};
  return INGOT_OK;
}

} // extern "C"
