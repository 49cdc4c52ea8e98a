// Turns a conversation into a prompt by running the artifact's chat program.
//
//   ChatTemplate chat;
//   INGOT_TRY(chat.load(segment));            // bytes stay the caller's and must outlive the template
//   INGOT_TRY(chat.render({.messages = m, .add_generation_prompt = true, .bos_token = b, .eos_token = e}, &prompt));
//
// Encode the prompt with add_special = false: templates write their own BOS.
#pragma once
#include "runtime/base/span.h"
#include "runtime/base/status.h"
#include "runtime/tokenize/chat_layout.h"

#include <span>
#include <string>
#include <string_view>

namespace ingot {

struct ChatMessage {
  std::string_view role, content; // UTF-8
};

struct ChatDate {
  int year, month, day; // 1..12, 1..31
};

struct ChatInput {
  std::span<const ChatMessage> messages;
  bool add_generation_prompt = true;
  std::string_view bos_token = {}, eos_token = {}; // their text, empty when the model has none
  const ChatDate *today = nullptr;                 // what strftime_now() sees; without it the function is undefined
};

class ChatTemplate {
public:
  // Verifies the untrusted segment whole. bad_input names what is wrong.
  Status load(Bytes segment);

  // Appends the prompt to *prompt. bad_input: the template itself refused the conversation (its raise_exception text),
  // or it passed the limits on steps, memory and output. Thread-safe.
  Status render(const ChatInput &input, std::string *prompt) const;

private:
  friend class ChatMachine;
  std::string_view string(uint32_t index) const {
    return strings_.substr(string_refs_[index].offset, string_refs_[index].size);
  }
  Status check_instruction(const chat_layout::Instruction &instruction) const;

  std::span<const chat_layout::Instruction> code_;
  std::span<const chat_layout::StringRef> string_refs_;
  std::string_view strings_;
  uint32_t n_slots_ = 0;
};

} // namespace ingot
