// ldmatrix, movmatrix and mma.sync. Fragments (PTX ISA, "Matrix Fragments for mma.m16n8k16" and its neighbours) are
// laid out so that a register's 32 lanes, in order, are a row-major block: of A, 8 rows by the k values that fit (8
// halves, 4 tf32, 16 bytes); of B the same with n for rows; of C and D one of two interleaved columns. A multiply
// gathers A as [16][k] and B as [k][8] and adds products in the order of k, each with one rounding; hardware's order is
// its own (Options::mma_products: aligned_sum.h).
#include "access.h"
#include "aligned_sum.h"
#include "assembler.h"
#include "rounding.h"
#include <immintrin.h>

namespace ingot::emulator {

namespace {

// All 32 lanes take part, at once.
Next whole_warp(const Instr &i, Warp &w, uint32_t mask) {
  if (mask == ~0u) return Next::step;
  if (w.live == ~0u && !w.last_chance) return Next::converge;
  return w.fail(i, Fault::divergent, uint32_t(std::countr_zero(mask)), 0, "only lanes %08x of the warp are here", mask);
}

// `x` matrices; `y`: transposed. Row addresses come from lanes 0-7, 8-15, ...
Next load_matrix(const Instr &i, Warp &w, uint32_t mask) {
  if (Next n = whole_warp(i, w, mask); n != Next::step) return n;
  Addresses s;
  read_addresses(i, w, i.flags & 1, s);
  uint32_t rows = i.x == 4 ? ~0u : (1u << 8 * i.x) - 1;
  measure(s, rows, 16);
  if (!check_shared(i, w, rows, s, 16, false)) return Next::fault;
  const uint8_t *shared = w.cta->shared.data();
  const uint32_t *places = &w.cta->program->lists[i.list];
  for (uint32_t k = 0; k < i.x; ++k) {
    uint16_t block[64];
    for (int r = 0; r < 8; ++r) memcpy(block + 8 * r, shared + s.at[8 * k + uint32_t(r)], 16);
    uint32_t *d = w.at<uint32_t>(places[k]);
    if (!i.y) memcpy(d, block, 128);
    for (int l = 0; i.y && l < 32; ++l)
      d[l] = block[16 * (l % 4) + l / 4] | uint32_t(block[16 * (l % 4) + 8 + l / 4]) << 16;
  }
  return Next::step;
}

Next move_matrix(const Instr &i, Warp &w, uint32_t mask) {
  if (Next n = whole_warp(i, w, mask); n != Next::step) return n;
  uint16_t block[64];
  memcpy(block, w.at<uint32_t>(i.a), 128);
  uint32_t *d = w.at<uint32_t>(i.d);
  for (int l = 0; l < 32; ++l) d[l] = block[16 * (l % 4) + l / 4] | uint32_t(block[16 * (l % 4) + 8 + l / 4]) << 16;
  return Next::step;
}

// --- fragments as matrices; an instruction's list holds the registers of D, A, B, C
enum class Element { half, bfloat, tf32 };
template <Element E> constexpr int block_k = E == Element::tf32 ? 4 : 8; // k values of one register's block

// A register's block of A: a[8][stride], row-major.
template <Element E> inline void read_a(const uint32_t *lanes, float *a, int stride) {
  for (int r = 0; r < 8; ++r, a += stride, lanes += 4) {
    if constexpr (E == Element::half) {
      _mm256_storeu_ps(a, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(lanes))));
    } else if constexpr (E == Element::bfloat) {
      __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i *>(lanes));
      _mm256_storeu_si256(reinterpret_cast<__m256i *>(a), _mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
    } else { // tf32 reads the upper 19 bits
      for (int t = 0; t < 4; ++t) a[t] = std::bit_cast<float>(lanes[t] & 0xffffe000);
    }
  }
}

// 8 rows of 8 floats, rows and columns exchanged.
inline void transpose(const float (*from)[8], float (*to)[8]) {
  __m256 r[8], t[8];
  for (int k = 0; k < 8; ++k) r[k] = _mm256_load_ps(from[k]);
  for (int k = 0; k < 8; k += 2) {
    t[k] = _mm256_unpacklo_ps(r[k], r[k + 1]);
    t[k + 1] = _mm256_unpackhi_ps(r[k], r[k + 1]);
  }
  for (int k = 0; k < 8; k += 4)
    for (int h = 0; h < 2; ++h) {
      r[k + 2 * h] = _mm256_shuffle_ps(t[k + h], t[k + h + 2], 0x44);
      r[k + 2 * h + 1] = _mm256_shuffle_ps(t[k + h], t[k + h + 2], 0xee);
    }
  for (int k = 0; k < 4; ++k) {
    _mm256_store_ps(to[k], _mm256_permute2f128_ps(r[k], r[k + 4], 0x20));
    _mm256_store_ps(to[k + 4], _mm256_permute2f128_ps(r[k], r[k + 4], 0x31));
  }
}

