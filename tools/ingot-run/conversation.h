// --chat: turns of a conversation through the model's chat template. Each turn renders the whole conversation and feeds
// what is new of it; tokens that are already in the sequence are not fed again.
#pragma once
#include "runtime/tokenize/chat.h"
#include "tools/ingot-run/generator.h"

namespace ingot {

class Conversation {
public:
  Conversation(Generator &generator, const Tokenizer &tokenizer, const ChatTemplate &chat, const RunOptions &options,
               const plan::Facts &facts);

  // One user turn; the answer streams to stdout.
  Status turn(const std::string &text, Stopped *stopped);
  // Turns from stdin, a line each, until its end. On a terminal a mark asks for each, and Ctrl-C ends only the answer.
  Status converse(Stopped *stopped);

private:
  struct Message {
    std::string role, content;
  };
  Status render(std::string *prompt) const;

  Generator &generator_;
  const Tokenizer &tokenizer_;
  const ChatTemplate &chat_;
  const RunOptions &options_;
  std::string bos_, eos_;
  std::vector<Message> messages_;
};

} // namespace ingot
