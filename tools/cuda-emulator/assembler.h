// From statements to decoded instructions: names become places in the register file, spellings become functions. What
// an opcode means lives in the ops_*.cpp files, each of which adds its spellings to the table.
//
// Invariant: an instruction is known only if its full spelling is in `Table::plain` or its family's decoder has
// recognised every modifier. Nothing is ignored unless a decoder says so by name.
#pragma once
#include "lanes.h"
#include "syntax.h"
#include <map>
#include <unordered_map>

namespace ingot::emulator {

struct Register {
  uint32_t place = 0;
  uint32_t bits = 0; // 8, 16, 32, 64; 1 is a predicate
};

class Assembler;
using Decoder = Status (*)(Assembler &, const Statement &, Instr &);

// An operation whose operands are all registers or immediates of fixed widths: destination, then sources.
struct Plain {
  Run run = nullptr;
  OpClass op_class = OpClass::integer;
  uint8_t sources = 0;
  uint8_t bits[5] = {};
};

struct Table {
  std::unordered_map<std::string, Plain> plain;
  std::map<std::string, Decoder, std::less<>> decoders; // by the opcode's first word
};
const Table &table();

template <class T> constexpr uint8_t bits_of = uint8_t(sizeof(T) * 8);
template <auto F> struct Signature;
template <class D, class... A, D (*F)(A...)> struct Signature<F> {
  static Plain plain(OpClass c) {
    return {&Elementwise<F>::run, c, uint8_t(sizeof...(A)), {bits_of<D>, bits_of<A>...}};
  }
};
template <auto F> void add(Table &t, OpClass c, const std::string &name) { t.plain[name] = Signature<F>::plain(c); }

// Each of ops_*.cpp.
void add_integer(Table &t);
void add_floating(Table &t);
void add_half(Table &t);
void add_convert(Table &t);
void add_compare(Table &t);
void add_move(Table &t);
void add_memory(Table &t);
void add_atomic(Table &t);
void add_async(Table &t);
void add_warp(Table &t);
void add_matrix(Table &t);
void add_control(Table &t);

struct Symbol { // what a name in an address or a mov stands for
  enum Kind : uint8_t { variable, shared, dynamic_shared, local, parameter } kind;
  const Variable *global = nullptr;
  uint64_t offset = 0, size = 0;
};

class Assembler {
public:
  Assembler(Module &module, Entry &entry);

  // --- what the parser calls
  void open_scope();
  void close_scope();
  Status declare_registers(TokenReader &reader); // behind ".reg"
  Status declare_symbol(std::string_view name, const Symbol &symbol, uint32_t line);
  Status label(std::string_view name, uint32_t line);
  Status branch_targets(std::string_view list, const std::vector<std::string_view> &labels, uint32_t line);
  Status instruction(const Statement &s);
  Status finish();

  // --- what decoders call. `bits`: the width that the instruction wants; wider registers pass only with `wider`.
  Status destination(const Statement &s, const Operand &o, uint32_t bits, uint32_t *place, bool wider = false,
                     uint32_t *width = nullptr);
  Status source(const Statement &s, const Operand &o, uint32_t bits, uint32_t *place, bool wider = false,
                uint32_t *width = nullptr);
  Status predicate_destination(const Statement &s, const Operand &o, uint32_t *predicate);
  // A negated one is reported through `negate` (~0u or 0), or refused when that is null.
  Status predicate_source(const Statement &s, const Operand &o, uint32_t *predicate, uint32_t *negate);
  Status integer(const Statement &s, const Operand &o, int64_t *value);
  // The address operand: a 64-bit place (32-bit registers are not accepted outside of shared) and an offset.
  // `narrow`: the base register has 32 bits.
  Status address(const Statement &s, const Operand &o, uint32_t *place, int64_t *offset, bool *narrow);
  uint32_t constant(uint64_t bits, bool wide);
  uint32_t special(Special which);
  uint32_t scratch(uint32_t words);
  const Symbol *symbol(std::string_view name) const;
  const Register *find_register(std::string_view name);
  static const Special *special_register(std::string_view name);
  void refer(const Statement &s, std::string_view label);     // the next instruction's `target`, once labels are known
  void refer_list(const Statement &s, std::string_view list); // its `list` and `x`: the length
  Status error(const Statement &s, const char *format, ...) const __attribute__((format(printf, 3, 4)));
  Status unknown(const Statement &s) const;
  Status count(const Statement &s, size_t least, size_t most) const; // of operands

  Module &module;
  Entry &entry;
  Program &program;

private:
  struct Scope {
    size_t parent = 0;
    std::unordered_map<std::string, Register> registers;
    std::vector<std::pair<std::string, Register>> families; // %r<17>: prefix, the first place; bits
    std::vector<uint32_t> family_counts;
    std::unordered_map<std::string, Symbol> symbols;
    std::unordered_map<std::string, uint32_t> labels;
    std::unordered_map<std::string, std::vector<std::string>> branch_targets;
  };
  struct Reference {
    size_t scope, instruction;
    std::string label;
    uint32_t line;
    bool list;
  };
  Status resolve(const Reference &r);
  Status find_label(const Reference &r, const std::string &name, uint32_t *at) const;
  Register allocate(uint32_t bits);
  Status decode(const Statement &s, Instr &i);
  Status decode_plain(const Plain &p, const Statement &s, Instr &i);
  Status constant_of(const Statement &s, const Operand &o, uint32_t bits, uint32_t *place);

  std::shared_ptr<Program> owned_;
  std::vector<Scope> scopes_;
  size_t scope_ = 0;
  std::vector<Reference> references_;
  std::map<std::pair<uint64_t, bool>, uint32_t> values_;
  std::map<Special, uint32_t> specials_;
  std::map<std::pair<const void *, uint64_t>, uint32_t> addresses_;
};

} // namespace ingot::emulator