// A register's block of B, lanes [n][k]: b[k][8].
template <Element E> inline void read_b(const uint32_t *lanes, float (*b)[8]) {
  if constexpr (E == Element::tf32) {
    for (int t = 0; t < 4; ++t)
      for (int n = 0; n < 8; ++n) b[t][n] = std::bit_cast<float>(lanes[4 * n + t] & 0xffffe000);
  } else {
    alignas(32) float rows[8][8];
    read_a<E>(lanes, rows[0], 8);
    transpose(rows, b);
  }
}

// c[16][8] += a[16][K] * b[K][8]
template <int K> inline void multiply(const float (*a)[K], const float (*b)[8], float (*c)[8]) {
  for (int half = 0; half < 16; half += 8) {
    __m256 sum[8];
    for (int r = 0; r < 8; ++r) sum[r] = _mm256_loadu_ps(c[half + r]);
    for (int k = 0; k < K; ++k) {
      __m256 row = _mm256_loadu_ps(b[k]);
      for (int r = 0; r < 8; ++r) sum[r] = _mm256_fmadd_ps(_mm256_broadcast_ss(&a[half + r][k]), row, sum[r]);
    }
    for (int r = 0; r < 8; ++r) _mm256_storeu_ps(c[half + r], sum[r]);
  }
}

// The same as tensor cores are known to do it, where all numbers are finite.
template <int K> bool multiply_aligned(const float (*a)[K], const float (*b)[8], float (*c)[8], AlignedSum sum) {
  sum.products = std::min(sum.products, K);
  bool finite = std::all_of(&a[0][0], &a[0][0] + 16 * K, [](float v) { return std::isfinite(v); }) &&
                std::all_of(&b[0][0], &b[0][0] + 8 * K, [](float v) { return std::isfinite(v); }) &&
                std::all_of(&c[0][0], &c[0][0] + 128, [](float v) { return std::isfinite(v); });
  for (int r = 0; r < 16 && finite; ++r)
    for (int n = 0; n < 8; ++n)
      for (int k = 0; k < K; k += sum.products) c[r][n] = sum.add(c[r][n], &a[r][k], &b[k][n], 8);
  return finite;
}

template <bool HalfSums> inline void read_sums(Warp &w, const uint32_t *places, float (*c)[8]) {
  for (int h = 0; h < 2; ++h) {
    if constexpr (HalfSums) {
      read_a<Element::half>(w.at<uint32_t>(places[h]), c[8 * h], 8);
    } else {
      const float *even = w.at<float>(places[2 * h]), *odd = w.at<float>(places[2 * h + 1]);
      float *flat = c[8 * h];
      for (int l = 0; l < 32; ++l) {
        flat[2 * l] = even[l];
        flat[2 * l + 1] = odd[l];
      }
    }
  }
}

template <bool HalfSums> inline void write_sums(Warp &w, const uint32_t *places, const float (*c)[8]) {
  for (int h = 0; h < 2; ++h) {
    const float *flat = c[8 * h];
    if constexpr (HalfSums) {
      uint32_t *d = w.at<uint32_t>(places[h]);
      for (int l = 0; l < 32; ++l) d[l] = float_to_half(flat[2 * l]) | uint32_t(float_to_half(flat[2 * l + 1])) << 16;
    } else {
      float *even = w.at<float>(places[2 * h]), *odd = w.at<float>(places[2 * h + 1]);
      for (int l = 0; l < 32; ++l) even[l] = canonical(flat[2 * l]);
      for (int l = 0; l < 32; ++l) odd[l] = canonical(flat[2 * l + 1]);
    }
  }
}

