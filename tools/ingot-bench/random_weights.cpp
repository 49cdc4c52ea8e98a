#include "tools/ingot-bench/random_weights.h"
#include "runtime/base/cpu.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace ingot {
namespace {

// xorshift64*: S. Vigna, An experimental exploration of Marsaglia's xorshift generators, scrambled. TOMS 42 (2016).
uint64_t next(uint64_t *random) {
  *random ^= *random >> 12;
  *random ^= *random << 25;
  *random ^= *random >> 27;
  return *random * 0x2545f4914f6cdd1du;
}

// From 0.5 to 1, of either sign when `with_sign`.
float unit_value(uint64_t *random, bool with_sign) {
  uint64_t bits = next(random);
  float value = 0.5f + float(bits >> 41) * 0x1p-24f;
  return with_sign && (bits & 1) ? -value : value;
}

// Towards zero; at least the least normal number.
uint16_t to_half(float x) {
  uint32_t bits = std::bit_cast<uint32_t>(x), sign = bits >> 16 & 0x8000;
  int exponent = int(bits >> 23 & 255) - 112;
  if (exponent <= 0) return uint16_t(sign | 0x0400);
  if (exponent > 30) return uint16_t(sign | 0x7bff);
  return uint16_t(sign | uint32_t(exponent) << 10 | (bits >> 13 & 1023));
}

enum class Float : uint8_t { f32, f16, bf16, f64 };
constexpr size_t float_bytes[] = {4, 2, 2, 8};

void put(Float type, float value, uint8_t *out) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t half = type == Float::f16 ? to_half(value) : uint16_t(bits >> 16);
  double wide = double(value);
  const void *from = type == Float::f32   ? static_cast<const void *>(&bits)
                     : type == Float::f64 ? static_cast<const void *>(&wide)
                                          : &half;
  memcpy(out, from, float_bytes[size_t(type)]);
}

bool parse_float(std::string_view name, Float *type) {
  static constexpr std::string_view names[] = {"f32", "f16", "bf16", "f64"};
  for (size_t i = 0; i < 4; ++i)
    if (name == names[i]) *type = Float(i);
  return name == names[size_t(*type)];
}

// Blocks of 16 rows: codes, then a scale a row, then its zero point or minimum.
struct Grid {
  char zero[8];
  uint32_t bits, group;
  Float scale;

  bool parse(const char *layout) {
    char tail[8] = "";
    int fields = sscanf(layout, "int%u.%7[a-z].g%u%7s", &bits, zero, &group, tail);
    scale = tail[0] ? Float::f32 : Float::f16;
    bool zero_known = fields >= 3 && (!strcmp(zero, "sym") || !strcmp(zero, "zp") || !strcmp(zero, "affine"));
    return zero_known && (bits == 4 || bits == 8) && group > 0 && group <= 1024 &&
           (fields == 3 || !strcmp(tail, ".f32"));
  }
  size_t data_bytes() const { return size_t(16) * group * bits / 8; }
  size_t scale_bytes() const { return 16 * float_bytes[size_t(scale)]; }
  size_t bytes() const {
    return data_bytes() + scale_bytes() + (zero[0] == 'a' ? scale_bytes() : zero[0] == 'z' ? 16 : 0);
  }

  // The codes' standard deviation is 2^bits / sqrt(12).
  void fill(float magnitude, uint8_t *out, uint64_t *random) const {
    for (size_t at = 0; at < data_bytes(); at += 8) {
      uint64_t word = next(random);
      memcpy(out + at, &word, 8);
    }
    uint8_t *scales = out + data_bytes(), *zeros = scales + scale_bytes();
    for (size_t row = 0; row < 16; ++row) {
      float value = magnitude * 3.46f / float(1u << bits) * unit_value(random, false);
      put(scale, value, scales + row * float_bytes[size_t(scale)]);
      if (zero[0] == 'a') put(scale, value * -0.5f * float((1u << bits) - 1), zeros + row * float_bytes[size_t(scale)]);
      if (zero[0] == 'z') zeros[row] = uint8_t(next(random) >> 32 & ((1u << bits) - 1));
    }
  }
};

bool is_integer(std::string_view element) {
  return element.size() >= 2 && (element[0] == 'i' || element[0] == 'u') && element[1] >= '1' && element[1] <= '8';
}

// Each is one of 256 values drawn before, eight of a draw: filling gigabytes must not take longer than uploading them.
template <size_t size> void fill_floats(Float type, float magnitude, std::span<uint8_t> bytes, uint64_t *random) {
  uint8_t values[256][size];
  for (auto &value : values) put(type, magnitude * unit_value(random, true), value);
  for (size_t at = 0; at < bytes.size();) {
    uint64_t word = next(random);
    for (int i = 0; i < 8 && at < bytes.size(); ++i, at += size, word >>= 8)
      memcpy(&bytes[at], values[word & 255], size);
  }
}

