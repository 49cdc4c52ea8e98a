// cvt between all integer and float types. The pairs that kernels live on have loops of their own; every other one goes
// through a value wide enough to hold any source exactly (long double: 64 bits of fraction), rounded once.
#include "assembler.h"
#include "rounding.h"
#include <limits>

namespace ingot::emulator {

namespace {

enum Type : uint8_t { u8, u16, u32, u64, s8, s16, s32, s64, f16, bf16, f32, f64, tf32, no_type };

struct TypeInfo {
  const char *name;
  uint8_t bits;
  bool is_float, is_signed;
};
constexpr TypeInfo types[] = {{"u8", 8, false, false},   {"u16", 16, false, false}, {"u32", 32, false, false},
                              {"u64", 64, false, false}, {"s8", 8, false, true},    {"s16", 16, false, true},
                              {"s32", 32, false, true},  {"s64", 64, false, true},  {"f16", 16, true, true},
                              {"bf16", 16, true, true},  {"f32", 32, true, true},   {"f64", 64, true, true},
                              {"tf32", 32, true, true}};

Type type_named(std::string_view name) {
  for (uint8_t k = 0; k < no_type; ++k)
    if (name == types[k].name) return Type(k);
  return no_type;
}

// What a conversion does, packed into Instr::x (types), flags and c, y (register widths).
constexpr uint8_t to_integer_value = 1, ftz = 2, sat = 4, relu = 8;

long double read(Type t, uint64_t bits, bool flush_it) {
  switch (t) {
  case u8:
    return uint8_t(bits);
  case u16:
    return uint16_t(bits);
  case u32:
    return uint32_t(bits);
  case u64:
    return static_cast<long double>(bits);
  case s8:
    return int8_t(bits);
  case s16:
    return int16_t(bits);
  case s32:
    return int32_t(bits);
  case s64:
    return static_cast<long double>(int64_t(bits));
  case f16:
    return half_to_float(uint16_t(bits));
  case bf16:
    return bfloat_to_float(uint16_t(bits));
  case f64:
    return std::bit_cast<double>(bits);
  default:
    break;
  }
  float v = std::bit_cast<float>(uint32_t(bits));
  return flush_it ? flush(v) : v;
}

long double to_whole(long double v, Round mode) {
  switch (mode) {
  case Round::zero:
    return std::trunc(v);
  case Round::down:
    return std::floor(v);
  case Round::up:
    return std::ceil(v);
  case Round::nearest_away:
    return std::round(v);
  case Round::nearest:
    break;
  }
  long double low = std::floor(v), rest = v - low;
  if (rest != 0.5L) return std::copysign(rest > 0.5L ? low + 1 : low, v);
  return std::copysign(std::fmod(low, 2.0L) == 0 ? low : low + 1, v);
}

uint64_t to_integer(long double v, Type from, Type to) {
  const TypeInfo &t = types[to];
  if (std::isnan(v)) return from == f64 || t.bits == 64 ? uint64_t(1) << (t.bits - 1) : 0;
  long double low = t.is_signed ? -std::ldexp(1.0L, t.bits - 1) : 0;
  long double high = std::ldexp(1.0L, t.is_signed ? t.bits - 1 : t.bits) - 1;
  v = v < low ? low : v > high ? high : v;
  return t.is_signed ? uint64_t(static_cast<long long>(v)) : static_cast<unsigned long long>(v);
}

uint64_t to_float(long double v, const Instr &i, Type to, Round mode) {
  if (i.flags & sat) v = v > 0 ? (v < 1 ? v : 1.0L) : 0.0L;
  if ((i.flags & relu) && v < 0) v = 0;
  if ((i.flags & relu) && v == 0) v = 0;
  uint64_t bits;
  switch (to) {
  case f16:
    bits = round_to(v, half_format, mode);
    break;
  case bf16:
    bits = round_to(v, bfloat_format, mode);
    break;
  case tf32:
    bits = round_to(v, {10, 127}, mode) << 13;
    break;
  case f64:
    return round_to(v, double_format, mode);
  default:
    bits = round_to(v, float_format, mode);
    break;
  }
  if (to == f32 && (i.flags & ftz)) bits = std::bit_cast<uint32_t>(flush(std::bit_cast<float>(uint32_t(bits))));
  return bits;
}

uint64_t convert(const Instr &i, Type from, Type to, Round mode, uint64_t bits) {
  const TypeInfo &source = types[from], &target = types[to];
  if (!source.is_float && !target.is_float) {
    long double v = read(from, bits, false);
    if (i.flags & sat) return to_integer(v, from, to);
    int64_t wide = source.is_signed ? int64_t(bits << (64 - source.bits)) >> (64 - source.bits)
                                    : int64_t(source.bits == 64 ? bits : bits & ((uint64_t(1) << source.bits) - 1));
    return uint64_t(wide);
  }
  long double v = read(from, bits, i.flags & ftz);
  if (i.flags & to_integer_value) v = to_whole(v, mode);
  return target.is_float ? to_float(v, i, to, mode) : to_integer(v, from, to);
}

// Result bits as a register of `width` bits holds a value of type `to`.
uint64_t widen(uint64_t bits, Type to, uint32_t width) {
  const TypeInfo &t = types[to];
  if (t.bits < 64) {
    bits &= (uint64_t(1) << t.bits) - 1;
    if (t.is_signed && !t.is_float) bits = uint64_t(int64_t(bits << (64 - t.bits)) >> (64 - t.bits));
  }
  return width < 64 ? bits & ((uint64_t(1) << width) - 1) : bits;
}

// `x`: from | to << 8 | mode << 16; `c`: bits of the source register, `y`: of the destination.
Next convert_any(const Instr &i, Warp &w, uint32_t mask) {
  Type from = Type(i.x & 255), to = Type(i.x >> 8 & 255);
  Round mode = Round(i.x >> 16);
  each_lane(mask, [&](uint32_t l) {
    uint64_t bits = i.c == 64 ? w.at<uint64_t>(i.a)[l] : w.at<uint32_t>(i.a)[l];
    bits = widen(convert(i, from, to, mode, bits), to, i.y);
    if (i.y == 64)
      w.at<uint64_t>(i.d)[l] = bits;
    else
      w.at<uint32_t>(i.d)[l] = uint32_t(bits);
  });
  return Next::step;
}

// Two floats into one register, the first operand above.
Next convert_pair(const Instr &i, Warp &w, uint32_t mask) {
  Type to = Type(i.x >> 8 & 255);
  Round mode = Round(i.x >> 16);
  each_lane(mask, [&](uint32_t l) {
    uint64_t high = convert(i, f32, to, mode, w.at<uint32_t>(i.a)[l]);
    uint64_t low = convert(i, f32, to, mode, w.at<uint32_t>(i.b)[l]);
    w.at<uint32_t>(i.d)[l] = uint32_t(high << 16 | low);
  });
  return Next::step;
}

// --- fast ones; integer to integer without saturation is one of four copies
uint32_t zero8(uint32_t a) { return a & 0xff; }
uint32_t zero16(uint32_t a) { return a & 0xffff; }
uint32_t sign8(uint32_t a) { return uint32_t(int32_t(int8_t(a))); }
uint32_t sign16(uint32_t a) { return uint32_t(int32_t(int16_t(a))); }
uint32_t same32(uint32_t a) { return a; }
uint32_t low32(uint64_t a) { return uint32_t(a); }
uint32_t low16(uint64_t a) { return uint32_t(a) & 0xffff; }
uint64_t zero32(uint32_t a) { return a; }
uint64_t sign32(uint32_t a) { return uint64_t(int64_t(int32_t(a))); }
uint64_t same64(uint64_t a) { return a; }
float from_s32(int32_t a) { return float(a); }
float from_u32(uint32_t a) { return float(a); }
float from_s8(uint32_t a) { return float(int8_t(a)); }
float from_u8(uint32_t a) { return float(uint8_t(a)); }
float from_s16(uint32_t a) { return float(int16_t(a)); }
float from_u16(uint32_t a) { return float(uint16_t(a)); }
float from_half(Half a) { return canonical(half_to_float(a.bits)); }
float from_bfloat(BFloat a) { return canonical(bfloat_to_float(a.bits)); }
Half to_half(float a) { return {float_to_half(a)}; }
BFloat to_bfloat(float a) { return {float_to_bfloat(a)}; }
uint32_t to_bfloat2(float high, float low) { return uint32_t(float_to_bfloat(high)) << 16 | float_to_bfloat(low); }
uint32_t to_half2(float high, float low) { return uint32_t(float_to_half(high)) << 16 | float_to_half(low); }
int32_t clamp_s32(float whole) { // NaN becomes 0
  if (!(whole == whole)) return 0;
  return whole >= 0x1p31f ? INT32_MAX : whole < -0x1p31f ? INT32_MIN : int32_t(whole);
}
int32_t truncate_s32(float a) { return clamp_s32(a); }
int32_t nearest_s32(float a) { return clamp_s32(__builtin_nearbyintf(a)); }
float nearest_f32(float a) { return canonical(__builtin_nearbyintf(a)); }

struct Quick {
  Run run;
  Type to, from;
  Round mode;
  bool whole;
};
const Quick quick[] = {
    {&Elementwise<from_s32>::run, f32, s32, Round::nearest, false},
    {&Elementwise<from_u32>::run, f32, u32, Round::nearest, false},
    {&Elementwise<from_s8>::run, f32, s8, Round::nearest, false},
    {&Elementwise<from_u8>::run, f32, u8, Round::nearest, false},
    {&Elementwise<from_s16>::run, f32, s16, Round::nearest, false},
    {&Elementwise<from_u16>::run, f32, u16, Round::nearest, false},
    {&Elementwise<from_half>::run, f32, f16, Round::nearest, false},
    {&Elementwise<from_bfloat>::run, f32, bf16, Round::nearest, false},
    {&Elementwise<to_half>::run, f16, f32, Round::nearest, false},
    {&Elementwise<to_bfloat>::run, bf16, f32, Round::nearest, false},
    {&Elementwise<truncate_s32>::run, s32, f32, Round::zero, true},
    {&Elementwise<nearest_s32>::run, s32, f32, Round::nearest, true},
    {&Elementwise<nearest_f32>::run, f32, f32, Round::nearest, true},
};

// The copy that an integer conversion is, for registers of 32 bits at most (or 64 where the type has 64).
Run integer_copy(Type from, Type to, uint32_t source_bits, uint32_t target_bits) {
  const TypeInfo &s = types[from], &t = types[to];
  if (s.is_float || t.is_float) return nullptr;
  if (source_bits == 64)
    return s.bits != 64                                                              ? nullptr
           : t.bits == 64                                                            ? &Elementwise<same64>::run
           : t.bits == 32 && target_bits == 32                                       ? &Elementwise<low32>::run
           : t.bits == 16 && (target_bits == 16 || !t.is_signed) && target_bits < 64 ? &Elementwise<low16>::run
                                                                                     : nullptr;
  if (target_bits == 64)
    return t.bits != 64 || s.bits != 32 ? nullptr : s.is_signed ? &Elementwise<sign32>::run : &Elementwise<zero32>::run;
  // The narrower of the two types decides what is kept; the target's width what is above.
  uint32_t kept = std::min(s.bits, t.bits);
  bool by_sign = kept == s.bits && s.bits < t.bits ? s.is_signed : t.is_signed;
  if (kept == 32) return &Elementwise<same32>::run;
  if (target_bits == 16 && kept == 16) return &Elementwise<zero16>::run;
  if (target_bits < 32 && by_sign) return nullptr;
  if (t.bits == 16 && target_bits == 32 && s.is_signed != t.is_signed && s.bits < 16) return nullptr;
  if (kept == 16) return by_sign ? &Elementwise<sign16>::run : &Elementwise<zero16>::run;
  return by_sign ? &Elementwise<sign8>::run : &Elementwise<zero8>::run;
}

Status decode_pair(Assembler &a, const Statement &s, Instr &i, Type to, Round mode, bool rounded) {
  if (!rounded) return a.unknown(s);
  INGOT_TRY(a.count(s, 3, 3));
  i.x = uint32_t(f32) | uint32_t(to) << 8 | uint32_t(mode) << 16;
  i.run = convert_pair;
  if (mode == Round::nearest && !i.flags)
    i.run = to == f16 ? &Elementwise<to_half2>::run : &Elementwise<to_bfloat2>::run;
  INGOT_TRY(a.destination(s, s.operands[0], 32, &i.d));
  INGOT_TRY(a.source(s, s.operands[1], 32, &i.a));
  return a.source(s, s.operands[2], 32, &i.b);
}

// What the ISA asks of the rounding modifier: an integer one from float to integer and between equal float types, a
// float one where bits may be lost, none elsewhere.
bool rounding_fits(Type from, Type to, bool whole, bool rounded) {
  const TypeInfo &s = types[from], &t = types[to];
  if (!s.is_float && !t.is_float) return !rounded && !whole;
  if (s.is_float && !t.is_float) return whole;
  if (!s.is_float) return rounded && !whole;
  if (from == to) return !rounded;
  if (t.bits < s.bits || to == tf32 || (s.bits == 16 && t.bits == 16)) return rounded && !whole;
  return !rounded && !whole;
}

Status decode_cvt(Assembler &a, const Statement &s, Instr &i) {
  auto m = s.modifiers();
  Round mode = Round::nearest;
  bool whole = false, rounded = false;
  size_t k = 1;
  for (; k + 2 < m.size(); ++k) {
    std::string_view v = m[k];
    if (v == "rn" || v == "rni")
      mode = Round::nearest;
    else if (v == "rz" || v == "rzi")
      mode = Round::zero;
    else if (v == "rm" || v == "rmi")
      mode = Round::down;
    else if (v == "rp" || v == "rpi")
      mode = Round::up;
    else if (v == "rna")
      mode = Round::nearest_away;
    else if (v == "ftz")
      i.flags |= ftz;
    else if (v == "sat")
      i.flags |= sat;
    else if (v == "relu")
      i.flags |= relu;
    else
      return a.unknown(s);
    if (v[0] == 'r' && v != "relu") {
      if (whole || rounded) return a.unknown(s);
      (v.size() == 3 && v[2] == 'i' ? whole : rounded) = true;
    }
  }
  if (m.size() < 3) return a.unknown(s);
  i.op_class = OpClass::convert;
  if ((m[k] == "f16x2" || m[k] == "bf16x2") && m[k + 1] == "f32")
    return decode_pair(a, s, i, m[k] == "f16x2" ? f16 : bf16, mode, rounded && !whole);
  Type to = type_named(m[k]), from = type_named(m[k + 1]);
  if (to == no_type || from == no_type || from == tf32 || (to == tf32 && from != f32)) return a.unknown(s);
  if (mode == Round::nearest_away && to != tf32) return a.unknown(s);
  if (!rounding_fits(from, to, whole, rounded)) return a.unknown(s);
  if ((i.flags & relu) && (from != f32 || types[to].bits != 16)) return a.unknown(s);
  if (whole) i.flags |= to_integer_value;
  INGOT_TRY(a.count(s, 2, 2));
  uint32_t least_to = std::max<uint32_t>(types[to].bits, 8), least_from = types[from].bits;
  bool wider_to = !types[to].is_float, wider_from = !types[from].is_float;
  INGOT_TRY(a.destination(s, s.operands[0], least_to, &i.d, wider_to, &i.y));
  INGOT_TRY(a.source(s, s.operands[1], least_from, &i.a, wider_from, &i.c));
  i.x = uint32_t(from) | uint32_t(to) << 8 | uint32_t(mode) << 16;
  i.run = convert_any;
  if (!(i.flags & ~to_integer_value) && i.c <= 32 && i.y == least_to)
    for (const Quick &q : quick)
      if (q.to == to && q.from == from && q.mode == mode && q.whole == whole) i.run = q.run;
  if (!i.flags)
    if (Run copy = integer_copy(from, to, i.c, i.y)) i.run = copy;
  return {};
}

} // namespace

void add_convert(Table &t) { t.decoders["cvt"] = decode_cvt; }

} // namespace ingot::emulator