template <Element E, int K, bool HalfSums> Next multiply_floats(const Instr &i, Warp &w, uint32_t mask) {
  if (Next n = whole_warp(i, w, mask); n != Next::step) return n;
  constexpr int blocks = K / block_k<E>, sums = HalfSums ? 2 : 4;
  const uint32_t *d = &w.cta->program->lists[i.list], *a = d + sums, *b = a + 2 * blocks, *c = b + blocks;
  alignas(32) float as[16][K], bs[K][8], cs[16][8];
  for (int k = 0; k < blocks; ++k) {
    read_a<E>(w.at<uint32_t>(a[2 * k]), &as[0][k * block_k<E>], K);
    read_a<E>(w.at<uint32_t>(a[2 * k + 1]), &as[8][k * block_k<E>], K);
    read_b<E>(w.at<uint32_t>(b[k]), bs + k * block_k<E>);
  }
  read_sums<HalfSums>(w, c, cs);
  int products = int(w.cta->worker->options->mma_products);
  if (!products || !multiply_aligned<K>(as, bs, cs, {products, E == Element::half ? -14 : -126}))
    multiply<K>(as, bs, cs);
  write_sums<HalfSums>(w, d, cs);
  ++w.cta->worker->counters.mmas;
  return Next::step;
}

// --- bytes: products in pairs of 16-bit values, whose sums over k cannot overflow 32 bits
template <bool Signed> inline __m256i widen_bytes(const uint32_t *lanes) {
  __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i *>(lanes));
  return Signed ? _mm256_cvtepi8_epi16(v) : _mm256_cvtepu8_epi16(v);
}

// `flags`: 4 is satfinite.
template <int K, bool SignedA, bool SignedB> Next multiply_bytes(const Instr &i, Warp &w, uint32_t mask) {
  if (Next n = whole_warp(i, w, mask); n != Next::step) return n;
  constexpr int blocks = K / 16;
  const uint32_t *d = &w.cta->program->lists[i.list], *a = d + 4, *b = a + 2 * blocks, *c = b + blocks;
  alignas(32) uint32_t as[16][K / 2], rows[8][K / 2], bs[K / 2][8]; // pairs of values along k
  for (int k = 0; k < blocks; ++k) {
    for (int r = 0; r < 8; ++r) {
      for (int h = 0; h < 2; ++h)
        _mm256_store_si256(reinterpret_cast<__m256i *>(&as[8 * h + r][8 * k]),
                           widen_bytes<SignedA>(w.at<uint32_t>(a[2 * k + h]) + 4 * r));
      _mm256_store_si256(reinterpret_cast<__m256i *>(&rows[r][8 * k]),
                         widen_bytes<SignedB>(w.at<uint32_t>(b[k]) + 4 * r));
    }
  }
  for (int k = 0; k < K / 2; ++k)
    for (int n = 0; n < 8; ++n) bs[k][n] = rows[n][k];
  for (int r = 0; r < 16; ++r) {
    __m256i sum = _mm256_setzero_si256();
    for (int k = 0; k < K / 2; ++k)
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_set1_epi32(int(as[r][k])),
                                                    _mm256_load_si256(reinterpret_cast<const __m256i *>(bs[k]))));
    alignas(32) int32_t s[8];
    _mm256_store_si256(reinterpret_cast<__m256i *>(s), sum);
    for (int n = 0; n < 8; ++n) {
      uint32_t at = uint32_t(r % 8 * 4 + n / 2), place = uint32_t(r / 8 * 2 + n % 2);
      int32_t before = w.at<int32_t>(c[place])[at];
      int64_t after = int64_t(before) + s[n];
      if (i.flags & 4) after = std::min<int64_t>(std::max<int64_t>(after, INT32_MIN), INT32_MAX);
      w.at<int32_t>(d[place])[at] = int32_t(after);
    }
  }
  ++w.cta->worker->counters.mmas;
  return Next::step;
}

// --- decoding
Status vector_places(Assembler &a, const Statement &s, const Operand &o, size_t n, bool destination) {
  Operand vector;
  vector.parts.push_back(o);
  const auto &parts = o.kind == Operand::vector ? o.parts : vector.parts;
  if (parts.size() != n) return a.error(s, "%zu registers where %zu belong", parts.size(), n);
  for (const Operand &part : parts) {
    uint32_t place;
    INGOT_TRY(destination ? a.destination(s, part, 32, &place) : a.source(s, part, 32, &place));
    a.program.lists.push_back(place);
  }
  return {};
}

Status decode_ldmatrix(Assembler &a, const Statement &s, Instr &i) {
  std::string name(s.opcode);
  for (uint32_t n : {1, 2, 4})
    for (const char *trans : {"", ".trans"})
      for (const char *space : {".shared", ".shared::cta"})
        if (name == "ldmatrix.sync.aligned.m8n8.x" + std::to_string(n) + trans + space + ".b16") {
          i.x = n;
          i.y = *trans != 0;
        }
  if (!i.x) return a.unknown(s);
  INGOT_TRY(a.count(s, 2, 2));
  bool narrow;
  i.run = load_matrix;
  i.is_sync = true;
  i.op_class = OpClass::shared;
  i.list = uint32_t(a.program.lists.size());
  INGOT_TRY(vector_places(a, s, s.operands[0], i.x, true));
  INGOT_TRY(a.address(s, s.operands[1], &i.a, &i.imm, &narrow));
  i.flags = narrow;
  return {};
}

