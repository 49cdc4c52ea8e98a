// The chat machine's filters, methods and tests.
#pragma once
#include "runtime/tokenize/chat.h"
#include "runtime/tokenize/chat_value.h"

#include <span>

namespace ingot {

// arguments[0] is the subject. Extra arguments are ignored, missing ones take Python's defaults.
Status call_builtin(chat_layout::Builtin builtin, std::span<const ChatValue> arguments, const ChatDate *today,
                    ChatHeap &heap, ChatValue *result);

} // namespace ingot
