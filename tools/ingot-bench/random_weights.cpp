#include "tools/ingot-bench/random_weights.h"

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

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
float unit(uint64_t *random, bool with_sign) {
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

bool fill_floats(Float type, float magnitude, std::span<uint8_t> bytes, uint64_t *random) {
  size_t each = float_bytes[size_t(type)];
  for (size_t at = 0; at + each <= bytes.size(); at += each) put(type, magnitude * unit(random, true), &bytes[at]);
  return bytes.size() % each == 0;
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
      float value = magnitude * 3.46f / float(1u << bits) * unit(random, false);
      put(scale, value, scales + row * float_bytes[size_t(scale)]);
      if (zero[0] == 'a') put(scale, value * -0.5f * float((1u << bits) - 1), zeros + row * float_bytes[size_t(scale)]);
      if (zero[0] == 'z') zeros[row] = uint8_t(next(random) >> 32 & ((1u << bits) - 1));
    }
  }
};

bool is_integer(std::string_view element) {
  return element.size() >= 2 && (element[0] == 'i' || element[0] == 'u') && element[1] >= '1' && element[1] <= '8';
}

} // namespace

bool fill_random(const char *layout, uint64_t cols, std::span<uint8_t> bytes, uint64_t *random) {
  std::string_view name = layout;
  float magnitude = 1.3f / std::sqrt(float(cols)); // 0.5 to 1 has the root mean square 0.76
  Float type = Float::f32;
  if (name.starts_with("rows.")) {
    name.remove_prefix(5);
    if (is_integer(name)) {
      memset(bytes.data(), 0, bytes.size());
      return true;
    }
    return parse_float(name, &type) && fill_floats(type, 1, bytes, random);
  }
  if (parse_float(name, &type)) return fill_floats(type, magnitude, bytes, random);
  Grid grid;
  if (!grid.parse(layout) || bytes.size() % grid.bytes() != 0) return false;
  for (size_t at = 0; at < bytes.size(); at += grid.bytes()) grid.fill(magnitude, &bytes[at], random);
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
  uint64_t random = 1;
  for (uint32_t i = 0; i < count_of(artifact->plan().weights()); ++i) {
    const plan::Weight &weight = *artifact->plan().weights()->Get(i);
    if (!fill_random(text_of(weight.layout()), weight.cols(), {data_ + weight.offset(), weight.size()}, &random))
      return Status::error(Code::unsupported, "--random-weights: weight '%.60s' has the layout '%.40s'",
                           text_of(weight.name()), text_of(weight.layout()));
  }
  artifact->replace_weights(data_);
  return {};
}

} // namespace ingot
