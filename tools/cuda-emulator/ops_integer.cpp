// Integer arithmetic, logic, shifts, bit fields. Every function is one instruction on one lane, as the PTX ISA (chapter
// "Integer Arithmetic Instructions", "Logic and Shift Instructions") defines it.
#include "assembler.h"
#include <limits>

namespace ingot::emulator {

namespace {

template <class T> using Unsigned = std::make_unsigned_t<T>;
template <class T> constexpr int width = sizeof(T) * 8;
template <class T> struct Doubled;
template <> struct Doubled<uint16_t> {
  using type = uint32_t;
};
template <> struct Doubled<int16_t> {
  using type = int32_t;
};
template <> struct Doubled<uint32_t> {
  using type = uint64_t;
};
template <> struct Doubled<int32_t> {
  using type = int64_t;
};
template <> struct Doubled<uint64_t> {
  using type = unsigned __int128;
};
template <> struct Doubled<int64_t> {
  using type = __int128;
};
template <class T> using Wide = typename Doubled<T>::type;

// Wrapping arithmetic goes through a type as wide as int at least: 16-bit products must not overflow an int.
template <class T> using Wrapping = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
template <class T> T plus(T a, T b) { return T(Wrapping<T>(a) + Wrapping<T>(b)); }
template <class T> T minus(T a, T b) { return T(Wrapping<T>(a) - Wrapping<T>(b)); }
template <class T> T times(T a, T b) { return T(Wrapping<T>(a) * Wrapping<T>(b)); }
template <class T> T times_high(T a, T b) { return T((Wide<T>(a) * Wide<T>(b)) >> width<T>); }
template <class T> Wide<T> times_wide(T a, T b) { return Wide<T>(a) * Wide<T>(b); }
template <class T> T mad_low(T a, T b, T c) { return plus(times(a, b), c); }
template <class T> T mad_high(T a, T b, T c) { return plus(times_high(a, b), c); }
template <class T> Wide<T> mad_wide(T a, T b, Wide<T> c) { return plus(times_wide(a, b), c); }
int32_t clamp32(int64_t v) { return int32_t(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v); }
int32_t add_saturated(int32_t a, int32_t b) { return clamp32(int64_t(a) + b); }
int32_t subtract_saturated(int32_t a, int32_t b) { return clamp32(int64_t(a) - b); }
int32_t mad_high_saturated(int32_t a, int32_t b, int32_t c) { return clamp32(int64_t(times_high(a, b)) + c); }
// Division by zero gives all ones and the dividend, as the hardware's routine does; PTX leaves it open.
template <class T> T divide(T a, T b) {
  if (b == 0) return T(-1);
  if (std::is_signed_v<T> && b == T(-1)) return T(0 - Unsigned<T>(a));
  return T(a / b);
}
template <class T> T remainder(T a, T b) {
  if (b == 0) return a;
  if (std::is_signed_v<T> && b == T(-1)) return 0;
  return T(a % b);
}
template <class T> T absolute(T a) { return a < 0 ? T(0 - Unsigned<T>(a)) : a; }
template <class T> T negate(T a) { return T(0 - Unsigned<T>(a)); }
template <class T> T minimum(T a, T b) { return a < b ? a : b; }
template <class T> T maximum(T a, T b) { return a < b ? b : a; }
template <class T> T difference_sum(T a, T b, T c) { return plus(c, a < b ? minus(b, a) : minus(a, b)); }
template <class T> T bit_and(T a, T b) { return a & b; }
template <class T> T bit_or(T a, T b) { return a | b; }
template <class T> T bit_xor(T a, T b) { return a ^ b; }
template <class T> T bit_not(T a) { return T(~a); }
template <class T> T is_zero(T a) { return a == 0; }
template <class T> T shift_left(T a, uint32_t n) { return n >= uint32_t(width<T>) ? T(0) : T(a << n); }
template <class T> T shift_right(T a, uint32_t n) {
  if constexpr (std::is_signed_v<T>)
    return T(a >> (n >= uint32_t(width<T>) ? uint32_t(width<T>) - 1 : n));
  else
    return n >= uint32_t(width<T>) ? T(0) : T(a >> n);
}
// shf: the pair {b:a}; left gives its upper word after the shift, right the lower.
uint32_t funnel_left_wrap(uint32_t a, uint32_t b, uint32_t n) {
  return uint32_t((uint64_t(b) << 32 | a) << (n & 31) >> 32);
}
uint32_t funnel_left_clamp(uint32_t a, uint32_t b, uint32_t n) {
  return n >= 32 ? a : uint32_t((uint64_t(b) << 32 | a) << n >> 32);
}
uint32_t funnel_right_wrap(uint32_t a, uint32_t b, uint32_t n) { return uint32_t((uint64_t(b) << 32 | a) >> (n & 31)); }
uint32_t funnel_right_clamp(uint32_t a, uint32_t b, uint32_t n) {
  return n >= 32 ? b : uint32_t((uint64_t(b) << 32 | a) >> n);
}
template <class T> uint32_t count_ones(T a) { return uint32_t(std::popcount(a)); }
template <class T> uint32_t leading_zeros(T a) { return uint32_t(std::countl_zero(a)); }
template <class T> T reverse_bits(T a) {
  T r = 0;
  for (int k = 0; k < width<T>; ++k) r |= T((a >> k & 1) << (width<T> - 1 - k));
  return r;
}
// The most significant bit that is not a sign bit; all ones when there is none.
template <class T> uint32_t find_bit(T a) {
  Unsigned<T> u = Unsigned<T>(std::is_signed_v<T> && a < 0 ? ~a : a);
  return u ? uint32_t(width<T> - 1 - std::countl_zero(u)) : ~0u;
}
template <class T> uint32_t find_bit_shift(T a) {
  uint32_t at = find_bit(a);
  return at == ~0u ? at : uint32_t(width<T>) - 1 - at;
}
template <class T> T extract(T a, uint32_t b, uint32_t c) {
  uint32_t position = b & 255, length = c & 255, top = uint32_t(width<T>) - 1;
  bool negative = std::is_signed_v<T> && length && (Unsigned<T>(a) >> std::min(position + length - 1, top) & 1);
  Unsigned<T> ones = Unsigned<T>(-1);
  Unsigned<T> keep = length > top ? ones : (Unsigned<T>(1) << length) - 1;
  Unsigned<T> field = position > top ? 0 : Unsigned<T>(a) >> position;
  uint32_t there = position > top ? 0 : top + 1 - position; // bits of the field inside the register
  Unsigned<T> have = there > top ? ones : (Unsigned<T>(1) << there) - 1;
  field &= keep & have;
  return T(negative ? field | ~(keep & have) : field);
}
template <class T> T insert(T a, T b, uint32_t c, uint32_t d) {
  uint32_t position = c & 255, length = d & 255;
  if (!length || position >= uint32_t(width<T>)) return b;
  T keep = length >= uint32_t(width<T>) ? T(-1) : T((T(1) << length) - 1);
  return T((b & ~(keep << position)) | ((a & keep) << position));
}

uint32_t permute(uint32_t a, uint32_t b, uint32_t c) {
  uint64_t bytes = uint64_t(b) << 32 | a;
  uint32_t r = 0;
  for (int k = 0; k < 4; ++k) {
    uint32_t select = c >> 4 * k, byte = uint32_t(bytes >> (select & 7) * 8) & 255;
    if (select & 8) byte = byte & 128 ? 255 : 0;
    r |= byte << 8 * k;
  }
  return r;
}
enum PermuteMode { f4e, b4e, rc8, ecl, ecr, rc16 };
template <PermuteMode Mode> uint32_t permute_mode(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t n = c & 3, select = 0;
  for (uint32_t k = 0; k < 4; ++k) {
    uint32_t from = 0;
    switch (Mode) {
    case f4e:
      from = n + k;
      break;
    case b4e:
      from = (n - k) & 7;
      break;
    case rc8:
      from = n;
      break;
    case ecl:
      from = std::max(k, n);
      break;
    case ecr:
      from = std::min(k, n);
      break;
    case rc16:
      from = (k & 1) + (n & 1) * 2;
      break;
    }
    select |= from << 4 * k;
  }
  return permute(a, b, select);
}

template <uint32_t Table> uint32_t logic(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t r = 0;
  if (Table & 0x80) r |= a & b & c;
  if (Table & 0x40) r |= a & b & ~c;
  if (Table & 0x20) r |= a & ~b & c;
  if (Table & 0x10) r |= a & ~b & ~c;
  if (Table & 0x08) r |= ~a & b & c;
  if (Table & 0x04) r |= ~a & b & ~c;
  if (Table & 0x02) r |= ~a & ~b & c;
  if (Table & 0x01) r |= ~a & ~b & ~c;
  return r;
}
template <size_t... Tables> constexpr auto logic_runs(std::index_sequence<Tables...>) {
  return std::array<Run, 256>{&Elementwise<logic<Tables>>::run...};
}

template <bool SignedA, bool SignedB> int32_t dot4(uint32_t a, uint32_t b, int32_t c) {
  uint32_t sum = uint32_t(c);
  for (int k = 0; k < 4; ++k) {
    int32_t x = SignedA ? int8_t(a >> 8 * k) : int32_t(uint8_t(a >> 8 * k));
    int32_t y = SignedB ? int8_t(b >> 8 * k) : int32_t(uint8_t(b >> 8 * k));
    sum += uint32_t(x * y);
  }
  return int32_t(sum);
}

// Carries: add.cc and sub.cc leave one a lane, addc and subc take it. For sub it is a borrow.
template <class T, bool Subtract, bool In, bool Out> Next carried(const Instr &i, Warp &w, uint32_t mask) {
  each_lane(mask, [&](uint32_t l) {
    T a = w.at<T>(i.a)[l], b = w.at<T>(i.b)[l], r, c = In ? T(w.carry >> l & 1) : T(0);
    bool out = Subtract ? __builtin_sub_overflow(a, b, &r) : __builtin_add_overflow(a, b, &r);
    out |= Subtract ? __builtin_sub_overflow(r, c, &r) : __builtin_add_overflow(r, c, &r);
    w.at<T>(i.d)[l] = r;
    if (Out) w.carry = (w.carry & ~(1u << l)) | uint32_t(out) << l;
  });
  return Next::step;
}

template <class T> void add_common(Table &t, const std::string &type) {
  constexpr auto c = OpClass::integer;
  add<plus<T>>(t, c, "add." + type);
  add<minus<T>>(t, c, "sub." + type);
  add<times<T>>(t, c, "mul.lo." + type);
  add<times_high<T>>(t, c, "mul.hi." + type);
  add<mad_low<T>>(t, c, "mad.lo." + type);
  add<mad_high<T>>(t, c, "mad.hi." + type);
  add<divide<T>>(t, c, "div." + type);
  add<remainder<T>>(t, c, "rem." + type);
  add<minimum<T>>(t, c, "min." + type);
  add<maximum<T>>(t, c, "max." + type);
  add<difference_sum<T>>(t, c, "sad." + type);
  add<shift_right<T>>(t, c, "shr." + type);
  if constexpr (sizeof(T) < 8) {
    add<times_wide<T>>(t, c, "mul.wide." + type);
    add<mad_wide<T>>(t, c, "mad.wide." + type);
  }
  if constexpr (std::is_signed_v<T>) {
    add<absolute<T>>(t, c, "abs." + type);
    add<negate<T>>(t, c, "neg." + type);
  }
  if constexpr (sizeof(T) >= 4) {
    add<find_bit<T>>(t, c, "bfind." + type);
    add<find_bit_shift<T>>(t, c, "bfind.shiftamt." + type);
    add<extract<T>>(t, c, "bfe." + type);
    Plain p{nullptr, c, 2, {bits_of<T>, bits_of<T>, bits_of<T>}};
    using U = Unsigned<T>;
    auto carry = [&](const char *name, Run run) { p.run = run, t.plain[name + type] = p; };
    carry("add.cc.", carried<U, false, false, true>);
    carry("addc.", carried<U, false, true, false>);
    carry("addc.cc.", carried<U, false, true, true>);
    carry("sub.cc.", carried<U, true, false, true>);
    carry("subc.", carried<U, true, true, false>);
    carry("subc.cc.", carried<U, true, true, true>);
  }
}

template <class T> void add_logic(Table &t, const std::string &type) {
  constexpr auto c = OpClass::integer;
  add<bit_and<T>>(t, c, "and." + type);
  add<bit_or<T>>(t, c, "or." + type);
  add<bit_xor<T>>(t, c, "xor." + type);
  add<bit_not<T>>(t, c, "not." + type);
  add<is_zero<T>>(t, c, "cnot." + type);
  add<shift_left<T>>(t, c, "shl." + type);
  add<shift_right<T>>(t, c, "shr." + type);
  if constexpr (sizeof(T) >= 4) {
    add<count_ones<T>>(t, c, "popc." + type);
    add<leading_zeros<T>>(t, c, "clz." + type);
    add<reverse_bits<T>>(t, c, "brev." + type);
    add<insert<T>>(t, c, "bfi." + type);
  }
}

Status decode_lop3(Assembler &a, const Statement &s, Instr &i) {
  if (s.opcode != "lop3.b32") return a.unknown(s);
  INGOT_TRY(a.count(s, 5, 5));
  int64_t table;
  INGOT_TRY(a.integer(s, s.operands[4], &table));
  if (table < 0 || table > 255) return a.error(s, "a logic table outside 0 to 255");
  static const std::array<Run, 256> runs = logic_runs(std::make_index_sequence<256>());
  i.run = runs[size_t(table)];
  i.op_class = OpClass::integer;
  INGOT_TRY(a.destination(s, s.operands[0], 32, &i.d));
  INGOT_TRY(a.source(s, s.operands[1], 32, &i.a));
  INGOT_TRY(a.source(s, s.operands[2], 32, &i.b));
  return a.source(s, s.operands[3], 32, &i.c);
}

} // namespace

void add_integer(Table &t) {
  constexpr auto c = OpClass::integer;
  add_common<uint16_t>(t, "u16");
  add_common<int16_t>(t, "s16");
  add_common<uint32_t>(t, "u32");
  add_common<int32_t>(t, "s32");
  add_common<uint64_t>(t, "u64");
  add_common<int64_t>(t, "s64");
  add_logic<uint16_t>(t, "b16");
  add_logic<uint32_t>(t, "b32");
  add_logic<uint64_t>(t, "b64");
  add<add_saturated>(t, c, "add.sat.s32");
  add<subtract_saturated>(t, c, "sub.sat.s32");
  add<mad_high_saturated>(t, c, "mad.hi.sat.s32");
  add<funnel_left_wrap>(t, c, "shf.l.wrap.b32");
  add<funnel_left_clamp>(t, c, "shf.l.clamp.b32");
  add<funnel_right_wrap>(t, c, "shf.r.wrap.b32");
  add<funnel_right_clamp>(t, c, "shf.r.clamp.b32");
  add<permute>(t, c, "prmt.b32");
  add<permute_mode<f4e>>(t, c, "prmt.b32.f4e");
  add<permute_mode<b4e>>(t, c, "prmt.b32.b4e");
  add<permute_mode<rc8>>(t, c, "prmt.b32.rc8");
  add<permute_mode<ecl>>(t, c, "prmt.b32.ecl");
  add<permute_mode<ecr>>(t, c, "prmt.b32.ecr");
  add<permute_mode<rc16>>(t, c, "prmt.b32.rc16");
  add<dot4<true, true>>(t, c, "dp4a.s32.s32");
  add<dot4<true, false>>(t, c, "dp4a.s32.u32");
  add<dot4<false, true>>(t, c, "dp4a.u32.s32");
  add<dot4<false, false>>(t, c, "dp4a.u32.u32");
  t.decoders["lop3"] = decode_lop3;
}

} // namespace ingot::emulator
