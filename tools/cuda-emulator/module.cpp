// Reads a PTX text: directives and declarations here, instructions through the assembler.
#include "assembler.h"
#include "runtime/base/checked.h"
#include <algorithm>
#include <map>

namespace ingot::emulator {

namespace {

struct ElementType {
  size_t bytes = 0;
  bool floating = false;
};

// ".b8" ... ".f64", as they stand in declarations; 0 bytes when it is none.
ElementType element_type(std::string_view text) {
  for (size_t bytes : {1, 2, 4, 8})
    for (const char *kind : {".b", ".u", ".s", ".f"})
      if (text == kind + std::to_string(bytes * 8)) return {bytes, kind[1] == 'f'};
  return {};
}

class ModuleParser {
public:
  ModuleParser(const std::vector<Token> &tokens, Module &module) : reader_(tokens), module_(module) {}
  Status parse();

private:
  struct Declaration {
    std::string_view name;
    size_t size = 0, align = 1, element = 0;
    bool floating = false, array = false, unsized = false;
    uint32_t line = 0;
  };
  Status parse_directive(bool *handled);
  Status parse_declaration(Declaration *d);
  Status parse_variable(Space space, bool visible, bool external);
  Status parse_initialiser(const Declaration &d, Variable *v);
  Status parse_element(const Declaration &d, Variable *v, size_t index);
  Status parse_entry(bool visible);
  Status parse_parameters(Assembler &assembler);
  Status parse_tuning(Entry &entry, bool *handled);
  Status parse_body(Assembler &assembler);
  Status parse_targets(Assembler &assembler, const Token &name);
  Status parse_local(Assembler &assembler, Space space);
  Status declare_shared(Assembler &assembler, const Declaration &d);
  void skip_line(uint32_t line);
  Status skip_braces();

