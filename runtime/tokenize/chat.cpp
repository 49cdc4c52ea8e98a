// The stack machine that runs a chat program. Programs are untrusted: every pop, loop and capture is checked, and
// steps, stack, memory and output are bounded.
#include "runtime/tokenize/chat.h"

#include "runtime/tokenize/chat_calls.h"
#include "runtime/tokenize/chat_value.h"
#include "runtime/tokenize/utf8.h"

namespace ingot {
using namespace chat_layout;
using Kind = ChatValue::Kind;

namespace {
constexpr size_t max_steps = 20'000'000, max_stack = 4096, max_depth = 64, max_output = size_t(64) << 20;

Status malformed() { return Status::error(Code::bad_input, "chat segment: its program is malformed"); }
} // namespace

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
  Status step(const Instruction &i);
  Status push_or_load(const Instruction &i);
  Status binary(Op op);
  Status arithmetic(Op op, const ChatValue &a, const ChatValue &b);
  Status compare(Op op, const ChatValue &a, const ChatValue &b);
  Status contains(const ChatValue &item, const ChatValue &container);
  Status get_item(const ChatValue &object, const ChatValue &key);
  Status slice();
  Status make_map(size_t count);
  Status loop_step(const Instruction &i);
  Status loop_field(const Instruction &i);
  Status control(const Instruction &i);
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

void ChatMachine::set_globals() {
  ChatValue list = heap_.list();
  for (const ChatMessage &message : input_.messages) {
    ChatValue map = heap_.map();
    heap_.set(map, "role", ChatValue::string(message.role));
    heap_.set(map, "content", ChatValue::string(message.content));
    heap_.push(list, map);
  }
  slots_[messages] = list;
  slots_[add_generation_prompt] = ChatValue::boolean(input_.add_generation_prompt);
  slots_[bos_token] = ChatValue::string(input_.bos_token);
  slots_[eos_token] = ChatValue::string(input_.eos_token);
  slots_[tools] = slots_[documents] = ChatValue::none();
  if (input_.today) slots_[strftime_now] = ChatValue::boolean(true);
}

Status ChatMachine::run() {
  set_globals();
  for (size_t steps = 0; !done_; ++steps) {
    if (steps == max_steps || heap_.exhausted() || output_.size() - output_base_ > max_output)
      return Status::error(Code::bad_input, "chat template: it passed its limit of steps, memory or output");
    if (stack_.size() > max_stack || at_ >= program_.code_.size()) return malformed();
    const Instruction &instruction = program_.code_[at_++];
    INGOT_TRY(step(instruction));
  }
  return stack_.empty() && loops_.empty() && captures_.empty() ? Status() : malformed();
}

Status ChatMachine::step(const Instruction &i) {
  if (i.op >= Op::push_undefined && i.op <= Op::load) return push_or_load(i);
  if (i.op >= Op::add && i.op <= Op::get_item) return binary(i.op);
  if (i.op >= Op::iterate && i.op <= Op::loop_field) return loop_step(i);
  return control(i);
}

Status ChatMachine::push_or_load(const Instruction &i) {
  switch (i.op) {
  case Op::push_undefined:
    push({});
    break;
  case Op::push_none:
    push(ChatValue::none());
    break;
  case Op::push_bool:
    push(ChatValue::boolean(i.b));
    break;
  case Op::push_int:
    push(ChatValue::integer(int32_t(i.b)));
    break;
  case Op::push_string:
    push(ChatValue::string(program_.string(i.b)));
    break;
  default:
    push(slots_[i.b]);
  }
  return {};
}

Status ChatMachine::binary(Op op) {
  ChatValue a, b;
  if (!pop(&b) || !pop(&a)) return malformed();
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
  if (!pop(&step) || !pop(&stop) || !pop(&start) || !pop(&object)) return malformed();
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
  if (stack_.size() < 2 * count) return malformed();
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

Status ChatMachine::loop_step(const Instruction &i) {
  if (i.op == Op::iterate) {
    ChatValue iterable, items;
    if (!pop(&iterable) || loops_.size() == max_depth) return malformed();
    INGOT_TRY(heap_.items(iterable, &items));
    loops_.push_back({items});
    return {};
  }
  if (i.op == Op::loop_field) return loop_field(i);
  if (loops_.empty()) return malformed();
  if (i.op == Op::end_loop) {
    loops_.pop_back();
    return {};
  }
  Loop &loop = loops_.back();
  if (loop.next < loop.items.list->size())
    push((*loop.items.list)[loop.next++]);
  else
    at_ = i.b;
  return {};
}

Status ChatMachine::loop_field(const Instruction &i) {
  if (i.b >= loops_.size()) return malformed();
  const Loop &loop = loops_[loops_.size() - 1 - i.b];
  const ChatList &items = *loop.items.list;
  const int64_t size = int64_t(items.size()), index = int64_t(loop.next);
  auto item = [&](int64_t at) { return at >= 0 && at < size ? items[size_t(at)] : ChatValue(); };
  switch (LoopField(i.a)) {
  case LoopField::index:
    push(ChatValue::integer(index));
    break;
  case LoopField::index0:
    push(ChatValue::integer(index - 1));
    break;
  case LoopField::revindex:
    push(ChatValue::integer(size - index + 1));
    break;
  case LoopField::revindex0:
    push(ChatValue::integer(size - index));
    break;
  case LoopField::first:
    push(ChatValue::boolean(index == 1));
    break;
  case LoopField::last:
    push(ChatValue::boolean(index == size));
    break;
  case LoopField::previtem:
    push(item(index - 2));
    break;
  case LoopField::nextitem:
    push(item(index));
    break;
  default:
    push(ChatValue::integer(size));
  }
  return {};
}

Status ChatMachine::emit(const ChatValue &value) {
  std::string_view text;
  INGOT_TRY(heap_.text(value, &text));
  output_.append(text);
  return {};
}

Status ChatMachine::control(const Instruction &i) {
  ChatValue value, object;
  switch (i.op) {
  case Op::halt:
    done_ = true;
    return {};
  case Op::jump:
    at_ = i.b;
    return {};
  case Op::begin_capture:
    if (captures_.size() == max_depth) return malformed();
    captures_.push_back(output_.size());
    return {};
  case Op::end_capture:
    if (captures_.empty()) return malformed();
    push(heap_.string(output_.substr(captures_.back())));
    output_.resize(captures_.back());
    captures_.pop_back();
    return {};
  case Op::make_map:
    return make_map(i.a);
  case Op::make_list: {
    if (stack_.size() < i.a) return malformed();
    ChatValue list = heap_.list(ChatList(stack_.end() - i.a, stack_.end()));
    stack_.resize(stack_.size() - i.a);
    push(list);
    return {};
  }
  case Op::slice:
    return slice();
  case Op::call: {
    if (stack_.size() < i.a) return malformed();
    INGOT_TRY(call_builtin(Builtin(i.b), std::span(stack_).last(i.a), input_.today, heap_, &value));
    stack_.resize(stack_.size() - i.a);
    push(value);
    return {};
  }
  default:
    break;
  }
  if (!pop(&value)) return malformed(); // all that follow take one value
  switch (i.op) {
  case Op::store:
    slots_[i.b] = value;
    return {};
  case Op::pop:
    return {};
  case Op::emit:
    return emit(value);
  case Op::jump_if_false:
    if (!value.truthy()) at_ = i.b;
    return {};
  case Op::jump_if_false_or_pop:
  case Op::jump_if_true_or_pop:
    if (value.truthy() != (i.op == Op::jump_if_true_or_pop)) return {};
    push(value);
    at_ = i.b;
    return {};
  case Op::logical_not:
    push(ChatValue::boolean(!value.truthy()));
    return {};
  case Op::negate:
    return arithmetic(Op::subtract, ChatValue::integer(0), value);
  case Op::set_attribute:
    if (!pop(&object) || !object.is(Kind::map)) return malformed();
    heap_.set(object, program_.string(i.b), value);
    return {};
  case Op::unpack:
    if (!value.is(Kind::list) || value.list->size() != i.a)
      return Status::error(Code::bad_input, "chat template: %s does not unpack into %u names", value.kind_name(), i.a);
    for (size_t k = i.a; k-- > 0;) push((*value.list)[k]);
    return {};
  case Op::append:
    if (stack_.empty() || !stack_.back().is(Kind::list)) return malformed();
    heap_.push(stack_.back(), value);
    return {};
  case Op::fail:
    return Status::error(Code::bad_input, "chat template: %.*s", int(value.text.size() < 300 ? value.text.size() : 300),
                         value.text.data());
  default:
    return malformed();
  }
}

Status ChatTemplate::render(const ChatInput &input, std::string *prompt) const {
  for (const ChatMessage &message : input.messages)
    for (std::string_view text : {message.role, message.content})
      if (size_t at = utf8::find_invalid(text); at != text.size())
        return Status::error(Code::bad_input, "a message is not UTF-8: byte 0x%02X at offset %zu", uint8_t(text[at]),
                             at);
  const size_t base = prompt->size();
  ChatMachine machine(*this, input, prompt);
  Status status = machine.run();
  if (!status.ok()) prompt->resize(base);
  return status;
}

} // namespace ingot
