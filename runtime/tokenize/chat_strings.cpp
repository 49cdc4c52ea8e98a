// Python's string methods, as far as chat templates use them.
#include "runtime/tokenize/chat_calls.h"
#include "runtime/tokenize/utf8.h"

#include <utf8proc.h>

namespace ingot {
using namespace chat_layout;
using Kind = ChatValue::Kind;

namespace {

bool in_set(std::string_view set, std::string_view scalar) { return set.find(scalar) != std::string_view::npos; }

// Python's str.strip: the characters of `set`, or white space without one.
std::string_view strip(std::string_view text, const ChatValue &set, bool left, bool right) {
  auto strippable = [&](std::string_view scalar) {
    if (set.is(Kind::string)) return in_set(set.text, scalar);
    uint32_t c = utf8::decode(scalar).scalar;
    return utf8::is_space(c) || (c >= 0x1C && c <= 0x1F);
  };
  while (left && !text.empty()) {
    size_t size = utf8::decode(text).size;
    if (!strippable(text.substr(0, size))) break;
    text.remove_prefix(size);
  }
  while (right && !text.empty()) {
    size_t last = text.size() - 1;
    while (last > 0 && utf8::is_continuation(text[last])) --last;
    if (!strippable(text.substr(last))) break;
    text = text.substr(0, last);
  }
  return text;
}

// Case changes scalar by scalar; `upper_at(previous is a letter, first)` chooses.
template <class F> std::string change_case(std::string_view text, F upper_at) {
  std::string out;
  bool after_letter = false;
  for (size_t i = 0; i < text.size();) {
    auto sequence = utf8::decode(text.substr(i));
    auto scalar = utf8proc_int32_t(sequence.scalar);
    utf8::append(uint32_t(upper_at(after_letter, i == 0) ? utf8proc_toupper(scalar) : utf8proc_tolower(scalar)), &out);
    auto category = utf8proc_category(scalar);
    after_letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
    i += sequence.size;
  }
  return out;
}

Status split(const ChatCall &call, std::string_view text) {
  ChatValue parts = call.heap.list();
  const ChatValue separator = call.argument(1);
  int64_t left = call.argument(2).is(Kind::integer) ? call.argument(2).number : -1;
  if (!separator.is(Kind::string)) { // runs of white space
    for (text = strip(text, {}, true, true); !text.empty(); text = strip(text, {}, true, false)) {
      size_t end = 0;
      while (end < text.size() && !utf8::is_space(utf8::decode(text.substr(end)).scalar))
        end += utf8::decode(text.substr(end)).size;
      if (left-- == 0) end = text.size();
      call.heap.push(parts, ChatValue::string(text.substr(0, end)));
      text.remove_prefix(end);
    }
    return call.give(parts);
  }
  if (separator.text.empty()) return Status::error(Code::bad_input, "chat template: split by an empty string");
  for (size_t at; left != 0 && (at = text.find(separator.text)) != text.npos && !call.heap.exhausted(); --left) {
    call.heap.push(parts, ChatValue::string(text.substr(0, at)));
    text.remove_prefix(at + separator.text.size());
  }
  call.heap.push(parts, ChatValue::string(text));
  return call.give(parts);
}

Status replace(const ChatCall &call, std::string_view text) {
  std::string_view from = call.argument(1).text, to = call.argument(2).text;
  if (!call.argument(1).is(Kind::string) || !call.argument(2).is(Kind::string) || from.empty())
    return Status::error(Code::bad_input, "chat template: replace needs two strings, the first not empty");
  std::string out;
  for (size_t at; (at = text.find(from)) != text.npos; text.remove_prefix(at + from.size())) {
    if (!call.heap.charge(at + to.size())) return {};
    out.append(text.substr(0, at)).append(to);
  }
  return call.give(call.heap.string(out.append(text)));
}

} // namespace

Status call_string(const ChatCall &call, std::string_view text) {
  const ChatValue set = call.argument(1);
  auto string = [&](std::string value) { return call.give(call.heap.string(std::move(value))); };
  if (!call.heap.charge(2 * text.size())) return {};
  switch (call.builtin) {
  case Builtin::strip:
    return call.give(ChatValue::string(strip(text, set, true, true)));
  case Builtin::lstrip:
    return call.give(ChatValue::string(strip(text, set, true, false)));
  case Builtin::rstrip:
    return call.give(ChatValue::string(strip(text, set, false, true)));
  case Builtin::split:
    return split(call, text);
  case Builtin::startswith:
    return call.give(ChatValue::boolean(set.is(Kind::string) && text.starts_with(set.text)));
  case Builtin::endswith:
    return call.give(ChatValue::boolean(set.is(Kind::string) && text.ends_with(set.text)));
  case Builtin::replace:
    return replace(call, text);
  case Builtin::upper:
    return string(change_case(text, [](bool, bool) { return true; }));
  case Builtin::lower:
    return string(change_case(text, [](bool, bool) { return false; }));
  case Builtin::capitalize:
    return string(change_case(text, [](bool, bool first) { return first; }));
  default:
    return string(change_case(text, [](bool after_letter, bool) { return !after_letter; })); // title
  }
}

} // namespace ingot
