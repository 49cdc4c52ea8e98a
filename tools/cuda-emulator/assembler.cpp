#include "assembler.h"
#include <algorithm>
#include <cstdarg>

namespace ingot::emulator {

const Table &table() {
  static const Table *built = [] {
    auto *t = new Table;
    for (auto add : {add_integer, add_floating, add_half, add_convert, add_compare, add_move, add_memory, add_atomic,
                     add_async, add_warp, add_matrix, add_control})
      add(*t);
    return t;
  }();
  return *built;
}

Assembler::Assembler(Module &module, Entry &entry)
    : module(module), entry(entry), program(*new Program), owned_(&program) {
  program.words = 64; // the sink
  program.entry = &entry;
  scopes_.push_back({});
}

void Assembler::open_scope() {
  scopes_.push_back({});
  scopes_.back().parent = scope_;
  scope_ = scopes_.size() - 1;
}
void Assembler::close_scope() { scope_ = scopes_[scope_].parent; }

Status Assembler::error(const Statement &s, const char *format, ...) const {
  char what[200];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  return Status::error(Code::bad_input, "PTX line %u: %s, in '%.100s'", s.line, what, s.text.c_str());
}

Status Assembler::unknown(const Statement &s) const {
  return Status::error(Code::unsupported, "PTX line %u: the emulator does not know '%.*s', in '%.150s'", s.line,
                       int(s.opcode.size()), s.opcode.data(), s.text.c_str());
}

Status Assembler::count(const Statement &s, size_t least, size_t most) const {
  if (s.operands.size() >= least && s.operands.size() <= most) return {};
  return error(s, "%zu operands where %zu to %zu belong", s.operands.size(), least, most);
}

Register Assembler::allocate(uint32_t bits) {
  if (bits == 1) return {program.predicates++, 1};
  Register r{program.words, bits};
  program.words += bits == 64 ? 64 : 32;
  return r;
}
uint32_t Assembler::scratch(uint32_t words) {
  program.words += words;
  return program.words - words;
}

Status Assembler::declare_registers(TokenReader &reader) {
  const Token &type = reader.next();
  uint32_t bits = 0;
  if (type.is(".pred")) bits = 1;
  for (uint32_t b : {8, 16, 32, 64})
    for (const char *kind : {".b", ".u", ".s", ".f"})
      if (type.text == kind + std::to_string(b)) bits = b;
  if (type.is(".f16x2") || type.is(".bf16x2")) bits = 32;
  if (type.is(".bf16")) bits = 16;
  if (!bits) return reader.error(type, "expected a register type that the emulator knows");
  Scope &scope = scopes_[scope_];
  while (true) {
    const Token &name = reader.next();
    if (name.kind != Token::word) return reader.error(name, "expected a register name");
    if (reader.accept("<")) { // made when used: LLVM declares more than it uses
      int64_t count;
      INGOT_TRY(reader.parse_integer(&count));
      INGOT_TRY(reader.expect(">"));
      if (count < 0 || count > 1 << 20) return reader.error(name, "too many registers");
      scope.families.push_back({std::string(name.text), {0, bits}});
      scope.family_counts.push_back(uint32_t(count));
    } else if (!scope.registers.emplace(std::string(name.text), allocate(bits)).second) {
      return reader.error(name, "declared twice");
    }
    if (reader.accept(";")) return {};
    INGOT_TRY(reader.expect(","));
  }
}

const Register *Assembler::find_register(std::string_view name) {
  std::string key(name);
  for (size_t at = scope_;; at = scopes_[at].parent) {
    Scope &scope = scopes_[at];
    if (auto it = scope.registers.find(key); it != scope.registers.end()) return &it->second;
    for (size_t f = 0; f < scope.families.size(); ++f) {
      auto &[prefix, family] = scope.families[f];
      if (name.size() <= prefix.size() || !name.starts_with(prefix)) continue;
      std::string_view digits = name.substr(prefix.size());
      if (digits.size() > 7 || digits.find_first_not_of("0123456789") != digits.npos) continue;
      if (digits.size() > 1 && digits[0] == '0') continue;
      if (uint32_t(atoi(std::string(digits).c_str())) >= scope.family_counts[f]) continue;
      return &scope.registers.emplace(key, allocate(family.bits)).first->second;
    }
    if (at == 0) return nullptr;
  }
}

Status Assembler::declare_symbol(std::string_view name, const Symbol &symbol, uint32_t line) {
  if (scopes_[scope_].symbols.emplace(std::string(name), symbol).second) return {};
  return Status::error(Code::bad_input, "PTX line %u: '%.*s' is declared twice", line, int(name.size()), name.data());
}

const Symbol *Assembler::symbol(std::string_view name) const {
  for (size_t at = scope_;; at = scopes_[at].parent) {
    auto it = scopes_[at].symbols.find(std::string(name));
    if (it != scopes_[at].symbols.end()) return &it->second;
    if (at == 0) return nullptr;
  }
}

Status Assembler::label(std::string_view name, uint32_t line) {
  if (scopes_[scope_].labels.emplace(std::string(name), uint32_t(program.code.size())).second) return {};
  return Status::error(Code::bad_input, "PTX line %u: label '%.*s' is defined twice", line, int(name.size()),
                       name.data());
}

Status Assembler::branch_targets(std::string_view list, const std::vector<std::string_view> &labels, uint32_t line) {
  std::vector<std::string> names(labels.begin(), labels.end());
  if (scopes_[scope_].branch_targets.emplace(std::string(list), std::move(names)).second) return {};
  return Status::error(Code::bad_input, "PTX line %u: '%.*s' is defined twice", line, int(list.size()), list.data());
}

void Assembler::refer(const Statement &s, std::string_view label) {
  references_.push_back({scope_, program.code.size(), std::string(label), s.line, false});
}
void Assembler::refer_list(const Statement &s, std::string_view list) {
  references_.push_back({scope_, program.code.size(), std::string(list), s.line, true});
}

Status Assembler::find_label(const Reference &r, const std::string &name, uint32_t *at) const {
  for (size_t scope = r.scope;; scope = scopes_[scope].parent) {
    auto it = scopes_[scope].labels.find(name);
    if (it != scopes_[scope].labels.end()) {
      *at = it->second;
      return {};
    }
    if (scope == 0) break;
  }
  return Status::error(Code::bad_input, "PTX line %u: label '%.80s' is not defined", r.line, name.c_str());
}

Status Assembler::resolve(const Reference &r) {
  Instr &i = program.code[r.instruction];
  if (!r.list) return find_label(r, r.label, &i.target);
  for (size_t scope = r.scope;; scope = scopes_[scope].parent) {
    auto it = scopes_[scope].branch_targets.find(r.label);
    if (it != scopes_[scope].branch_targets.end()) {
      i.list = uint32_t(program.lists.size());
      i.x = uint32_t(it->second.size());
      for (const std::string &name : it->second) {
        uint32_t at;
        INGOT_TRY(find_label(r, name, &at));
        program.lists.push_back(at);
      }
      return {};
    }
    if (scope == 0) break;
  }
  return Status::error(Code::bad_input, "PTX line %u: no .branchtargets '%.80s'", r.line, r.label.c_str());
}

const Special *Assembler::special_register(std::string_view name) {
  using S = Special;
  static const std::map<std::string, S, std::less<>> names = {{"%tid.x", S::tid_x},
                                                              {"%tid.y", S::tid_y},
                                                              {"%tid.z", S::tid_z},
                                                              {"%ntid.x", S::ntid_x},
                                                              {"%ntid.y", S::ntid_y},
                                                              {"%ntid.z", S::ntid_z},
                                                              {"%ctaid.x", S::ctaid_x},
                                                              {"%ctaid.y", S::ctaid_y},
                                                              {"%ctaid.z", S::ctaid_z},
                                                              {"%nctaid.x", S::nctaid_x},
                                                              {"%nctaid.y", S::nctaid_y},
                                                              {"%nctaid.z", S::nctaid_z},
                                                              {"%laneid", S::laneid},
                                                              {"%warpid", S::warpid},
                                                              {"%nwarpid", S::nwarpid},
                                                              {"%smid", S::smid},
                                                              {"%nsmid", S::nsmid},
                                                              {"%gridid", S::gridid},
                                                              {"%lanemask_eq", S::lanemask_eq},
                                                              {"%lanemask_lt", S::lanemask_lt},
                                                              {"%lanemask_le", S::lanemask_le},
                                                              {"%lanemask_gt", S::lanemask_gt},
                                                              {"%lanemask_ge", S::lanemask_ge},
                                                              {"%dynamic_smem_size", S::dynamic_smem_size},
                                                              {"%total_smem_size", S::total_smem_size}};
  auto it = names.find(name);
  return it == names.end() ? nullptr : &it->second;
}

uint32_t Assembler::constant(uint64_t bits, bool wide) {
  auto [it, added] = values_.try_emplace({bits, wide}, 0);
  if (added) {
    it->second = scratch(wide ? 64 : 32);
    program.constants.push_back({Constant::value, it->second, wide, bits, nullptr});
  }
  return it->second;
}

uint32_t Assembler::special(Special which) {
  auto [it, added] = specials_.try_emplace(which, 0);
  if (added) {
    bool wide = which == Special::gridid || which == Special::dynamic_shared;
    it->second = scratch(wide ? 64 : 32);
    program.constants.push_back({Constant::special, it->second, wide, uint64_t(which), nullptr});
  }
  return it->second;
}

// An immediate, as `bits` wide register contents.
Status Assembler::constant_of(const Statement &s, const Operand &o, uint32_t bits, uint32_t *place) {
  uint64_t value = o.bits;
  if (o.kind == Operand::single && bits == 64)
    value = std::bit_cast<uint64_t>(double(std::bit_cast<float>(uint32_t(o.bits))));
  if (o.kind == Operand::real && bits == 32) value = std::bit_cast<uint32_t>(float(std::bit_cast<double>(o.bits)));
  if (o.kind != Operand::integer && bits < 32) return error(s, "a float immediate does not fit %u bits", bits);
  if (bits < 64) {
    int64_t v = int64_t(value);
    if (o.kind == Operand::integer && v > int64_t((uint64_t(1) << bits) - 1))
      return error(s, "immediate %lld does not fit %u bits", static_cast<long long>(v), bits);
    if (o.kind == Operand::integer && v < -int64_t(uint64_t(1) << (bits - 1)) && bits < 32)
      return error(s, "immediate %lld does not fit %u bits", static_cast<long long>(v), bits);
    value &= (uint64_t(1) << bits) - 1;
  }
  *place = constant(value, bits == 64);
  return {};
}

Status Assembler::source(const Statement &s, const Operand &o, uint32_t bits, uint32_t *place, bool wider,
                         uint32_t *width) {
  if (width) *width = bits;
  if (o.negated) return error(s, "'!' belongs before predicates only");
  if (o.kind == Operand::integer || o.kind == Operand::single || o.kind == Operand::real)
    return constant_of(s, o, bits, place);
  if (o.kind != Operand::name) return error(s, "a register or an immediate expected");
  std::string name(o.text);
  if (const Special *which = special_register(o.text)) {
    *place = special(*which);
    uint32_t has = *which == Special::gridid ? 64 : 32;
    if (width) *width = has;
    return has == bits || (wider && has > bits) ? Status() : error(s, "%s has %u bits", name.c_str(), has);
  }
  if (const Register *r = find_register(o.text)) {
    if (o.bits) return error(s, "a register plus an offset");
    if (r->bits == 1) return error(s, "%s is a predicate", name.c_str());
    if (r->bits != bits && !(wider && r->bits > bits))
      return error(s, "%s has %u bits where %u are wanted", name.c_str(), r->bits, bits);
    *place = r->place;
    if (width) *width = r->bits;
    return {};
  }
  const Symbol *sym = symbol(o.text);
  if (!sym) return error(s, "'%s' is not declared", name.c_str());
  if (sym->kind == Symbol::variable) {
    if (bits != 64) return error(s, "the address of '%s' has 64 bits", name.c_str());
    auto [it, added] = addresses_.try_emplace({sym->global, o.bits}, 0);
    if (added) {
      it->second = scratch(64);
      program.constants.push_back({Constant::variable, it->second, true, o.bits, sym->global});
    }
    *place = it->second;
    return {};
  }
  if (bits < 32) return error(s, "an address has 32 or 64 bits");
  if (sym->kind == Symbol::dynamic_shared) {
    if (o.bits) return error(s, "an offset to the address of '%s' is not emulated", name.c_str());
    *place = special(bits == 64 ? Special::dynamic_shared : Special::dynamic_shared32);
    return {};
  }
  *place = constant(sym->offset + o.bits, bits == 64);
  return {};
}

Status Assembler::destination(const Statement &s, const Operand &o, uint32_t bits, uint32_t *place, bool wider,
                              uint32_t *width) {
  if (width) *width = bits;
  if (o.kind != Operand::name || o.negated || o.bits) return error(s, "the destination must be a register");
  if (o.text == "_") {
    *place = sink;
    return {};
  }
  const Register *r = find_register(o.text);
  std::string name(o.text);
  if (!r) return error(s, "'%s' is not a declared register", name.c_str());
  if (r->bits == 1 || (r->bits != bits && !(wider && r->bits > bits)))
    return error(s, "%s has %u bits where %u are wanted", name.c_str(), r->bits, bits);
  *place = r->place;
  if (width) *width = r->bits;
  return {};
}

Status Assembler::predicate_destination(const Statement &s, const Operand &o, uint32_t *predicate) {
  if (o.kind != Operand::name || o.negated) return error(s, "a predicate register expected");
  if (o.text == "_") {
    *predicate = pred_sink;
    return {};
  }
  const Register *r = find_register(o.text);
  if (!r || r->bits != 1) return error(s, "'%s' is not a predicate", std::string(o.text).c_str());
  *predicate = r->place;
  return {};
}

Status Assembler::predicate_source(const Statement &s, const Operand &o, uint32_t *predicate, uint32_t *negate) {
  if (negate) *negate = o.negated ? ~0u : 0;
  if (o.kind == Operand::integer) {
    *predicate = o.bits ? always : never;
    return {};
  }
  const Register *r = o.kind == Operand::name ? find_register(o.text) : nullptr;
  if (!r || r->bits != 1) return error(s, "a predicate expected");
  if (o.negated && !negate) return error(s, "a negated predicate does not belong here");
  *predicate = r->place;
  return {};
}

Status Assembler::integer(const Statement &s, const Operand &o, int64_t *value) {
  if (o.kind != Operand::integer) return error(s, "an integer constant expected");
  *value = int64_t(o.bits);
  return {};
}

Status Assembler::address(const Statement &s, const Operand &o, uint32_t *place, int64_t *offset, bool *narrow) {
  *narrow = false;
  if (o.kind != Operand::address) return error(s, "an address in brackets expected");
  *offset = int64_t(o.bits);
  if (o.text.empty()) {
    *place = constant(0, true);
    return {};
  }
  if (const Register *r = find_register(o.text)) {
    if (r->bits != 32 && r->bits != 64) return error(s, "an address has 32 or 64 bits");
    *place = r->place;
    *narrow = r->bits == 32;
    return {};
  }
  Operand base;
  base.text = o.text;
  return source(s, base, 64, place);
}

Status Assembler::decode_plain(const Plain &p, const Statement &s, Instr &i) {
  INGOT_TRY(count(s, p.sources + 1u, p.sources + 1u));
  i.run = p.run;
  i.op_class = p.op_class;
  INGOT_TRY(destination(s, s.operands[0], p.bits[0], &i.d));
  uint32_t *places[4] = {&i.a, &i.b, &i.c, &i.x};
  for (size_t k = 0; k < p.sources; ++k) INGOT_TRY(source(s, s.operands[k + 1], p.bits[k + 1], places[k]));
  return {};
}

Status Assembler::decode(const Statement &s, Instr &i) {
  auto plain = table().plain.find(std::string(s.opcode));
  if (plain != table().plain.end()) return decode_plain(plain->second, s, i);
  std::string_view first = s.opcode.substr(0, s.opcode.find('.'));
  auto decoder = table().decoders.find(first);
  return decoder == table().decoders.end() ? unknown(s) : decoder->second(*this, s, i);
}

Status Assembler::instruction(const Statement &s) {
  Instr i;
  i.line = s.line;
  i.text = uint32_t(program.texts.size());
  if (!s.guard.empty()) {
    const Register *guard = find_register(s.guard);
    if (!guard || guard->bits != 1) return error(s, "'%s' is not a predicate", std::string(s.guard).c_str());
    if (guard->place > 65535) return error(s, "too many predicates");
    i.guard = uint16_t(guard->place);
    i.negate = s.guard_negated ? ~0u : 0;
  }
  INGOT_TRY(decode(s, i));
  if (!i.run) return {}; // an instruction without an effect
  program.texts.push_back(s.text);
  program.code.push_back(i);
  return {};
}

Next fell_off(const Instr &i, Warp &w, uint32_t mask) {
  return w.fail(i, Fault::illegal, uint32_t(std::countr_zero(mask)), 0, "the kernel's code ends without ret");
}

Status Assembler::finish() {
  Instr last;
  last.run = fell_off;
  last.line = program.code.empty() ? 0 : program.code.back().line;
  last.text = uint32_t(program.texts.size());
  program.texts.push_back("(end of the kernel)");
  program.code.push_back(last);
  for (const Reference &r : references_) INGOT_TRY(resolve(r));
  entry.register_words = program.words / 32;
  entry.program = owned_;
  return {};
}

} // namespace ingot::emulator
