#include "runtime/tokenize/chat_calls.h"

#include <cstdio>
#include <cstdlib>

namespace ingot {
using namespace chat_layout;
using Kind = ChatValue::Kind;

namespace {

Status join(const ChatCall &call) {
  ChatValue items;
  INGOT_TRY(call.heap.items(call.subject(), &items));
  std::string out;
  for (size_t i = 0; i < items.list->size(); ++i) {
    std::string_view text;
    INGOT_TRY(call.heap.text((*items.list)[i], &text));
    if (!call.heap.charge(text.size() + call.argument(1).text.size())) return {};
    if (i > 0) out.append(call.argument(1).text);
    out.append(text);
  }
  return call.give(call.heap.string(std::move(out)));
}

Status length(const ChatCall &call) {
  if (call.subject().is(Kind::none) || call.subject().is(Kind::boolean) || call.subject().is(Kind::integer))
    return call.wrong("length");
  ChatValue items;
  INGOT_TRY(call.heap.items(call.subject(), &items));
  return call.give(ChatValue::integer(int64_t(items.list->size())));
}

Status end_item(const ChatCall &call, bool last) {
  ChatValue items;
  INGOT_TRY(call.heap.items(call.subject(), &items));
  if (items.list->empty()) return call.give({});
  return call.give(last ? items.list->back() : items.list->front());
}

Status map_parts(const ChatCall &call) {
  if (call.subject().is(Kind::undefined)) return call.give(call.heap.list());
  if (!call.subject().is(Kind::map)) return call.wrong("items, keys or values");
  ChatValue parts = call.heap.list();
  for (const auto &[key, value] : *call.subject().map) {
    ChatValue name = ChatValue::string(key);
    call.heap.push(parts, call.builtin == Builtin::keys     ? name
                          : call.builtin == Builtin::values ? value
                                                            : call.heap.list({name, value}));
  }
  return call.give(parts);
}

Status range(const ChatCall &call) {
  int64_t start = 0, stop = call.subject().number, step = 1;
  for (const ChatValue &argument : call.arguments)
    if (!argument.is(Kind::integer)) return call.wrong("range");
  if (call.arguments.size() > 1) start = stop, stop = call.arguments[1].number;
  if (call.arguments.size() > 2) step = call.arguments[2].number;
  constexpr int64_t limit = int64_t(1) << 31;
  if (step == 0 || std::abs(start) > limit || std::abs(stop) > limit || std::abs(step) > limit)
    return Status::error(Code::bad_input, "chat template: a range's numbers are out of range");
  ChatValue numbers = call.heap.list();
  for (int64_t i = start; (step > 0 ? i < stop : i > stop) && !call.heap.exhausted(); i += step)
    call.heap.push(numbers, ChatValue::integer(i));
  return call.give(numbers);
}

Status strftime(const ChatCall &call) {
  static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                       "July",    "August",   "September", "October", "November", "December"};
  if (!call.today || call.today->month < 1 || call.today->month > 12)
    return Status::error(Code::bad_input, "chat template: strftime_now() needs a date and none was given");
  const ChatDate &day = *call.today;
  std::string out;
  char number[16];
  auto put = [&](const char *format, int value) {
    snprintf(number, sizeof number, format, value);
    out.append(number);
  };
  std::string_view format = call.subject().text;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      out.push_back(format[i]);
      continue;
    }
    switch (format[++i]) {
    case 'Y':
      put("%04d", day.year);
      break;
    case 'y':
      put("%02d", day.year % 100);
      break;
    case 'm':
      put("%02d", day.month);
      break;
    case 'd':
      put("%02d", day.day);
      break;
    case 'B':
      out.append(months[day.month - 1]);
      break;
    case 'b':
      out.append(months[day.month - 1], 3);
      break;
    case '%':
      out.push_back('%');
      break;
    default:
      return Status::error(Code::bad_input, "chat template: strftime_now() with %%%c is not supported", format[i]);
    }
  }
  return call.give(call.heap.string(std::move(out)));
}

// selectattr(name[, negate?, value]): argument 2 compares, without it truth decides.
Status by_attribute(const ChatCall &call) {
  ChatValue items, chosen = call.heap.list();
  INGOT_TRY(call.heap.items(call.subject(), &items));
  for (const ChatValue &item : *items.list) {
    const ChatValue *value = item.find(call.argument(1).text);
    ChatValue attribute = value ? *value : ChatValue();
    if (call.builtin == Builtin::map_attribute) {
      call.heap.push(chosen, attribute);
      continue;
    }
    bool holds = call.arguments.size() > 2 ? equal(attribute, call.arguments[2]) : attribute.truthy();
    if (holds == (call.builtin == Builtin::select_attribute)) call.heap.push(chosen, item);
  }
  return call.give(chosen);
}

