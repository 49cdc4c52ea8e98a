#include "tools/ingot-run/conversation.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <unistd.h>

namespace ingot {

Conversation::Conversation(Generator &generator, const Tokenizer &tokenizer, const ChatTemplate &chat,
                           const RunOptions &options, const plan::Facts &facts)
    : generator_(generator), tokenizer_(tokenizer), chat_(chat), options_(options) {
  if (const plan::TokenFacts *tokens = facts.tokens()) {
    if (tokens->bos() >= 0) bos_ = tokenizer.token_bytes(tokens->bos());
    if (count_of(tokens->eos()) > 0) eos_ = tokenizer.token_bytes(tokens->eos()->Get(0));
  }
  if (!options.system.empty()) messages_.push_back({"system", options.system});
}

Status Conversation::render(std::string *prompt) const {
  std::vector<ChatMessage> views;
  for (const Message &message : messages_) views.push_back({message.role, message.content});
  time_t now = time(nullptr);
  tm local = {};
  localtime_r(&now, &local);
  ChatDate today = {local.tm_year + 1900, local.tm_mon + 1, local.tm_mday};
  return chat_.render({.messages = views, .bos_token = bos_, .eos_token = eos_, .today = &today}, prompt);
}

Status Conversation::turn(const std::string &text, Stopped *stopped) {
  messages_.push_back({"user", text});
  std::string prompt;
  std::vector<int32_t> tokens;
  INGOT_TRY(render(&prompt));
  INGOT_TRY(tokenizer_.encode(prompt, {.add_special = false}, &tokens));
  if (tokens.empty()) return Status::error(Code::bad_input, "the chat template gives an empty prompt");
  const std::vector<int32_t> &fed = generator_.fed();
  // At least one token is fed again, for its logits.
  size_t limit = std::min(fed.size(), tokens.size() - 1);
  size_t same = size_t(std::mismatch(fed.begin(), fed.begin() + ptrdiff_t(limit), tokens.begin()).first - fed.begin());
  INGOT_TRY(generator_.truncate(uint32_t(same)));
  INGOT_TRY(generator_.feed({tokens.begin() + ptrdiff_t(same), tokens.end()}));
  Answer answer(tokenizer_, options_);
  INGOT_TRY(generator_.generate(options_.most_tokens, answer));
  INGOT_TRY(generator_.output().write("\n"));
  messages_.push_back({"assistant", answer.text});
  *stopped = *answer.stopped;
  return {};
}

Status Conversation::converse(Stopped *stopped) {
  bool terminal = isatty(STDIN_FILENO);
  char *line = nullptr;
  size_t capacity = 0;
  Status status;
  while (status.ok() && !generator_.output().closed()) {
    if (terminal) fputs("> ", stderr);
    ssize_t length = getline(&line, &capacity, stdin);
    if (length < 0 || interrupted) break;
    if (length > 0 && line[length - 1] == '\n') --length;
    if (length == 0) continue;
    status = turn(std::string(line, size_t(length)), stopped);
    if (status.code() == Code::cancelled) {
      messages_.pop_back(); // a turn without an answer was never said
      *stopped = Stopped::by_interrupt;
      status = {};
    }
    if (*stopped == Stopped::by_context) break;
    if (*stopped != Stopped::by_interrupt) continue;
    if (!terminal) break;
    interrupted = 0; // only the answer was interrupted
  }
  free(line);
  return status;
}

} // namespace ingot
