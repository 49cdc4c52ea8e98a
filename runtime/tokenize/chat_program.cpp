// Loads a chat segment: every index of chat_layout.h's invariants is checked here, once.
#include "runtime/base/checked.h"
#include "runtime/tokenize/chat.h"
#include "runtime/tokenize/utf8.h"

#include <cstring>

namespace ingot {
using namespace chat_layout;

namespace {
Status refuse(const char *what) { return Status::error(Code::bad_input, "chat segment: %s", what); }
} // namespace

Status ChatTemplate::check_instruction(const Instruction &i) const {
  bool ok = true;
  switch (i.op) {
  case Op::push_bool:
    ok = i.b <= 1;
    break;
  case Op::push_string:
  case Op::set_attribute:
    ok = i.b < string_refs_.size();
    break;
  case Op::load:
  case Op::store:
    ok = i.b < n_slots_;
    break;
  case Op::jump:
  case Op::jump_if_false:
  case Op::jump_if_false_or_pop:
  case Op::jump_if_true_or_pop:
  case Op::next:
    ok = i.b < code_.size();
    break;
  case Op::loop_field:
    ok = i.a < uint16_t(LoopField::n_fields);
    break;
  case Op::call:
    ok = i.b < uint32_t(Builtin::n_builtins) && i.a >= 1 && i.a <= 8;
    break;
  default:
    ok = i.op < Op::n_ops;
  }
  return ok ? Status() : refuse("an instruction is out of range");
}

Status ChatTemplate::load(Bytes segment) {
  if (segment.size() < sizeof(Header) || reinterpret_cast<uintptr_t>(segment.data()) % 4 != 0)
    return refuse("shorter than its header, or not 4-byte aligned");
  const Header &h = *reinterpret_cast<const Header *>(segment.data());
  if (memcmp(h.magic, magic, sizeof magic) != 0) return refuse("wrong magic");
  if (h.version != version)
    return Status::error(Code::bad_input, "chat segment: version %u, this build reads %u", h.version, version);
  if (h.n_code == 0 || h.n_code > max_code || h.n_slots < n_global_slots || h.n_slots > max_slots)
    return refuse("a count is out of range");
  uint64_t refs_at = sizeof(Header) + uint64_t(h.n_code) * sizeof(Instruction);
  uint64_t strings_at = refs_at + uint64_t(h.n_strings) * sizeof(StringRef);
  if (h.total_size != segment.size() || strings_at + h.n_string_bytes != segment.size())
    return refuse("its parts do not add up to its size");

  code_ = {reinterpret_cast<const Instruction *>(segment.data() + sizeof(Header)), h.n_code};
  string_refs_ = {reinterpret_cast<const StringRef *>(segment.data() + refs_at), h.n_strings};
  strings_ = {reinterpret_cast<const char *>(segment.data() + strings_at), h.n_string_bytes};
  n_slots_ = h.n_slots;
  for (size_t s = 0; s < string_refs_.size(); ++s) {
    if (!in_range(string_refs_[s].offset, string_refs_[s].size, strings_.size()))
      return refuse("a string lies outside it");
    if (utf8::find_invalid(string(uint32_t(s))) != string_refs_[s].size) return refuse("a string is not UTF-8");
  }
  for (const Instruction &instruction : code_) INGOT_TRY(check_instruction(instruction));
  return code_.back().op == Op::halt ? Status() : refuse("it does not end");
}

} // namespace ingot