  TokenReader reader_;
  Module &module_;
  std::vector<Declaration> shared_; // at module scope; an entry lays out what it names
  std::map<std::string, Symbol, std::less<>> globals_;
};

void ModuleParser::skip_line(uint32_t line) {
  while (reader_.peek().kind != Token::end && reader_.peek().line == line) reader_.next();
}

Status ModuleParser::skip_braces() {
  INGOT_TRY(reader_.expect("{"));
  for (size_t depth = 1; depth;) {
    const Token &t = reader_.next();
    if (t.kind == Token::end) return reader_.error(t, "a brace is not closed");
    depth += t.is("{");
    depth -= t.is("}");
  }
  return {};
}

// What may stand at module scope and in bodies alike, and changes nothing.
Status ModuleParser::parse_directive(bool *handled) {
  const Token &t = reader_.peek();
  *handled = true;
  if (t.is(".file") || t.is(".loc")) {
    skip_line(t.line);
    return {};
  }
  if (t.is(".section")) { // debug information
    while (!reader_.peek().is("{") && reader_.peek().kind != Token::end) reader_.next();
    return skip_braces();
  }
  if (t.is(".pragma")) {
    while (!reader_.accept(";"))
      if (reader_.next().kind == Token::end) return reader_.error(t, "a pragma without its end");
    return {};
  }
  *handled = false;
  return {};
}

// [.align N] .type name [ [n]... ]
Status ModuleParser::parse_declaration(Declaration *d) {
  d->line = reader_.peek().line;
  bool aligned = false, pointer = false; // the alignment behind .ptr is that of what it points to
  while (true) {
    const Token &t = reader_.next();
    if (t.is(".align")) {
      int64_t align;
      INGOT_TRY(reader_.parse_integer(&align));
      if (align < 1 || align > 4096 || (align & (align - 1)))
        return reader_.error(t, "an alignment that is no power of two");
      if (!pointer) d->align = size_t(align);
      aligned |= !pointer;
    } else if (t.is(".ptr")) {
      pointer = true;
    } else if (t.is(".global") || t.is(".shared") || t.is(".const") || t.is(".local")) {
      continue; // .param .u64 .ptr .global .align 16 name
    } else if (ElementType e = element_type(t.text); e.bytes) {
      d->element = e.bytes;
      d->floating = e.floating;
      if (!aligned) d->align = e.bytes;
    } else if (t.kind == Token::word && t.text[0] != '.' && d->element) {
      d->name = t.text;
      break;
    } else {
      return reader_.error(t, "a declaration that the emulator does not know");
    }
  }
  if (d->align < d->element && !aligned) d->align = d->element;
  d->size = d->element;
  while (reader_.accept("[")) {
    d->array = true;
    if (reader_.accept("]")) {
      d->unsized = true;
      continue;
    }
    int64_t n;
    INGOT_TRY(reader_.parse_integer(&n));
    if (n < 0 || !checked_mul(d->size, size_t(n), &d->size) || d->size > size_t(1) << 40)
      return reader_.error(reader_.peek(), "an array that is too large");
    INGOT_TRY(reader_.expect("]"));
  }
  if (d->unsized) d->size = 0;
  return {};
}

Status ModuleParser::parse_element(const Declaration &d, Variable *v, size_t index) {
  const Token &t = reader_.peek();
  if ((index + 1) * d.element > v->initialiser.size()) return reader_.error(t, "more initial values than elements");
  uint8_t *at = v->initialiser.data() + index * d.element;
  if (t.kind == Token::word) { // the address of a variable: name, name+4 or generic(name)
    bool generic = t.is("generic");
    if (generic) {
      reader_.next();
      INGOT_TRY(reader_.expect("("));
    }
    if (d.element != 8) return reader_.error(t, "the address of a variable needs 64 bits");
    Variable::Reference r{index * d.element, std::string(reader_.next().text), 0};
    if (generic) INGOT_TRY(reader_.expect(")"));
    if (reader_.accept("+")) INGOT_TRY(reader_.parse_integer(&r.addend));
    v->references.push_back(std::move(r));
    return {};
  }
  Statement s;
  bool minus = reader_.accept("-");
  std::string text(reader_.next().text);
  uint64_t bits;
  if (text.size() == 10 && (text[1] | 32) == 'f' && text[0] == '0') {
    bits = strtoull(text.c_str() + 2, nullptr, 16);
    if (d.element == 8) bits = std::bit_cast<uint64_t>(double(std::bit_cast<float>(uint32_t(bits))));
    if (minus) bits ^= uint64_t(1) << (d.element * 8 - 1);
  } else if (text.size() == 18 && (text[1] | 32) == 'd' && text[0] == '0') {
    bits = strtoull(text.c_str() + 2, nullptr, 16);
    if (d.element == 4) bits = std::bit_cast<uint32_t>(float(std::bit_cast<double>(bits)));
    if (minus) bits ^= uint64_t(1) << (d.element * 8 - 1);
  } else if (text.find('.') != text.npos) {
    double value = strtod(text.c_str(), nullptr) * (minus ? -1 : 1);
    bits = d.element == 4 ? std::bit_cast<uint32_t>(float(value)) : std::bit_cast<uint64_t>(value);
  } else {
    char *end;
    bits = strtoull(text.c_str(), &end, 0);
    if (*end == 'U') ++end;
    if (*end || text.empty()) return reader_.error(t, "expected an initial value");
    if (minus) bits = 0 - bits;
  }
  memcpy(at, &bits, d.element);
  return {};
}

Status ModuleParser::parse_initialiser(const Declaration &d, Variable *v) {
  if (d.size > size_t(1) << 30) return reader_.error(reader_.peek(), "an initialised array that is too large");
  if (!reader_.accept("{")) {
    v->initialiser.resize(d.size);
    return d.array ? reader_.error(reader_.peek(), "expected '{'") : parse_element(d, v, 0);
  }
  v->initialiser.resize(d.size);
  size_t index = 0, depth = 1; // nested braces of arrays of arrays are flat in memory when complete
  while (depth) {
    if (reader_.accept("{")) {
      ++depth;
    } else if (reader_.accept("}")) {
      --depth;
      if (depth) reader_.accept(",");
    } else {
      INGOT_TRY(parse_element(d, v, index++));
      if (!reader_.peek().is("}")) INGOT_TRY(reader_.expect(","));
    }
  }
  return {};
}

Status ModuleParser::parse_variable(Space space, bool visible, bool external) {
  while (true) {
    Declaration d;
    INGOT_TRY(parse_declaration(&d));
    if (globals_.count(std::string(d.name))) return reader_.error(reader_.peek(), "a variable declared twice");
    if (space == Space::shared) {
      if (d.unsized && !external) return reader_.error(reader_.peek(), "an array of shared memory without a size");
      if (!d.unsized && external) return reader_.error(reader_.peek(), "an extern variable defined elsewhere");
      shared_.push_back(d);
    } else {
      if (d.unsized || external) return reader_.error(reader_.peek(), "an extern variable defined elsewhere");
      auto v = std::make_unique<Variable>();
      v->name = d.name;
      v->space = space;
      v->size = d.size;
      v->align = d.align;
      v->visible = visible;
      if (reader_.accept("=")) INGOT_TRY(parse_initialiser(d, v.get()));
      globals_[v->name] = {Symbol::variable, v.get(), 0, d.size};
      module_.variables.push_back(std::move(v));
    }
    if (reader_.accept(";")) return {};
    INGOT_TRY(reader_.expect(","));
  }
}

// Module-scope .shared variables belong to an entry only if it names them; all are laid out, as ptxas does per kernel
// for those in use. The dynamic array starts behind the static ones.
Status ModuleParser::declare_shared(Assembler &assembler, const Declaration &d) {
  Entry &entry = assembler.entry;
  if (d.unsized) {
    entry.dynamic_align = std::max(entry.dynamic_align, d.align);
    return assembler.declare_symbol(d.name, {Symbol::dynamic_shared, nullptr, 0, 0}, d.line);
  }
  size_t at = align_up(entry.static_shared, d.align);
  entry.static_shared = at + d.size;
  return assembler.declare_symbol(d.name, {Symbol::shared, nullptr, at, d.size}, d.line);
}

Status ModuleParser::parse_parameters(Assembler &assembler) {
  if (!reader_.accept("(")) return {};
  Entry &entry = assembler.entry;
  while (!reader_.accept(")")) {
    INGOT_TRY(reader_.expect(".param"));
    Declaration d;
    INGOT_TRY(parse_declaration(&d));
    Parameter p{std::string(d.name), align_up(entry.parameter_bytes, d.align), d.size, d.align};
    entry.parameter_bytes = p.offset + p.size;
    if (entry.parameter_bytes > 32764) return reader_.error(reader_.peek(), "more than 32764 bytes of parameters");
    INGOT_TRY(assembler.declare_symbol(d.name, {Symbol::parameter, nullptr, p.offset, p.size}, d.line));
    entry.parameters.push_back(std::move(p));
    if (!reader_.peek().is(")")) INGOT_TRY(reader_.expect(","));
  }
  return {};
}

Status ModuleParser::parse_tuning(Entry &entry, bool *handled) {
  const Token &t = reader_.peek();
  *handled = true;
  bool required = t.is(".reqntid");
  int64_t n = 0;
  if (required || t.is(".maxntid")) {
    reader_.next();
    int64_t size[3] = {1, 1, 1};
    for (int k = 0; k < 3; ++k) {
      INGOT_TRY(reader_.parse_integer(&size[k]));
      if (size[k] < 1 || size[k] > 1024) return reader_.error(t, "a block size outside 1 to 1024");
      if (!reader_.accept(",")) break;
    }
    entry.max_threads = uint32_t(size[0] * size[1] * size[2]);
    for (int k = 0; required && k < 3; ++k) entry.required_block[k] = uint32_t(size[k]);
    return {};
  }
  if (t.is(".minnctapersm")) {
    reader_.next();
    INGOT_TRY(reader_.parse_integer(&n));
    entry.minimum_ctas = uint32_t(std::clamp<int64_t>(n, 0, 64));
    return {};
  }
  if (t.is(".maxnreg")) {
    reader_.next();
    return reader_.parse_integer(&n);
  }
  return parse_directive(handled); // .pragma
}

// .shared and .local declarations inside a body.
Status ModuleParser::parse_local(Assembler &assembler, Space space) {
  Declaration d;
  INGOT_TRY(parse_declaration(&d));
  INGOT_TRY(reader_.expect(";"));
  if (space == Space::shared) return declare_shared(assembler, d);
  Entry &entry = assembler.entry;
  size_t at = align_up(entry.local_bytes, d.align);
  entry.local_bytes = at + d.size;
  if (entry.local_bytes > 512 << 10) return reader_.error(reader_.peek(), "more than 512 KiB of local memory");
  return assembler.declare_symbol(d.name, {Symbol::local, nullptr, at, d.size}, d.line);
}

// name: .branchtargets a, b, c;
Status ModuleParser::parse_targets(Assembler &assembler, const Token &name) {
  reader_.next();
  std::vector<std::string_view> labels;
  while (true) {
    const Token &label = reader_.next();
    if (label.kind != Token::word) return reader_.error(label, "expected a label");
    labels.push_back(label.text);
    if (reader_.accept(";")) return assembler.branch_targets(name.text, labels, name.line);
    INGOT_TRY(reader_.expect(","));
  }
}

Status ModuleParser::parse_body(Assembler &assembler) {
  INGOT_TRY(reader_.expect("{"));
  for (size_t depth = 1; depth;) {
    const Token &t = reader_.peek();
    bool handled;
    INGOT_TRY(parse_directive(&handled));
    if (handled) continue;
    if (t.kind == Token::end) return reader_.error(t, "a body without its end");
    if (reader_.accept("{")) {
      ++depth;
      assembler.open_scope();
    } else if (reader_.accept("}")) {
      --depth;
      assembler.close_scope();
    } else if (reader_.accept(".reg")) {
      INGOT_TRY(assembler.declare_registers(reader_));
    } else if (reader_.accept(".shared")) {
      INGOT_TRY(parse_local(assembler, Space::shared));
    } else if (reader_.accept(".local")) {
      INGOT_TRY(parse_local(assembler, Space::global));
    } else if (reader_.accept(";")) {
      continue;
    } else if (t.kind == Token::word && reader_.peek(1).is(":")) {
      reader_.next();
      reader_.next();
      INGOT_TRY(reader_.peek().is(".branchtargets") ? parse_targets(assembler, t) : assembler.label(t.text, t.line));
    } else if (t.kind == Token::word && t.text[0] == '.') {
      return reader_.error(t, "a directive that the emulator does not know");
    } else {
      Statement s;
      INGOT_TRY(reader_.parse_statement(&s));
      INGOT_TRY(assembler.instruction(s));
    }
  }
  return {};
}

Status ModuleParser::parse_entry(bool) {
  const Token &name = reader_.next();
  if (name.kind != Token::word) return reader_.error(name, "expected the entry's name");
  if (module_.entry(name.text)) return reader_.error(name, "an entry defined twice");
  auto &entry = *module_.entries.emplace_back(std::make_unique<Entry>());
  entry.name = name.text;
  Assembler assembler(module_, entry);
  for (auto &[text, symbol] : globals_) INGOT_TRY(assembler.declare_symbol(text, symbol, name.line));
  assembler.open_scope(); // parameters and locals may shadow module names
  INGOT_TRY(parse_parameters(assembler));
  while (!reader_.peek().is("{")) {
    bool handled;
    INGOT_TRY(parse_tuning(entry, &handled));
    if (!handled) return reader_.error(reader_.peek(), "a directive that the emulator does not know");
  }
  // Only the shared variables that this body names take space in it.
  std::vector<std::string_view> named;
  for (size_t k = 0, depth = 0; reader_.peek(k).kind != Token::end; ++k) {
    const Token &t = reader_.peek(k);
    if (t.kind == Token::word) named.push_back(t.text);
    depth += t.is("{");
    if (t.is("}") && --depth == 0) break;
  }
  std::sort(named.begin(), named.end());
  for (const Declaration &d : shared_)
    if (std::binary_search(named.begin(), named.end(), d.name)) INGOT_TRY(declare_shared(assembler, d));
  assembler.open_scope();
  INGOT_TRY(parse_body(assembler));
  return assembler.finish();
}

Status ModuleParser::parse() {
  while (reader_.peek().kind != Token::end) {
    const Token &t = reader_.peek();
    bool handled;
    INGOT_TRY(parse_directive(&handled));
    if (handled) continue;
    if (reader_.accept(".version")) {
      module_.version = reader_.next().text;
    } else if (reader_.accept(".target")) {
      module_.target = reader_.next().text;
      while (reader_.accept(",")) reader_.next();
    } else if (reader_.accept(".address_size")) {
      int64_t bits;
      INGOT_TRY(reader_.parse_integer(&bits));
      if (bits != 64) return reader_.error(t, "only 64-bit addresses are emulated");
    } else {
      bool visible = false, external = false;
      while (true) {
        if (reader_.accept(".visible") || reader_.accept(".weak") || reader_.accept(".common"))
          visible = true;
        else if (reader_.accept(".extern"))
          external = true;
        else
          break;
      }
      if (reader_.accept(".entry"))
        INGOT_TRY(parse_entry(visible));
      else if (reader_.accept(".global"))
        INGOT_TRY(parse_variable(Space::global, visible, external));
      else if (reader_.accept(".const"))
        INGOT_TRY(parse_variable(Space::constant, visible, external));
      else if (reader_.accept(".shared"))
        INGOT_TRY(parse_variable(Space::shared, visible, external));
      else
        return reader_.error(reader_.peek(), "a directive that the emulator does not know");
    }
  }
  if (module_.version.empty() || module_.target.empty())
    return Status::error(Code::bad_input, "PTX line 1: no .version and .target: this is not PTX");
  return {};
}

} // namespace

const Entry *Module::entry(std::string_view name) const {
  for (auto &e : entries)
    if (e->name == name) return e.get();
  return nullptr;
}

const Variable *Module::variable(std::string_view name) const {
  for (auto &v : variables)
    if (v->name == name) return v.get();
  return nullptr;
}

Status parse(std::string_view text, Module *module) {
  while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
  std::vector<Token> tokens;
  INGOT_TRY(tokenize(text, &tokens));
  return ModuleParser(tokens, *module).parse();
}

Status load(Module &module, Memory &memory) {
  for (auto &v : module.variables) {
    if (!v->size) continue;
    v->address = memory.allocate(v->size, false, v->space == Space::constant);
    if (!v->address) return Status::error(Code::no_memory, "no room for the variable '%.100s'", v->name.c_str());
    if (!v->initialiser.empty()) memcpy(reinterpret_cast<void *>(v->address), v->initialiser.data(), v->size);
    memory.mark_written(v->address, v->size); // zeroes otherwise, as PTX says
  }
  for (auto &v : module.variables)
    for (const Variable::Reference &r : v->references) {
      const Variable *to = module.variable(r.symbol);
      if (!to)
        return Status::error(Code::bad_input, "'%.80s' refers to '%.80s', which is no variable", v->name.c_str(),
                             r.symbol.c_str());
      uint64_t address = to->address + uint64_t(r.addend);
      memcpy(reinterpret_cast<void *>(v->address + r.offset), &address, 8);
    }
  return {};
}

void unload(Module &module, Memory &memory) {
  for (auto &v : module.variables) {
    if (v->address) memory.release(v->address);
    v->address = 0;
  }
}

} // namespace ingot::emulator
