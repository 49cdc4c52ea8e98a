// The chat machine's operators: arithmetic, comparison, membership, items and slices, with Python's rules.
#include "runtime/tokenize/chat_machine.h"

namespace ingot {
using namespace chat_layout;
using Kind = ChatValue::Kind;

Status ChatMachine::binary(Op op) {
  ChatValue a, b;
  if (!pop(&b) || !pop(&a)) return malformed_program();
  if (op == Op::get_item) return get_item(a, b);
  if (op == Op::contains) return contains(a, b);
  if (op >= Op::equal) return compare(op, a, b);
  if (op == Op::concat) {
    std::string_view left, right;
    INGOT_TRY(heap_.text(a, &left));
    INGOT_TRY(heap_.text(b, &right));
    if (heap_.charge(left.size() + right.size())) push(heap_.string(std::string(left).append(right)));
    return {};
  }
  return arithmetic(op, a, b);
}

Status ChatMachine::arithmetic(Op op, const ChatValue &a, const ChatValue &b) {
  static const char *const names[] = {"+", "-", "*", "//", "%"};
  if (op == Op::add && a.is(Kind::string) && b.is(Kind::string)) {
    if (heap_.charge(a.text.size() + b.text.size())) push(heap_.string(std::string(a.text).append(b.text)));
    return {};
  }
  if (op == Op::add && a.is(Kind::list) && b.is(Kind::list)) {
    ChatValue joined = heap_.list(*a.list);
    for (const ChatValue &value : ChatList(*b.list)) heap_.push(joined, value);
    push(joined);
    return {};
  }
  if (!a.is(Kind::integer) || !b.is(Kind::integer))
    return Status::error(Code::bad_input, "chat template: %s of %s and %s", names[int(op) - int(Op::add)],
                         a.kind_name(), b.kind_name());
  int64_t x = a.number, y = b.number, result = 0;
  bool overflow = false;
  switch (op) {
  case Op::add:
    overflow = __builtin_add_overflow(x, y, &result);
    break;
  case Op::subtract:
    overflow = __builtin_sub_overflow(x, y, &result);
    break;
  case Op::multiply:
    overflow = __builtin_mul_overflow(x, y, &result);
    break;
  default:
    overflow = y == 0 || (y == -1 && x == INT64_MIN);
    if (overflow) break;
    // Python rounds towards minus infinity.
    int64_t quotient = x / y - ((x % y != 0) && ((x < 0) != (y < 0)));
    result = op == Op::floor_divide ? quotient : x - quotient * y;
  }
  if (overflow)
    return Status::error(Code::bad_input, "chat template: %s overflows or divides by 0", names[int(op) - int(Op::add)]);
  push(ChatValue::integer(result));
  return {};
}

Status ChatMachine::compare(Op op, const ChatValue &a, const ChatValue &b) {
  if (op == Op::equal || op == Op::not_equal) {
    push(ChatValue::boolean(equal(a, b) == (op == Op::equal)));
    return {};
  }
  int order;
  if (a.is(Kind::string) && b.is(Kind::string))
    order = a.text.compare(b.text);
  else if ((a.is(Kind::integer) || a.is(Kind::boolean)) && (b.is(Kind::integer) || b.is(Kind::boolean)))
    order = a.number < b.number ? -1 : a.number > b.number;
  else
    return Status::error(Code::bad_input, "chat template: %s and %s have no order", a.kind_name(), b.kind_name());
  bool holds = op == Op::less         ? order < 0
               : op == Op::less_equal ? order <= 0
               : op == Op::greater    ? order > 0
                                      : order >= 0;
  push(ChatValue::boolean(holds));
  return {};
}

Status ChatMachine::contains(const ChatValue &item, const ChatValue &container) {
  bool found = false;
  if (container.is(Kind::string)) {
    if (!item.is(Kind::string))
      return Status::error(Code::bad_input, "chat template: %s in a string", item.kind_name());
    found = container.text.find(item.text) != std::string_view::npos;
  } else if (container.is(Kind::list)) {
    for (const ChatValue &value : *container.list) found = found || equal(value, item);
  } else if (container.is(Kind::map)) {
    found = item.is(Kind::string) && container.find(item.text);
  } else if (!container.is(Kind::undefined)) {
    return Status::error(Code::bad_input, "chat template: 'in' %s", container.kind_name());
  }
  push(ChatValue::boolean(found));
  return {};
}

Status ChatMachine::get_item(const ChatValue &object, const ChatValue &key) {
  if (object.is(Kind::undefined))
    return Status::error(Code::bad_input, "chat template: '%.*s' of an undefined value", int(key.text.size()),
                         key.text.data());
  ChatValue result;
  if (const ChatValue *found = key.is(Kind::string) ? object.find(key.text) : nullptr) result = *found;
  if (key.is(Kind::integer) && (object.is(Kind::list) || object.is(Kind::string))) {
    ChatValue items = object;
    if (object.is(Kind::string)) INGOT_TRY(heap_.items(object, &items));
    int64_t size = int64_t(items.list->size()), index = key.number < 0 ? key.number + size : key.number;
    if (index >= 0 && index < size) result = (*items.list)[size_t(index)];
  }
  push(result);
  return {};
}

// Python's object[start:stop:step].
Status ChatMachine::slice() {
  ChatValue step, stop, start, object, items;
  if (!pop(&step) || !pop(&stop) || !pop(&start) || !pop(&object)) return malformed_program();
  for (const ChatValue *bound : {&start, &stop, &step})
    if (!bound->is(Kind::none) && !bound->is(Kind::integer))
      return Status::error(Code::bad_input, "chat template: a slice by %s", bound->kind_name());
  if (!object.is(Kind::list) && !object.is(Kind::string))
    return Status::error(Code::bad_input, "chat template: a slice of %s", object.kind_name());
  INGOT_TRY(heap_.items(object, &items));
  const int64_t size = int64_t(items.list->size()), by = step.is(Kind::none) ? 1 : step.number;
  if (by == 0) return Status::error(Code::bad_input, "chat template: a slice with step 0");
  const int64_t low = by > 0 ? 0 : -1, high = by > 0 ? size : size - 1;
  auto clamp = [&](const ChatValue &bound, int64_t otherwise) {
    if (bound.is(Kind::none)) return otherwise;
    int64_t index = bound.number < 0 ? bound.number + size : bound.number;
    return index < low ? low : index > high ? high : index;
  };
  const int64_t first = clamp(start, by > 0 ? 0 : size - 1), last = clamp(stop, by > 0 ? size : -1);
  ChatValue part = heap_.list();
  std::string text;
  for (int64_t i = first; by > 0 ? i < last : i > last;) {
    const ChatValue &item = (*items.list)[size_t(i)];
    object.is(Kind::list) ? heap_.push(part, item) : void(text.append(item.text));
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  push(object.is(Kind::list) ? part : heap_.string(std::move(text)));
  return {};
}

Status ChatMachine::make_map(size_t count) {
  if (stack_.size() < 2 * count) return malformed_program();
  ChatValue map = heap_.map();
  for (size_t i = stack_.size() - 2 * count; i < stack_.size(); i += 2) {
    if (!stack_[i].is(Kind::string))
      return Status::error(Code::bad_input, "chat template: a map key is %s", stack_[i].kind_name());
    heap_.set(map, stack_[i].text, stack_[i + 1]);
  }
  stack_.resize(stack_.size() - 2 * count);
  push(map);
  return {};
}

} // namespace ingot
