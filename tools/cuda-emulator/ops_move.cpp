// mov in all its forms (registers, immediates, special registers, addresses, packing), cvta, isspacep.
#include "assembler.h"
#include <chrono>

namespace ingot::emulator {

namespace {

template <class T> T copy(T a) { return a; }

Next move_predicate(const Instr &i, Warp &w, uint32_t mask) {
  set_bits(w.pred[i.d], mask, w.pred[i.a] ^ i.x);
  return Next::step;
}

// One wide register from the parts in Program::lists, lowest first: `flags` bits each, `x` of them; `y`: 64 bits wide.
Next pack_parts(const Instr &i, Warp &w, uint32_t mask) {
  const uint32_t *parts = &w.cta->program->lists[i.list];
  each_lane(mask, [&](uint32_t l) {
    uint64_t v = 0;
    for (uint32_t k = 0; k < i.x; ++k) v |= uint64_t(w.at<uint32_t>(parts[k])[l]) << k * i.flags;
    if (i.y)
      w.at<uint64_t>(i.d)[l] = v;
    else
      w.at<uint32_t>(i.d)[l] = uint32_t(v);
  });
  return Next::step;
}

Next unpack_parts(const Instr &i, Warp &w, uint32_t mask) {
  const uint32_t *parts = &w.cta->program->lists[i.list];
  uint64_t low = (uint64_t(1) << i.flags) - 1;
  each_lane(mask, [&](uint32_t l) {
    uint64_t v = i.y ? w.at<uint64_t>(i.a)[l] : w.at<uint32_t>(i.a)[l];
    for (uint32_t k = 0; k < i.x; ++k) w.at<uint32_t>(parts[k])[l] = uint32_t(v >> k * i.flags & low);
  });
  return Next::step;
}

uint32_t pack16(uint16_t low, uint16_t high) { return uint32_t(low) | uint32_t(high) << 16; }
uint64_t pack32(uint32_t low, uint32_t high) { return uint64_t(low) | uint64_t(high) << 32; }

Next unpack16(const Instr &i, Warp &w, uint32_t mask) {
  if (mask != ~0u) return unpack_parts(i, w, mask);
  const uint32_t *parts = &w.cta->program->lists[i.list], *a = w.at<uint32_t>(i.a);
  uint32_t *low = w.at<uint32_t>(parts[0]), *high = w.at<uint32_t>(parts[1]);
  INGOT_LANES
  for (int l = 0; l < 32; ++l) low[l] = a[l] & 0xffff;
  INGOT_LANES
  for (int l = 0; l < 32; ++l) high[l] = a[l] >> 16;
  return Next::step;
}

Next read_clock(const Instr &i, Warp &w, uint32_t mask) {
  uint64_t now = w.executed + w.cta->worker->counters.warp_instructions;
  if (i.x == 2) now = uint64_t(std::chrono::steady_clock::now().time_since_epoch().count());
  each_lane(mask, [&](uint32_t l) {
    if (i.y)
      w.at<uint64_t>(i.d)[l] = now;
    else
      w.at<uint32_t>(i.d)[l] = uint32_t(now);
  });
  return Next::step;
}

Status decode_clock(Assembler &a, const Statement &s, Instr &i, uint32_t bits) {
  std::string_view name = s.operands[1].text;
  bool wide = name == "%clock64" || name == "%globaltimer";
  if (bits != (wide ? 64u : 32u)) return a.error(s, "the register's width is not this");
  i.run = read_clock;
  i.op_class = OpClass::special;
  i.x = name.starts_with("%globaltimer") ? 2 : 1;
  i.y = wide;
  return a.destination(s, s.operands[0], bits, &i.d);
}

// mov.b32 d, {a, b}  and  mov.b32 {a, b}, d
Status decode_packing(Assembler &a, const Statement &s, Instr &i, uint32_t bits, bool packs) {
  const Operand &vector = s.operands[packs ? 1 : 0], &whole = s.operands[packs ? 0 : 1];
  uint32_t n = uint32_t(vector.parts.size());
  if (bits < 32 || (n != 2 && n != 4)) return a.unknown(s);
  uint32_t each = bits / n;
  i.flags = uint8_t(each);
  i.x = n;
  i.y = bits == 64;
  i.list = uint32_t(a.program.lists.size());
  INGOT_TRY(packs ? a.destination(s, whole, bits, &i.d) : a.source(s, whole, bits, &i.a));
  for (const Operand &part : vector.parts) {
    uint32_t place;
    INGOT_TRY(packs ? a.source(s, part, each, &place) : a.destination(s, part, each, &place));
    if (!packs && place == i.a) return a.error(s, "a register is unpacked onto itself");
    a.program.lists.push_back(place);
  }
  i.run = packs ? pack_parts : unpack_parts;
  if (packs && n == 2 && i.d != a.program.lists[i.list]) {
    i.a = a.program.lists[i.list];
    i.b = a.program.lists[i.list + 1];
    i.run = bits == 64 ? &Elementwise<pack32>::run : &Elementwise<pack16>::run;
  } else if (!packs && each == 16 && n == 2) {
    i.run = unpack16;
  }
  return {};
}

Status decode_mov(Assembler &a, const Statement &s, Instr &i) {
  i.op_class = OpClass::move;
  INGOT_TRY(a.count(s, 2, 2));
  if (s.opcode == "mov.pred") {
    i.run = move_predicate;
    INGOT_TRY(a.predicate_destination(s, s.operands[0], &i.d));
    return a.predicate_source(s, s.operands[1], &i.a, &i.x);
  }
  uint32_t bits = 0;
  for (uint32_t b : {16, 32, 64})
    for (const char *kind : {"mov.b", "mov.u", "mov.s", "mov.f"})
      if (s.opcode == kind + std::to_string(b)) bits = b;
  if (s.opcode == "mov.f16x2" || s.opcode == "mov.bf16x2") bits = 32;
  if (s.opcode == "mov.bf16") bits = 16;
  if (!bits) return a.unknown(s);
  if (s.operands[1].kind == Operand::vector) return decode_packing(a, s, i, bits, true);
  if (s.operands[0].kind == Operand::vector) return decode_packing(a, s, i, bits, false);
  std::string_view from = s.operands[1].text;
  if (from == "%clock" || from == "%clock64" || from.starts_with("%globaltimer")) return decode_clock(a, s, i, bits);
  INGOT_TRY(a.destination(s, s.operands[0], bits, &i.d));
  INGOT_TRY(a.source(s, s.operands[1], bits, &i.a));
  i.run = bits == 64 ? &Elementwise<copy<uint64_t>>::run : &Elementwise<copy<uint32_t>>::run;
  return {};
}

uint64_t to_shared(uint64_t a) { return a - shared_window; }
uint64_t from_shared(uint64_t a) { return a + shared_window; }
uint64_t to_local(uint64_t a) { return a - local_window; }
uint64_t from_local(uint64_t a) { return a + local_window; }

// Global and constant addresses are generic ones already.
Status decode_cvta(Assembler &a, const Statement &s, Instr &i) {
  INGOT_TRY(a.count(s, 2, 2));
  i.op_class = OpClass::integer;
  std::string_view op = s.opcode;
  auto is = [&](const char *form, const char *space) { return op == std::string("cvta.") + form + space + ".u64"; };
  for (const char *space : {"global", "const"})
    if (is("", space) || is("to.", space)) i.run = &Elementwise<copy<uint64_t>>::run;
  for (const char *space : {"shared", "shared::cta"}) {
    if (is("", space)) i.run = &Elementwise<from_shared>::run;
    if (is("to.", space)) i.run = &Elementwise<to_shared>::run;
  }
  if (is("", "local")) i.run = &Elementwise<from_local>::run;
  if (is("to.", "local")) i.run = &Elementwise<to_local>::run;
  if (!i.run) return a.unknown(s);
  INGOT_TRY(a.destination(s, s.operands[0], 64, &i.d));
  return a.source(s, s.operands[1], 64, &i.a);
}

Next is_space(const Instr &i, Warp &w, uint32_t mask) {
  uint32_t bits = 0;
  each_lane(mask, [&](uint32_t l) {
    uint64_t address = w.at<uint64_t>(i.a)[l];
    bool shared = address - shared_window < window_size, local = address - local_window < window_size;
    bool is = i.x == 0 ? shared : i.x == 1 ? local : !shared && !local;
    bits |= uint32_t(is) << l;
  });
  set_bits(w.pred[i.d], mask, bits);
  return Next::step;
}

Status decode_isspacep(Assembler &a, const Statement &s, Instr &i) {
  INGOT_TRY(a.count(s, 2, 2));
  if (s.opcode == "isspacep.shared" || s.opcode == "isspacep.shared::cta")
    i.x = 0;
  else if (s.opcode == "isspacep.local")
    i.x = 1;
  else if (s.opcode == "isspacep.global")
    i.x = 2;
  else
    return a.unknown(s);
  i.run = is_space;
  INGOT_TRY(a.predicate_destination(s, s.operands[0], &i.d));
  return a.source(s, s.operands[1], 64, &i.a);
}

} // namespace

void add_move(Table &t) {
  t.decoders["mov"] = decode_mov;
  t.decoders["cvta"] = decode_cvta;
  t.decoders["isspacep"] = decode_isspacep;
}

} // namespace ingot::emulator