Status decode_movmatrix(Assembler &a, const Statement &s, Instr &i) {
  if (s.opcode != "movmatrix.sync.aligned.m8n8.trans.b16") return a.unknown(s);
  INGOT_TRY(a.count(s, 2, 2));
  i.run = move_matrix;
  i.op_class = OpClass::matrix;
  INGOT_TRY(a.destination(s, s.operands[0], 32, &i.d));
  return a.source(s, s.operands[1], 32, &i.a);
}

struct Mma {
  Run run;
  size_t sums, a, b; // registers
};
template <Element E, int K, bool HalfSums> Mma floats() {
  return {multiply_floats<E, K, HalfSums>, HalfSums ? 2u : 4u, 2u * K / block_k<E>, size_t(K / block_k<E>)};
}
template <int K, bool A, bool B> Mma bytes() { return {multiply_bytes<K, A, B>, 4, K / 8, K / 16}; }

const std::map<std::string, Mma, std::less<>> &multiplies() {
  static const std::map<std::string, Mma, std::less<>> known = {
      {"m16n8k16.row.col.f32.f16.f16.f32", floats<Element::half, 16, false>()},
      {"m16n8k16.row.col.f16.f16.f16.f16", floats<Element::half, 16, true>()},
      {"m16n8k16.row.col.f32.bf16.bf16.f32", floats<Element::bfloat, 16, false>()},
      {"m16n8k8.row.col.f32.f16.f16.f32", floats<Element::half, 8, false>()},
      {"m16n8k8.row.col.f16.f16.f16.f16", floats<Element::half, 8, true>()},
      {"m16n8k8.row.col.f32.bf16.bf16.f32", floats<Element::bfloat, 8, false>()},
      {"m16n8k4.row.col.f32.tf32.tf32.f32", floats<Element::tf32, 4, false>()},
      {"m16n8k8.row.col.f32.tf32.tf32.f32", floats<Element::tf32, 8, false>()},
      {"m16n8k32.row.col.s32.s8.s8.s32", bytes<32, true, true>()},
      {"m16n8k32.row.col.s32.s8.u8.s32", bytes<32, true, false>()},
      {"m16n8k32.row.col.s32.u8.s8.s32", bytes<32, false, true>()},
      {"m16n8k32.row.col.s32.u8.u8.s32", bytes<32, false, false>()},
      {"m16n8k16.row.col.s32.s8.s8.s32", bytes<16, true, true>()},
      {"m16n8k16.row.col.s32.s8.u8.s32", bytes<16, true, false>()},
      {"m16n8k16.row.col.s32.u8.s8.s32", bytes<16, false, true>()},
      {"m16n8k16.row.col.s32.u8.u8.s32", bytes<16, false, false>()},
  };
  return known;
}

Status decode_mma(Assembler &a, const Statement &s, Instr &i) {
  std::string name(s.opcode);
  const std::string prefix = "mma.sync.aligned.", saturated = ".satfinite";
  if (!name.starts_with(prefix)) return a.unknown(s);
  name.erase(0, prefix.size());
  if (size_t at = name.find(saturated + ".s32"); at != name.npos) {
    name.erase(at, saturated.size());
    i.flags = 4;
  }
  auto known = multiplies().find(name);
  if (known == multiplies().end()) return a.unknown(s);
  const Mma &m = known->second;
  INGOT_TRY(a.count(s, 4, 4));
  i.run = m.run;
  i.op_class = OpClass::matrix;
  i.list = uint32_t(a.program.lists.size());
  INGOT_TRY(vector_places(a, s, s.operands[0], m.sums, true));
  INGOT_TRY(vector_places(a, s, s.operands[1], m.a, false));
  INGOT_TRY(vector_places(a, s, s.operands[2], m.b, false));
  return vector_places(a, s, s.operands[3], m.sums, false);
}

} // namespace

void add_matrix(Table &t) {
  t.decoders["ldmatrix"] = decode_ldmatrix;
  t.decoders["movmatrix"] = decode_movmatrix;
  t.decoders["mma"] = decode_mma;
}

} // namespace ingot::emulator
