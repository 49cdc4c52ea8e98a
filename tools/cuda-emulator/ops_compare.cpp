// Comparisons and selection: setp with its combinations, set, selp, slct, and logic on predicates.
#include "assembler.h"
#include "rounding.h"
#include <immintrin.h>

namespace ingot::emulator {

namespace {

// Comparisons of floats come ordered (a NaN makes them false) and unordered (true).
enum class Compare : uint8_t { eq, ne, lt, le, gt, ge, equ, neu, ltu, leu, gtu, geu, num, nan };

template <Compare C, class T> inline bool compare(T a, T b) {
  switch (C) {
  case Compare::eq:
    return a == b;
  case Compare::ne:
    return std::is_floating_point_v<T> ? a < b || a > b : a != b;
  case Compare::lt:
    return a < b;
  case Compare::le:
    return a <= b;
  case Compare::gt:
    return a > b;
  case Compare::ge:
    return a >= b;
  case Compare::equ:
    return !(a < b || a > b);
  case Compare::neu:
    return !(a == b);
  case Compare::ltu:
    return !(a >= b);
  case Compare::leu:
    return !(a > b);
  case Compare::gtu:
    return !(a <= b);
  case Compare::geu:
    return !(a < b);
  case Compare::num:
    return a == a && b == b;
  case Compare::nan:
    return !(a == a && b == b);
  }
  return false;
}

// How a comparison reads its operands: as they are, or halves widened.
template <class T> struct Read {
  using Value = T;
  static T get(Stored<T> s, bool ftz) {
    if constexpr (std::is_same_v<T, float>)
      return ftz ? flush(unpack<T>(s)) : unpack<T>(s);
    else
      return unpack<T>(s);
  }
};
template <> struct Read<Half> {
  using Value = float;
  static float get(uint32_t s, bool) { return half_to_float(uint16_t(s)); }
};
template <> struct Read<BFloat> {
  using Value = float;
  static float get(uint32_t s, bool) { return bfloat_to_float(uint16_t(s)); }
};

uint32_t gather_bits(const uint32_t *words) {
  uint32_t r = 0;
  for (int k = 0; k < 4; ++k) {
    __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(words + 8 * k));
    r |= uint32_t(_mm256_movemask_ps(_mm256_castsi256_ps(v))) << 8 * k;
  }
  return r;
}

constexpr uint8_t flag_ftz = 1;

// Bit l: the comparison in lane l. Lanes outside of any mask are compared too; their result is not used.
template <Compare C, class T> uint32_t compare_lanes(const Instr &i, Warp &w) {
  const auto *a = w.at<Stored<T>>(i.a), *b = w.at<Stored<T>>(i.b);
  uint32_t result[32];
  if (i.flags & flag_ftz) {
    for (int l = 0; l < 32; ++l)
      result[l] = 0 - uint32_t(compare<C>(Read<T>::get(a[l], true), Read<T>::get(b[l], true)));
  } else {
    INGOT_LANES
    for (int l = 0; l < 32; ++l)
      result[l] = 0 - uint32_t(compare<C>(Read<T>::get(a[l], false), Read<T>::get(b[l], false)));
  }
  return gather_bits(result);
}

using Comparison = uint32_t (*)(const Instr &, Warp &);

template <Compare C, class T> Next set_predicate(const Instr &i, Warp &w, uint32_t mask) {
  set_bits(w.pred[i.d], mask, compare_lanes<C, T>(i, w));
  return Next::step;
}

// setp with a second destination (the negation) or a predicate to combine with. `c` the predicate, `y` its negation,
// `x`: 0 none, 1 and, 2 or, 3 xor; the second destination in `target`.
template <Compare C, class T> Next set_predicates(const Instr &i, Warp &w, uint32_t mask) {
  uint32_t t = compare_lanes<C, T>(i, w), other = w.pred[i.c] ^ i.y;
  auto combine = [&](uint32_t v) { return i.x == 1 ? v & other : i.x == 2 ? v | other : i.x == 3 ? v ^ other : v; };
  set_bits(w.pred[i.d], mask, combine(t));
  set_bits(w.pred[i.target], mask, combine(~t));
  return Next::step;
}

// set: all ones or zero (1.0 or 0.0 for float results) in a register. `imm`: what true is.
template <Compare C, class T> Next set_register(const Instr &i, Warp &w, uint32_t mask) {
  uint32_t t = compare_lanes<C, T>(i, w), other = w.pred[i.c] ^ i.y;
  t = i.x == 1 ? t & other : i.x == 2 ? t | other : i.x == 3 ? t ^ other : t;
  each_lane(mask, [&](uint32_t l) { w.at<uint32_t>(i.d)[l] = t >> l & 1 ? uint32_t(i.imm) : 0; });
  return Next::step;
}

struct Runs {
  Run simple, full, to_register;
};
template <Compare C, class T> constexpr Runs runs = {set_predicate<C, T>, set_predicates<C, T>, set_register<C, T>};

template <class T> Runs runs_of(std::string_view name) {
  constexpr bool floating = std::is_floating_point_v<typename Read<T>::Value>;
  static const std::map<std::string_view, Runs> ordered = {{"eq", runs<Compare::eq, T>}, {"ne", runs<Compare::ne, T>},
                                                           {"lt", runs<Compare::lt, T>}, {"le", runs<Compare::le, T>},
                                                           {"gt", runs<Compare::gt, T>}, {"ge", runs<Compare::ge, T>}};
  auto it = ordered.find(name);
  if (it != ordered.end()) return it->second;
  if constexpr (floating) {
    static const std::map<std::string_view, Runs> unordered = {
        {"equ", runs<Compare::equ, T>}, {"neu", runs<Compare::neu, T>}, {"ltu", runs<Compare::ltu, T>},
        {"leu", runs<Compare::leu, T>}, {"gtu", runs<Compare::gtu, T>}, {"geu", runs<Compare::geu, T>},
        {"num", runs<Compare::num, T>}, {"nan", runs<Compare::nan, T>}};
    auto found = unordered.find(name);
    if (found != unordered.end()) return found->second;
  } else if constexpr (std::is_unsigned_v<T>) {
    static const std::map<std::string_view, Runs> names = {{"lo", runs<Compare::lt, T>},
                                                           {"ls", runs<Compare::le, T>},
                                                           {"hi", runs<Compare::gt, T>},
                                                           {"hs", runs<Compare::ge, T>}};
    auto found = names.find(name);
    if (found != names.end()) return found->second;
  }
  return {};
}

// The functions for an operand type, and its width.
Runs runs_of_type(std::string_view type, std::string_view name, uint32_t *bits) {
  *bits = type.ends_with("64") ? 64 : type.ends_with("32") ? 32 : 16;
  bool bit_type = type[0] == 'b' && type != "bf16";
  if (bit_type && name != "eq" && name != "ne") return {};
  if (type == "u16" || type == "b16") return runs_of<uint16_t>(name);
  if (type == "u32" || type == "b32") return runs_of<uint32_t>(name);
  if (type == "u64" || type == "b64") return runs_of<uint64_t>(name);
  if (type == "s16") return runs_of<int16_t>(name);
  if (type == "s32") return runs_of<int32_t>(name);
  if (type == "s64") return runs_of<int64_t>(name);
  if (type == "f32") return runs_of<float>(name);
  if (type == "f64") return runs_of<double>(name);
  if (type == "f16") return runs_of<Half>(name);
  if (type == "bf16") return runs_of<BFloat>(name);
  return {};
}

uint32_t combination(std::string_view m) { return m == "and" ? 1 : m == "or" ? 2 : m == "xor" ? 3 : 0; }

// setp.CMP{.BOOL}{.ftz}.TYPE p{|q}, a, b{, {!}c}   and   set.CMP{.BOOL}{.ftz}.DTYPE.TYPE d, a, b{, {!}c}
Status decode_set(Assembler &a, const Statement &s, Instr &i) {
  auto m = s.modifiers();
  bool to_predicate = m[0] == "setp";
  size_t k = 2;
  if (m.size() > k) i.x = combination(m[k]);
  if (i.x) ++k;
  if (m.size() > k && m[k] == "ftz") {
    i.flags |= flag_ftz;
    ++k;
  }
  if (m.size() != k + (to_predicate ? 1 : 2)) return a.unknown(s);
  uint32_t bits;
  Runs r = runs_of_type(m.back(), m[1], &bits);
  if (!r.simple || ((i.flags & flag_ftz) && m.back() != "f32" && bits != 16)) return a.unknown(s);
  i.op_class = OpClass::compare;
  i.target = pred_sink;
  INGOT_TRY(a.count(s, i.x ? 4 : 3, i.x ? 4 : 3));
  const Operand &d = s.operands[0];
  i.run = i.x || d.kind == Operand::pair ? r.full : r.simple;
  if (!to_predicate) {
    i.run = r.to_register;
    std::string_view type = m[k];
    if (type != "u32" && type != "s32" && type != "f32") return a.unknown(s);
    i.imm = type == "f32" ? 0x3f800000 : 0xffffffff;
    INGOT_TRY(a.destination(s, d, 32, &i.d));
  } else if (d.kind == Operand::pair) {
    INGOT_TRY(a.predicate_destination(s, d.parts[0], &i.d));
    INGOT_TRY(a.predicate_destination(s, d.parts[1], &i.target));
  } else {
    INGOT_TRY(a.predicate_destination(s, d, &i.d));
  }
  INGOT_TRY(a.source(s, s.operands[1], bits, &i.a));
  INGOT_TRY(a.source(s, s.operands[2], bits, &i.b));
  return i.x ? a.predicate_source(s, s.operands[3], &i.c, &i.y) : Status();
}

template <class T> Next select(const Instr &i, Warp &w, uint32_t mask) {
  const T *a = w.at<T>(i.a), *b = w.at<T>(i.b);
  T *d = w.at<T>(i.d);
  uint32_t p = w.pred[i.c] ^ i.y;
  if (mask == ~0u) {
    INGOT_LANES
    for (int l = 0; l < 32; ++l) d[l] = p >> l & 1 ? a[l] : b[l];
  } else {
    each_lane(mask, [&](uint32_t l) { d[l] = p >> l & 1 ? a[l] : b[l]; });
  }
  return Next::step;
}

uint32_t type_bits(std::string_view type) {
  for (uint32_t bits : {16, 32, 64})
    for (const char *kind : {"b", "u", "s", "f"})
      if (type == kind + std::to_string(bits)) return bits;
  return type == "bf16" ? 16 : 0;
}

Status decode_selp(Assembler &a, const Statement &s, Instr &i) {
  auto m = s.modifiers();
  uint32_t bits = m.size() == 2 ? type_bits(m[1]) : 0;
  if (!bits) return a.unknown(s);
  INGOT_TRY(a.count(s, 4, 4));
  i.run = bits == 64 ? select<uint64_t> : select<uint32_t>;
  i.op_class = OpClass::compare;
  INGOT_TRY(a.destination(s, s.operands[0], bits, &i.d));
  INGOT_TRY(a.source(s, s.operands[1], bits, &i.a));
  INGOT_TRY(a.source(s, s.operands[2], bits, &i.b));
  return a.predicate_source(s, s.operands[3], &i.c, &i.y);
}

// slct: a if c >= 0, else b; a NaN selects b.
template <class T, class C> T select_sign(T a, T b, C c) { return c >= 0 ? a : b; }
template <class T> T select_sign_ftz(T a, T b, float c) { return flush(c) >= 0 ? a : b; }

template <class T> void add_slct(Table &t, const std::string &type) {
  constexpr auto c = OpClass::compare;
  add<select_sign<T, int32_t>>(t, c, "slct." + type + ".s32");
  add<select_sign<T, float>>(t, c, "slct." + type + ".f32");
  add<select_sign_ftz<T>>(t, c, "slct.ftz." + type + ".f32");
}

// and.pred and the like. `flags`: 1 and, 2 or, 3 xor, 4 not; negations of the sources in x and y.
Next predicate_logic(const Instr &i, Warp &w, uint32_t mask) {
  uint32_t a = w.pred[i.a] ^ i.x, b = w.pred[i.b] ^ i.y;
  set_bits(w.pred[i.d], mask, i.flags == 1 ? a & b : i.flags == 2 ? a | b : i.flags == 3 ? a ^ b : ~a);
  return Next::step;
}

Status decode_predicate_logic(Assembler &a, const Statement &s, Instr &i) {
  static const char *names[] = {"and.pred", "or.pred", "xor.pred", "not.pred"};
  for (uint8_t k = 0; k < 4; ++k)
    if (s.opcode == names[k]) i.flags = uint8_t(k + 1);
  if (!i.flags) return a.unknown(s);
  size_t sources = i.flags == 4 ? 1 : 2;
  INGOT_TRY(a.count(s, sources + 1, sources + 1));
  i.run = predicate_logic;
  i.op_class = OpClass::compare;
  INGOT_TRY(a.predicate_destination(s, s.operands[0], &i.d));
  INGOT_TRY(a.predicate_source(s, s.operands[1], &i.a, &i.x));
  return sources == 2 ? a.predicate_source(s, s.operands[2], &i.b, &i.y) : Status();
}

} // namespace

void add_compare(Table &t) {
  t.decoders["setp"] = t.decoders["set"] = decode_set;
  t.decoders["selp"] = decode_selp;
  for (const char *name : {"and", "or", "xor", "not"}) t.decoders[name] = decode_predicate_logic;
  for (const char *kind : {"b", "u", "s"}) {
    add_slct<uint16_t>(t, std::string(kind) + "16");
    add_slct<uint32_t>(t, std::string(kind) + "32");
    add_slct<uint64_t>(t, std::string(kind) + "64");
  }
  add_slct<uint32_t>(t, "f32");
  add_slct<uint64_t>(t, "f64");
}

} // namespace ingot::emulator
