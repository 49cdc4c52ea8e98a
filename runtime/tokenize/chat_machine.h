// The stack machine that runs a chat program. Programs are untrusted: every pop, loop and capture is checked, and
// steps, stack, memory and output are bounded.
#pragma once
#include "runtime/tokenize/chat.h"
#include "runtime/tokenize/chat_value.h"

namespace ingot {

Status malformed_program();

class ChatMachine {
public:
  ChatMachine(const ChatTemplate &program, const ChatInput &input, std::string *output)
      : program_(program), input_(input), output_(*output), output_base_(output->size()), slots_(program.n_slots_) {}
  Status run();

private:
  struct Loop {
    ChatValue items;
    size_t next = 0; // one past the current item
  };
  void set_globals();
  Status step(const chat_layout::Instruction &i);
  Status push_or_load(const chat_layout::Instruction &i);
  Status binary(chat_layout::Op op);
  Status arithmetic(chat_layout::Op op, const ChatValue &a, const ChatValue &b);
  Status compare(chat_layout::Op op, const ChatValue &a, const ChatValue &b);
  Status contains(const ChatValue &item, const ChatValue &container);
  Status get_item(const ChatValue &object, const ChatValue &key);
  Status slice();
  Status make_map(size_t count);
  Status loop_step(const chat_layout::Instruction &i);
  Status loop_field(const chat_layout::Instruction &i);
  Status control(const chat_layout::Instruction &i);
  Status emit(const ChatValue &value);

  void push(const ChatValue &value) { stack_.push_back(value); }
  // Pops into *value; false when the stack is empty.
  bool pop(ChatValue *value) {
    if (stack_.empty()) return false;
    *value = stack_.back();
    stack_.pop_back();
    return true;
  }

  const ChatTemplate &program_;
  const ChatInput &input_;
  std::string &output_;
  size_t output_base_;
  ChatHeap heap_;
  std::vector<ChatValue> slots_, stack_;
  std::vector<Loop> loops_;
  std::vector<size_t> captures_; // where in output_ each began
  size_t at_ = 0;
  bool done_ = false;
};

} // namespace ingot
