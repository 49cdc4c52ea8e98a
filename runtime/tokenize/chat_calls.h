// The chat machine's filters, methods and tests.
#pragma once
#include "runtime/tokenize/chat.h"
#include "runtime/tokenize/chat_value.h"

#include <span>

namespace ingot {

struct ChatCall {
  chat_layout::Builtin builtin;
  std::span<const ChatValue> arguments;
  const ChatDate *today;
  ChatHeap &heap;
  ChatValue *result;

  const ChatValue &subject() const { return arguments[0]; }
  ChatValue argument(size_t i) const { return i < arguments.size() ? arguments[i] : ChatValue(); }
  Status wrong(const char *function) const {
    return Status::error(Code::bad_input, "chat template: %s of %s", function, subject().kind_name());
  }
  Status give(const ChatValue &value) const {
    *result = value;
    return {};
  }
};

// What works on one string: strip ... title.
Status call_string(const ChatCall &call, std::string_view text);

// arguments[0] is the subject. Extra arguments are ignored, missing ones take Python's defaults.
Status call_builtin(chat_layout::Builtin builtin, std::span<const ChatValue> arguments, const ChatDate *today,
                    ChatHeap &heap, ChatValue *result);

} // namespace ingot
