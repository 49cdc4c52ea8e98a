// Random weights of any format: packed as kernels read them, and as the numerics reference does.
#pragma once
#include "compiler/reference/numerics.h"
#include "compiler/weights/float16.h"
#include "compiler/weights/layout.h"
#include <cstring>
#include <random>
#include <vector>

namespace ingot {

struct PackedWeight {
  WeightFormat format;
  uint64_t rows, cols;
  std::vector<uint8_t> bytes;
  numerics::Grid grid;       // integers
  std::vector<float> values; // floats, [rows][cols]

  PackedWeight(const WeightFormat &format, uint64_t rows, uint64_t cols, uint32_t seed)
      : format(format), rows(rows), cols(cols), bytes(*packedBytes(format, rows, cols)) {
    std::mt19937 random(seed);
    format.isInteger() ? makeGrid(random) : makeFloats(random);
  }

private:
  void makeFloats(std::mt19937 &random) {
    std::normal_distribution<float> normal;
    std::vector<uint8_t> raw(rows * cols * format.bits() / 8);
    for (uint64_t i = 0; i < rows * cols; ++i) {
      float v = normal(random);
      uint16_t half = format.type == WeightFormat::Type::bf16 ? bfloatFromFloat(v) : halfFromFloat(v);
      if (format.type == WeightFormat::Type::f32)
        memcpy(&raw[4 * i], &v, 4);
      else
        memcpy(&raw[2 * i], &half, 2);
      if (format.type == WeightFormat::Type::bf16) v = floatFromBfloat(half);
      if (format.type == WeightFormat::Type::f16) v = floatFromHalf(half);
      values.push_back(v);
    }
    uint64_t rowBytes = cols * format.bits() / 8;
    for (uint64_t r = 0; r < rows; r += 16)
      packFloatBlock(format, std::min<uint64_t>(16, rows - r), cols, &raw[r * rowBytes],
                     &bytes[r / 16 * blockBytes(format, cols)]);
  }

  void makeGrid(std::mt19937 &random) {
    uint64_t groups = groupCount(format, cols);
    std::vector<uint8_t> codes, zeros;
    std::vector<float> scales, minima;
    auto parameter = [&](float v) { return format.scale == WeightFormat::Scale::f16 ? numerics::roundToHalf(v) : v; };
    for (uint64_t i = 0; i < rows * cols; ++i) codes.push_back(random() % (1u << format.bits()));
    for (uint64_t i = 0; i < rows * groups; ++i) {
      scales.push_back(parameter(0.001f + (random() % 1000) * 1.1e-5f));
      zeros.push_back(random() % (1u << format.bits()));
      minima.push_back(parameter((int(random() % 1000) - 500) * 1.3e-4f));
    }
    bool affine = format.zero == WeightFormat::Zero::minimum;
    GridView view{codes.data(), scales.data(), zeros.data(), minima.data()};
    if (format.zero != WeightFormat::Zero::zero_point) view.zeros = nullptr;
    if (!affine) view.minima = nullptr;
    for (uint64_t r = 0; r < rows; r += 16) {
      GridView block{codes.data() + r * cols, scales.data() + r * groups,
                     view.zeros ? view.zeros + r * groups : nullptr, view.minima ? view.minima + r * groups : nullptr};
      if (!packIntegerBlock(format, std::min<uint64_t>(16, rows - r), cols, block,
                            &bytes[r / 16 * blockBytes(format, cols)]))
        abort(); // parameters above are exact in the format
    }
    grid = {.rows = rows, .cols = cols, .group = format.group, .quant = {}, .scale = scales, .minimum = {}};
    if (affine) grid.minimum = minima;
    for (uint64_t i = 0; i < rows * cols; ++i) {
      int zero = affine       ? 0
                 : view.zeros ? zeros[i / cols * groups + i % cols / format.group]
                              : 1 << (format.bits() - 1);
      grid.quant.push_back(codes[i] - zero);
    }
  }
};

} // namespace ingot
