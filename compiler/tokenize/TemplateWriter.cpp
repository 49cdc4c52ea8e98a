// Statements, names and the program's bytes.
#include "compiler/tokenize/TemplateWriter.h"

#include "compiler/tokenize/tokenize.h"

#include <cstring>
#include <utility>

namespace ingot {
using namespace chat_layout;

void collectNames(const Block &block, std::set<std::string> &names) {
  for (const Statement &statement : block) {
    if (statement.kind == Statement::set) {
      names.insert(statement.targets.begin(), statement.targets.end());
      collectNames(statement.body, names);
    }
    for (auto &branch : statement.branches) collectNames(branch.second, names);
  }
}

bool TemplateWriter::write(const Block &block, std::vector<uint8_t> &program) {
  static const char *const globals[] = {"messages",  "add_generation_prompt", "bos_token", "eos_token", "tools",
                                        "documents", "strftime_now"};
  static_assert(std::size(globals) == n_global_slots);
  for (const char *name : globals) top.slots[name] = nSlots++;
  std::set<std::string> names;
  collectNames(block, names);
  for (const std::string &name : names) nSlots += top.slots.try_emplace(name, nSlots).second;
  if (!writeBlock(block)) return false;
  emit(Op::halt);
  if (code.size() > max_code || nSlots > max_slots) return problem.report(1, "the template is too large");
  program = serialize();
  return true;
}

uint32_t TemplateWriter::intern(const std::string &text) {
  auto [entry, added] = stringIndex.try_emplace(text, uint32_t(strings.size()));
  if (added) strings.push_back(text);
  return entry->second;
}

std::vector<uint8_t> TemplateWriter::serialize() const {
  std::vector<StringRef> refs;
  std::string pool;
  for (const std::string &text : strings) {
    refs.push_back({uint32_t(pool.size()), uint32_t(text.size())});
    pool += text;
  }
  Header header{};
  memcpy(header.magic, magic, sizeof magic);
  header.version = version;
  header.n_code = uint32_t(code.size());
  header.n_strings = uint32_t(refs.size());
  header.n_slots = nSlots;
  header.n_string_bytes = uint32_t(pool.size());
  header.total_size =
      uint32_t(sizeof header + code.size() * sizeof code[0] + refs.size() * sizeof refs[0] + pool.size());
  std::vector<uint8_t> bytes;
  auto append = [&](const void *data, size_t size) {
    bytes.insert(bytes.end(), static_cast<const uint8_t *>(data), static_cast<const uint8_t *>(data) + size);
  };
  append(&header, sizeof header);
  append(code.data(), code.size() * sizeof code[0]);
  append(refs.data(), refs.size() * sizeof refs[0]);
  append(pool.data(), pool.size());
  return bytes;
}

const uint32_t *TemplateWriter::findSlot(const std::string &name) const {
  for (const Scope *at = scope; at; at = at->outer)
    if (auto found = at->slots.find(name); found != at->slots.end()) return &found->second;
  return nullptr;
}

// Gives `inner` its own slot for each name; code copies the outer value in.
void TemplateWriter::openNames(Scope &inner, const std::set<std::string> &names) {
  for (const std::string &name : names) {
    if (inner.slots.count(name)) continue;
    const uint32_t *outer = findSlot(name);
    outer ? emit(Op::load, *outer) : emit(Op::push_undefined);
    emit(Op::store, inner.slots[name] = nSlots++);
  }
}

bool TemplateWriter::writeBlock(const Block &block) {
  for (const Statement &statement : block) {
    if (code.size() > max_code) return problem.report(statement.line, "the template is too large");
    if (!writeStatement(statement)) return false;
  }
  return true;
}

bool TemplateWriter::writeStatement(const Statement &s) {
  switch (s.kind) {
  case Statement::text:
    emit(Op::push_string, intern(s.name)), emit(Op::emit);
    return true;
  case Statement::output:
    return writeValue(*s.value) && (emit(Op::emit), true);
  case Statement::branch:
    return writeBranches(s);
  case Statement::loop:
    return writeLoop(s);
  case Statement::set:
    return writeSet(s);
  case Statement::setAttribute:
    return writeSetAttribute(s);
  case Statement::scope:
    return writeScope(s);
  case Statement::macro:
    if (scope != &top) return problem.report(s.line, "a macro inside a block is not supported");
    macros[s.name] = &s;
    return true;
  case Statement::leave:
  case Statement::proceed:
    break;
  }
  if (!jumps) return problem.report(s.line, "break or continue outside a loop");
  (s.kind == Statement::leave ? jumps->leave : jumps->proceed).push_back(emit(Op::jump));
  return true;
}

bool TemplateWriter::writeBranches(const Statement &s) {
  std::vector<size_t> ends;
  for (auto &[condition, body] : s.branches) {
    if (!condition) {
      if (!writeBlock(body)) return false;
      continue;
    }
    if (!writeValue(*condition)) return false;
    size_t skip = emit(Op::jump_if_false);
    if (!writeBlock(body)) return false;
    ends.push_back(emit(Op::jump));
    land(skip);
  }
  for (size_t end : ends) land(end);
  return true;
}

void TemplateWriter::storeTargets(const Statement &s, const Scope &inner) {
  if (s.targets.size() > 1) emit(Op::unpack, 0, uint32_t(s.targets.size()));
  for (const std::string &target : s.targets) emit(Op::store, inner.slots.at(target));
}

// for x in value if condition: the chosen items first become a list.
bool TemplateWriter::writeFilteredItems(const Statement &s, Scope &inner) {
  const uint32_t item = nSlots++;
  emit(Op::make_list);
  if (!writeValue(*s.value)) return false;
  emit(Op::iterate);
  size_t next = emit(Op::next);
  emit(Op::store, item);
  emit(Op::load, item);
  storeTargets(s, inner);
  Scope *outer = scope;
  scope = &inner;
  bool written = writeValue(*s.condition);
  scope = outer;
  size_t reject = emit(Op::jump_if_false);
  emit(Op::load, item);
  emit(Op::append);
  emit(Op::jump, uint32_t(next));
  code[reject].b = uint32_t(next);
  land(next);
  emit(Op::end_loop);
  return written;
}

bool TemplateWriter::writeLoop(const Statement &s) {
  Scope inner{scope, {}};
  std::set<std::string> names;
  collectNames(s.body, names);
  for (const std::string &target : s.targets) inner.slots[target] = nSlots++;
  if (!(s.condition ? writeFilteredItems(s, inner) : writeValue(*s.value))) return false;
  emit(Op::iterate);
  size_t next = emit(Op::next);
  storeTargets(s, inner);
  openNames(inner, names);
  LoopJumps own;
  LoopJumps *outerJumps = std::exchange(jumps, &own);
  Scope *outer = std::exchange(scope, &inner);
  ++loopDepth;
  bool written = writeBlock(s.body);
  --loopDepth;
  scope = outer;
  jumps = outerJumps;
  emit(Op::jump, uint32_t(next));
  for (size_t jump : own.proceed) code[jump].b = uint32_t(next);
  land(next);
  for (size_t jump : own.leave) land(jump);
  return written && endLoop(s);
}

// for-else runs when there were no items.
bool TemplateWriter::endLoop(const Statement &s) {
  if (s.otherwise.empty()) return emit(Op::end_loop), true;
  emit(Op::loop_field, 0, uint32_t(LoopField::length));
  emit(Op::end_loop);
  emit(Op::logical_not);
  size_t skip = emit(Op::jump_if_false);
  bool written = writeBlock(s.otherwise);
  land(skip);
  return written;
}

bool TemplateWriter::writeCaptured(const Block &body) {
  emit(Op::begin_capture);
  LoopJumps *outer = std::exchange(jumps, nullptr); // a jump out would leave the capture open
  bool written = writeBlock(body);
  jumps = outer;
  emit(Op::end_capture);
  return written;
}

bool TemplateWriter::writeSet(const Statement &s) {
  if (!(s.value ? writeValue(*s.value) : writeCaptured(s.body))) return false;
  if (s.targets.size() > 1) emit(Op::unpack, 0, uint32_t(s.targets.size()));
  for (const std::string &target : s.targets) {
    const uint32_t *slot = findSlot(target);
    if (!slot) return problem.report(s.line, "'" + target + "' cannot be set here");
    emit(Op::store, *slot);
  }
  return true;
}

bool TemplateWriter::writeSetAttribute(const Statement &s) {
  const uint32_t *slot = findSlot(s.targets[0]);
  if (!slot || s.targets.size() != 1) return problem.report(s.line, "'" + s.targets[0] + "' is no namespace");
  emit(Op::load, *slot);
  if (!writeValue(*s.value)) return false;
  emit(Op::set_attribute, intern(s.name));
  return true;
}

bool TemplateWriter::writeScope(const Statement &s) {
  Scope inner{scope, {}};
  std::set<std::string> names;
  collectNames(s.body, names);
  openNames(inner, names);
  Scope *outer = std::exchange(scope, &inner);
  bool written = writeBlock(s.body);
  scope = outer;
  return written;
}
bool compileChatTemplate(const std::string &source, std::vector<uint8_t> &program, std::string &message) {
  TemplateProblem problem;
  std::vector<TemplateChunk> chunks;
  Block block;
  bool written = lexTemplate(source, chunks, problem) && parseTemplate(chunks, block, problem) &&
                 TemplateWriter(problem).write(block, program);
  message = problem.message;
  if (!written) program.clear();
  return written;
}

} // namespace ingot
