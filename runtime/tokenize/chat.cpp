// Control of the chat machine: the loop over instructions, and ChatTemplate::render.
#include "runtime/tokenize/chat.h"

#include "runtime/tokenize/chat_calls.h"
#include "runtime/tokenize/chat_machine.h"
#include "runtime/tokenize/utf8.h"

namespace ingot {
using namespace chat_layout;
using Kind = ChatValue::Kind;

namespace {
constexpr size_t max_steps = 4'000'000, max_stack = 4096, max_depth = 64, max_output = size_t(64) << 20;
} // namespace

Status malformed_program() { return Status::error(Code::bad_input, "chat segment: its program is malformed"); }

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
    if (stack_.size() > max_stack || at_ >= program_.code_.size()) return malformed_program();
    const Instruction &instruction = program_.code_[at_++];
    INGOT_TRY(step(instruction));
  }
  return stack_.empty() && loops_.empty() && captures_.empty() ? Status() : malformed_program();
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

Status ChatMachine::loop_step(const Instruction &i) {
  if (i.op == Op::iterate) {
    ChatValue iterable, items;
    if (!pop(&iterable) || loops_.size() == max_depth) return malformed_program();
    INGOT_TRY(heap_.items(iterable, &items));
    loops_.push_back({items});
    return {};
  }
  if (i.op == Op::loop_field) return loop_field(i);
  if (loops_.empty()) return malformed_program();
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
  if (i.b >= loops_.size()) return malformed_program();
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
    if (captures_.size() == max_depth) return malformed_program();
    captures_.push_back(output_.size());
    return {};
  case Op::end_capture:
    if (captures_.empty()) return malformed_program();
    push(heap_.string(output_.substr(captures_.back())));
    output_.resize(captures_.back());
    captures_.pop_back();
    return {};
  case Op::make_map:
    return make_map(i.a);
  case Op::make_list: {
    if (stack_.size() < i.a) return malformed_program();
    ChatValue list = heap_.list(ChatList(stack_.end() - i.a, stack_.end()));
    stack_.resize(stack_.size() - i.a);
    push(list);
    return {};
  }
  case Op::slice:
    return slice();
  case Op::call: {
    if (stack_.size() < i.a) return malformed_program();
    INGOT_TRY(call_builtin(Builtin(i.b), std::span(stack_).last(i.a), input_.today, heap_, &value));
    stack_.resize(stack_.size() - i.a);
    push(value);
    return {};
  }
  default:
    break;
  }
  if (!pop(&value)) return malformed_program(); // all that follow take one value
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
    if (!pop(&object) || !object.is(Kind::map)) return malformed_program();
    heap_.set(object, program_.string(i.b), value);
    return {};
  case Op::unpack:
    if (!value.is(Kind::list) || value.list->size() != i.a)
      return Status::error(Code::bad_input, "chat template: %s does not unpack into %u names", value.kind_name(), i.a);
    for (size_t k = i.a; k-- > 0;) push((*value.list)[k]);
    return {};
  case Op::append:
    if (stack_.empty() || !stack_.back().is(Kind::list)) return malformed_program();
    heap_.push(stack_.back(), value);
    return {};
  case Op::fail:
    return Status::error(Code::bad_input, "chat template: %.*s", int(value.text.size() < 300 ? value.text.size() : 300),
                         value.text.data());
  default:
    return malformed_program();
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
