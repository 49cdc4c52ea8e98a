// A PTX operation on scalars made into an instruction on 32 lanes: `lanes<f>` runs `f` for every lane of the mask, its
// parameter and result types saying how registers are read and written. With all lanes active the loop is one that the
// compiler vectorises.
#pragma once
#include "program.h"
#include <bit>
#include <type_traits>
#include <utility>

#define INGOT_LANES _Pragma("clang loop vectorize(assume_safety) interleave(enable)")

namespace ingot::emulator {

struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};
struct Half2 {
  uint32_t bits;
};
struct BFloat2 {
  uint32_t bits;
};

// How a type lies in the register file: in 32-bit words, or in 64-bit ones.
template <class T> using Stored = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T> inline T unpack(Stored<T> s) {
  if constexpr (sizeof(T) == 2)
    return std::bit_cast<T>(uint16_t(s));
  else if constexpr (sizeof(T) == 1)
    return std::bit_cast<T>(uint8_t(s));
  else
    return std::bit_cast<T>(s);
}
template <class T> inline Stored<T> pack(T v) {
  if constexpr (sizeof(T) == 2)
    return std::bit_cast<uint16_t>(v);
  else if constexpr (sizeof(T) == 1)
    return std::bit_cast<uint8_t>(v);
  else
    return std::bit_cast<Stored<T>>(v);
}

template <auto F> struct Elementwise;
template <class D, class... A, D (*F)(A...)> struct Elementwise<F> {
  static constexpr size_t arity = sizeof...(A);

  template <size_t... K> static Next go(const Instr &i, Warp &w, uint32_t mask, std::index_sequence<K...>) {
    const uint32_t places[4] = {i.a, i.b, i.c, i.x};
    Stored<D> *d = w.at<Stored<D>>(i.d);
    const auto sources = std::make_tuple(w.at<const Stored<A>>(places[K])...);
    if (mask == ~0u) {
      INGOT_LANES
      for (int l = 0; l < 32; ++l) d[l] = pack<D>(F(unpack<A>(std::get<K>(sources)[l])...));
    } else {
      for (; mask; mask &= mask - 1) {
        int l = std::countr_zero(mask);
        d[l] = pack<D>(F(unpack<A>(std::get<K>(sources)[l])...));
      }
    }
    return Next::step;
  }
  static Next run(const Instr &i, Warp &w, uint32_t mask) { return go(i, w, mask, std::index_sequence_for<A...>{}); }
};

// Bit l of the result: word l of `t` is not zero (its top bit is set).
inline uint32_t top_bits(const uint32_t *t) {
  uint32_t r = 0;
  for (int l = 0; l < 32; ++l) r |= (t[l] >> 31) << l;
  return r;
}

inline void set_bits(uint32_t &predicate, uint32_t mask, uint32_t bits) {
  predicate = (predicate & ~mask) | (bits & mask);
}

// For each lane of `mask`, in order.
template <class F> inline void each_lane(uint32_t mask, F f) {
  for (; mask; mask &= mask - 1) f(uint32_t(std::countr_zero(mask)));
}

} // namespace ingot::emulator