Status convert(const ChatCall &call) {
  if (call.builtin == Builtin::integer) {
    const ChatValue &value = call.subject();
    if (value.is(Kind::integer) || value.is(Kind::boolean)) return call.give(ChatValue::integer(value.number));
    return call.give(
        ChatValue::integer(value.is(Kind::string) ? strtoll(std::string(value.text).c_str(), nullptr, 10) : 0));
  }
  if (call.builtin == Builtin::tojson) {
    std::string out;
    ChatValue indent = call.argument(1);
    int spaces = indent.is(Kind::integer) ? int(indent.number < 0 ? 0 : indent.number > 16 ? 16 : indent.number) : -1;
    INGOT_TRY(call.heap.json(call.subject(), spaces, 0, &out));
    return call.give(call.heap.string(std::move(out)));
  }
  if (call.builtin == Builtin::string) {
    std::string_view text;
    INGOT_TRY(call.heap.text(call.subject(), &text));
    return call.give(ChatValue::string(text));
  }
  ChatValue items; // to_list, reverse
  INGOT_TRY(call.heap.items(call.subject(), &items));
  if (call.builtin == Builtin::reverse) *items.list = ChatList(items.list->rbegin(), items.list->rend());
  return call.give(items);
}

Status test(const ChatCall &call) {
  const ChatValue &v = call.subject();
  bool holds = false;
  switch (call.builtin) {
  case Builtin::is_defined:
    holds = !v.is(Kind::undefined);
    break;
  case Builtin::is_undefined:
    holds = v.is(Kind::undefined);
    break;
  case Builtin::is_none:
    holds = v.is(Kind::none);
    break;
  case Builtin::is_string:
    holds = v.is(Kind::string);
    break;
  case Builtin::is_number:
    holds = v.is(Kind::integer) || v.is(Kind::boolean);
    break;
  case Builtin::is_boolean:
    holds = v.is(Kind::boolean);
    break;
  case Builtin::is_true:
    holds = v.is(Kind::boolean) && v.number;
    break;
  case Builtin::is_false:
    holds = v.is(Kind::boolean) && !v.number;
    break;
  case Builtin::is_mapping:
    holds = v.is(Kind::map);
    break;
  case Builtin::is_iterable: // Jinja's undefined can be iterated over, and has a length
  case Builtin::is_sequence:
    holds = v.kind >= Kind::string || v.is(Kind::undefined);
    break;
  case Builtin::is_odd:
    holds = v.is(Kind::integer) && v.number % 2 != 0;
    break;
  case Builtin::is_even:
    holds = v.is(Kind::integer) && v.number % 2 == 0;
    break;
  default: { // is_divisible
    ChatValue by = call.argument(1);
    holds = v.is(Kind::integer) && by.is(Kind::integer) && by.number > 0 && v.number % by.number == 0;
  }
  }
  return call.give(ChatValue::boolean(holds));
}

} // namespace

Status call_builtin(Builtin builtin, std::span<const ChatValue> arguments, const ChatDate *today, ChatHeap &heap,
                    ChatValue *result) {
  ChatCall call{builtin, arguments, today, heap, result};
  if (builtin >= Builtin::is_defined) return test(call);
  if (builtin <= Builtin::title) {
    std::string_view text;
    if (builtin >= Builtin::split && builtin <= Builtin::replace && !call.subject().is(Kind::string))
      return call.wrong("a string method");
    INGOT_TRY(heap.text(call.subject(), &text));
    return call_string(call, text);
  }
  switch (builtin) {
  case Builtin::join:
    return join(call);
  case Builtin::length:
    return length(call);
  case Builtin::fallback: {
    bool use = call.subject().is(Kind::undefined) || (call.argument(2).truthy() && !call.subject().truthy());
    return call.give(!use ? call.subject() : arguments.size() > 1 ? arguments[1] : ChatValue::string(""));
  }
  case Builtin::first:
    return end_item(call, false);
  case Builtin::last:
    return end_item(call, true);
  case Builtin::items:
  case Builtin::keys:
  case Builtin::values:
    return map_parts(call);
  case Builtin::get: {
    const ChatValue *found = call.argument(1).is(Kind::string) ? call.subject().find(call.argument(1).text) : nullptr;
    if (!call.subject().is(Kind::map)) return call.wrong("get");
    return call.give(found ? *found : arguments.size() > 2 ? arguments[2] : ChatValue::none());
  }
  case Builtin::range:
    return range(call);
  case Builtin::strftime:
    return strftime(call);
  case Builtin::select_attribute:
  case Builtin::reject_attribute:
  case Builtin::map_attribute:
    return by_attribute(call);
  default:
    return convert(call);
  }
}

} // namespace ingot