// How the bytes of one weight are made, a whole number of `unit` bytes at a time.
struct Filler {
  enum class Kind { zeros, floats, grid } kind = Kind::zeros;
  Float type = Float::f32;
  Grid grid;
  float magnitude = 1;
  size_t unit = 1;

  bool parse(const char *layout, uint64_t cols) {
    std::string_view name = layout;
    bool plain = name.starts_with("rows.");
    if (plain) name.remove_prefix(5);
    if (plain && is_integer(name)) return true;
    if (!plain) magnitude = 1.3f / std::sqrt(float(cols)); // 0.5 to 1 has the root mean square 0.76
    if (parse_float(name, &type)) return kind = Kind::floats, unit = float_bytes[size_t(type)], true;
    if (plain || !grid.parse(layout)) return false;
    return kind = Kind::grid, unit = grid.bytes(), true;
  }

  void fill(std::span<uint8_t> bytes, uint64_t *random) const {
    if (kind == Kind::zeros) memset(bytes.data(), 0, bytes.size());
    if (kind == Kind::floats)
      (unit == 2 ? fill_floats<2> : unit == 4 ? fill_floats<4> : fill_floats<8>)(type, magnitude, bytes, random);
    if (kind == Kind::grid)
      for (size_t at = 0; at < bytes.size(); at += unit) grid.fill(magnitude, &bytes[at], random);
  }
};

// A part of a weight that one thread fills, from a seed of its own: the bytes do not depend on the threads.
struct Piece {
  Filler filler;
  std::span<uint8_t> bytes;
  uint64_t seed;
};
constexpr size_t piece_bytes = size_t(4) << 20;

void add_pieces(const Filler &filler, std::span<uint8_t> bytes, std::vector<Piece> *pieces) {
  size_t each = std::max<size_t>(piece_bytes / filler.unit, 1) * filler.unit;
  for (size_t at = 0; at < bytes.size(); at += each)
    pieces->push_back(
        {filler, bytes.subspan(at, std::min(each, bytes.size() - at)), (pieces->size() + 1) * 0x9e3779b97f4a7c15u});
}

void fill_all(const std::vector<Piece> &pieces) {
  std::atomic<size_t> cursor = 0;
  auto work = [&] {
    for (size_t i; (i = cursor.fetch_add(1, std::memory_order_relaxed)) < pieces.size();) {
      uint64_t random = pieces[i].seed;
      pieces[i].filler.fill(pieces[i].bytes, &random);
    }
  };
  std::vector<std::thread> others;
  for (uint32_t i = 1; i < std::min<size_t>(usable_cpus(), pieces.size()); ++i) others.emplace_back(work);
  work();
  for (std::thread &other : others) other.join();
}

} // namespace

bool fill_random(const char *layout, uint64_t cols, std::span<uint8_t> bytes, uint64_t *random) {
  Filler filler;
  if (!filler.parse(layout, cols) || bytes.size() % filler.unit != 0) return false;
  filler.fill(bytes, random);
  return true;
}

RandomWeights::~RandomWeights() {
  if (data_) munmap(data_, size_);
}

// In memory of a file's kind, with a file's small pages: huge ones would flatter the speed.
Status RandomWeights::replace(Artifact *artifact) {
  const ingot_segment *segment = artifact->layout().find(INGOT_SEGMENT_WEIGHTS);
  if (!segment || segment->size == 0) return {};
  int file = memfd_create("ingot-bench weights", MFD_CLOEXEC);
  int error = file < 0 || ftruncate(file, off_t(segment->size)) != 0 ? errno : 0;
  void *memory = error ? MAP_FAILED : mmap(nullptr, segment->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file >= 0) close(file);
  if (memory == MAP_FAILED)
    return Status::error(Code::no_memory, "--random-weights: no memory for %llu bytes",
                         (unsigned long long)segment->size);
  data_ = static_cast<uint8_t *>(memory);
  size_ = segment->size;
  std::vector<Piece> pieces;
  for (uint32_t i = 0; i < count_of(artifact->plan().weights()); ++i) {
    const plan::Weight &weight = *artifact->plan().weights()->Get(i);
    Filler filler;
    if (!filler.parse(text_of(weight.layout()), weight.cols()) || weight.size() % filler.unit != 0)
      return Status::error(Code::unsupported, "--random-weights: weight '%.60s' has the layout '%.40s'",
                           text_of(weight.name()), text_of(weight.layout()));
    add_pieces(filler, {data_ + weight.offset(), weight.size()}, &pieces);
  }
  fill_all(pieces);
  artifact->replace_weights(data_);
  return {};
}

} // namespace ingot
