// atom and red: read, combine, write back, one lane after the other in the order of lanes; on global memory atomically
// against other host threads.
#include "access.h"
#include "assembler.h"
#include "rounding.h"
#include <algorithm>

namespace ingot::emulator {

namespace {

// What memory holds afterwards, of what it held, b and c.
template <class T> T plus(T old, T b, T) {
  if constexpr (std::is_floating_point_v<T>)
    return canonical(old + b);
  else
    return T(old + b);
}
template <class T> T least(T old, T b, T) { return b < old ? b : old; }
template <class T> T most(T old, T b, T) { return old < b ? b : old; }
template <class T> T exchange(T, T b, T) { return b; }
template <class T> T compare_swap(T old, T b, T c) { return old == b ? c : old; }
template <class T> T bits_and(T old, T b, T) { return old & b; }
template <class T> T bits_or(T old, T b, T) { return old | b; }
template <class T> T bits_xor(T old, T b, T) { return old ^ b; }
uint32_t increment(uint32_t old, uint32_t b, uint32_t) { return old >= b ? 0 : old + 1; }
uint32_t decrement(uint32_t old, uint32_t b, uint32_t) { return old == 0 || old > b ? b : old - 1; }
uint16_t plus_half(uint16_t old, uint16_t b, uint16_t) { return float_to_half(half_to_float(old) + half_to_float(b)); }
uint16_t plus_bfloat(uint16_t old, uint16_t b, uint16_t) {
  return float_to_bfloat(bfloat_to_float(old) + bfloat_to_float(b));
}
template <uint16_t (*F)(uint16_t, uint16_t, uint16_t)> uint32_t pairwise(uint32_t old, uint32_t b, uint32_t) {
  return uint32_t(F(uint16_t(old >> 16), uint16_t(b >> 16), 0)) << 16 | F(uint16_t(old), uint16_t(b), 0);
}
// float32 add on global memory flushes subnormals (PTX ISA, "atom"); in shared memory it does not.
float plus_flushed(float old, float b, float) { return canonical(flush(flush(old) + flush(b))); }

enum MemorySpace : uint32_t { generic, global, shared };

template <auto F, class T> Next one_lane(const Instr &i, Warp &w, uint32_t l, Addresses &s, MemorySpace space) {
  using Bits = Stored<T>;
  using Cell = std::conditional_t<sizeof(T) == 2, uint16_t, Bits>;
  measure(s, 1u << l, sizeof(T));
  bool is_shared = space == shared;
  if (!(is_shared ? check_shared(i, w, 1u << l, s, sizeof(T), true, true)
                  : check_global(i, w, 1u << l, s, sizeof(T), true, true)))
    return Next::fault;
  T b = unpack<T>(w.at<Bits>(i.b)[l]), c = unpack<T>(w.at<Bits>(i.c)[l]);
  Cell *cell =
      reinterpret_cast<Cell *>(is_shared ? w.cta->shared.data() + s.at[l] : reinterpret_cast<uint8_t *>(s.at[l]));
  Cell old = __atomic_load_n(cell, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(cell, &old, Cell(pack<T>(F(std::bit_cast<T>(old), b, c))), false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
  }
  if (i.y) w.at<Bits>(i.d)[l] = old;
  return Next::step;
}

template <auto F, class T> Next atomic(const Instr &i, Warp &w, uint32_t mask) {
  Addresses s;
  read_addresses(i, w, i.flags & 1, s);
  uint32_t in_shared = i.x == shared ? mask : i.x == generic ? take_window(s, mask, shared_window) : 0;
  Next next = Next::step;
  each_lane(mask, [&](uint32_t l) {
    if (next == Next::step) next = one_lane<F, T>(i, w, l, s, in_shared >> l & 1 ? shared : global);
  });
  return next;
}

struct Known {
  Run run;
  uint32_t bits;
};
const std::map<std::string, Known, std::less<>> &operations() {
  static const std::map<std::string, Known, std::less<>> known = {
      {"add.u32", {atomic<plus<uint32_t>, uint32_t>, 32}},
      {"add.s32", {atomic<plus<uint32_t>, uint32_t>, 32}},
      {"add.u64", {atomic<plus<uint64_t>, uint64_t>, 64}},
      {"add.f32", {atomic<plus_flushed, float>, 32}},
      {"add.f64", {atomic<plus<double>, double>, 64}},
      {"add.noftz.f16", {atomic<plus_half, uint16_t>, 16}},
      {"add.noftz.f16x2", {atomic<pairwise<plus_half>, uint32_t>, 32}},
      {"add.noftz.bf16", {atomic<plus_bfloat, uint16_t>, 16}},
      {"add.noftz.bf16x2", {atomic<pairwise<plus_bfloat>, uint32_t>, 32}},
      {"min.u32", {atomic<least<uint32_t>, uint32_t>, 32}},
      {"min.s32", {atomic<least<int32_t>, int32_t>, 32}},
      {"min.u64", {atomic<least<uint64_t>, uint64_t>, 64}},
      {"min.s64", {atomic<least<int64_t>, int64_t>, 64}},
      {"max.u32", {atomic<most<uint32_t>, uint32_t>, 32}},
      {"max.s32", {atomic<most<int32_t>, int32_t>, 32}},
      {"max.u64", {atomic<most<uint64_t>, uint64_t>, 64}},
      {"max.s64", {atomic<most<int64_t>, int64_t>, 64}},
      {"and.b32", {atomic<bits_and<uint32_t>, uint32_t>, 32}},
      {"and.b64", {atomic<bits_and<uint64_t>, uint64_t>, 64}},
      {"or.b32", {atomic<bits_or<uint32_t>, uint32_t>, 32}},
      {"or.b64", {atomic<bits_or<uint64_t>, uint64_t>, 64}},
      {"xor.b32", {atomic<bits_xor<uint32_t>, uint32_t>, 32}},
      {"xor.b64", {atomic<bits_xor<uint64_t>, uint64_t>, 64}},
      {"exch.b32", {atomic<exchange<uint32_t>, uint32_t>, 32}},
      {"exch.b64", {atomic<exchange<uint64_t>, uint64_t>, 64}},
      {"cas.b16", {atomic<compare_swap<uint16_t>, uint16_t>, 16}},
      {"cas.b32", {atomic<compare_swap<uint32_t>, uint32_t>, 32}},
      {"cas.b64", {atomic<compare_swap<uint64_t>, uint64_t>, 64}},
      {"inc.u32", {atomic<increment, uint32_t>, 32}},
      {"dec.u32", {atomic<decrement, uint32_t>, 32}},
  };
  return known;
}

Status decode_atomic(Assembler &a, const Statement &s, Instr &i) {
  auto m = s.modifiers();
  bool returns = m[0] == "atom";
  std::string operation;
  for (size_t k = 1; k < m.size(); ++k) {
    static const char *without_effect[] = {"relaxed", "acquire", "release", "acq_rel", "cta", "cluster", "gpu", "sys"};
    if (!operation.empty())
      operation += "." + std::string(m[k]);
    else if (std::find(std::begin(without_effect), std::end(without_effect), m[k]) != std::end(without_effect))
      continue;
    else if (m[k] == "global" && i.x == generic)
      i.x = global;
    else if ((m[k] == "shared" || m[k] == "shared::cta") && i.x == generic)
      i.x = shared;
    else
      operation = m[k];
  }
  auto known = operations().find(operation);
  if (known == operations().end()) return a.unknown(s);
  auto [run, bits] = known->second;
  bool swap = operation.starts_with("cas");
  INGOT_TRY(a.count(s, size_t(2 + returns + swap), size_t(2 + returns + swap)));
  i.run = run;
  if (operation == "add.f32" && i.x == shared) i.run = atomic<plus<float>, float>;
  i.op_class = i.x == shared ? OpClass::shared : OpClass::global;
  i.y = returns;
  bool narrow;
  if (returns) INGOT_TRY(a.destination(s, s.operands[0], bits, &i.d));
  INGOT_TRY(a.address(s, s.operands[returns], &i.a, &i.imm, &narrow));
  if (narrow && i.x != shared) return a.error(s, "a 32-bit address of memory that needs 64");
  i.flags = narrow;
  INGOT_TRY(a.source(s, s.operands[returns + 1u], bits, &i.b));
  return swap ? a.source(s, s.operands[returns + 2u], bits, &i.c) : Status();
}

} // namespace

void add_atomic(Table &t) { t.decoders["atom"] = t.decoders["red"] = decode_atomic; }

} // namespace ingot::emulator
