// ingot.h: text. What is variable in length is written into the caller's memory, or kept by the detokenizer.
#include "runtime/session/c_api.h"

#include <algorithm>
#include <ctime>
#include <new>

using namespace ingot;

struct ingot_detokenizer {
  Detokenizer words;
  std::string text;
};

static Status need_tokenizer(const ingot_model *model) {
  if (model->has_tokenizer) return {};
  return Status::error(Code::bad_input, "artifact %.120s has no tokenizer", model->artifact.name());
}

extern "C" {

ingot_code ingot_encode(const ingot_model *model, const char *text, size_t length, int add_special, int allow_special,
                        int32_t *ids, size_t capacity, size_t *count) {
  *count = 0;
  Status status = need_tokenizer(model);
  std::vector<int32_t> tokens;
  EncodeOptions options = {.add_special = add_special != 0, .allow_special = allow_special != 0};
  if (status.ok()) status = model->tokenizer.encode({text, length}, options, &tokens);
  if (!status.ok()) return answer(status);
  *count = tokens.size();
  std::copy_n(tokens.data(), std::min(capacity, tokens.size()), ids);
  return INGOT_OK;
}

static Status render(const ingot_model *model, std::span<const ingot_chat_message> messages, bool add_prompt,
                     std::string *prompt) {
  INGOT_TRY(need_tokenizer(model));
  if (!model->has_chat)
    return Status::error(Code::bad_input, "artifact %.120s has no chat template", model->artifact.name());
  std::vector<ChatMessage> views;
  for (const ingot_chat_message &message : messages) views.push_back({message.role, message.content});
  std::string bos, eos;
  if (const plan::TokenFacts *tokens = model->artifact.facts().tokens()) {
    if (tokens->bos() >= 0) bos = model->tokenizer.token_bytes(tokens->bos());
    if (count_of(tokens->eos()) > 0) eos = model->tokenizer.token_bytes(tokens->eos()->Get(0));
  }
  time_t now = time(nullptr);
  tm local = {};
  localtime_r(&now, &local);
  ChatDate today = {local.tm_year + 1900, local.tm_mon + 1, local.tm_mday};
  ChatInput input = {views, add_prompt, bos, eos, &today};
  return model->chat.render(input, prompt);
}

ingot_code ingot_chat_render(const ingot_model *model, const ingot_chat_message *messages, size_t count,
                             int add_generation_prompt, char *text, size_t capacity, size_t *length) {
  *length = 0;
  std::string prompt;
  Status status = render(model, {messages, count}, add_generation_prompt != 0, &prompt);
  if (!status.ok()) return answer(status);
  *length = prompt.size();
  std::copy_n(prompt.data(), std::min(capacity, prompt.size()), text);
  return INGOT_OK;
}

ingot_code ingot_detokenizer_open(const ingot_model *model, int skip_special, int at_start, ingot_detokenizer **out) {
  *out = nullptr;
  Status status = need_tokenizer(model);
  if (!status.ok()) return answer(status);
  DetokenizeOptions options = {.skip_special = skip_special != 0, .at_start = at_start != 0};
  *out = new (std::nothrow) ingot_detokenizer{Detokenizer(model->tokenizer, options), {}};
  return *out ? INGOT_OK : answer(Status::error(Code::no_memory, "no memory for a detokenizer"));
}

void ingot_detokenizer_close(ingot_detokenizer *detokenizer) { delete detokenizer; }

ingot_code ingot_detokenizer_add(ingot_detokenizer *detokenizer, int32_t token, const char **text, size_t *length) {
  detokenizer->text.clear();
  detokenizer->words.add(token, &detokenizer->text);
  *text = detokenizer->text.data();
  *length = detokenizer->text.size();
  return INGOT_OK;
}

ingot_code ingot_detokenizer_flush(ingot_detokenizer *detokenizer, const char **text, size_t *length) {
  detokenizer->text.clear();
  detokenizer->words.flush(&detokenizer->text);
  *text = detokenizer->text.data();
  *length = detokenizer->text.size();
  return INGOT_OK;
}

} // extern "C"
