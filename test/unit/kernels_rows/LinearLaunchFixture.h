// Launches with a linear root, through the door of the room: weights with a known meaning, and runs of every variant.
#pragma once
#include "compiler/kernels/cpu/LaunchKernels.h"
#include "compiler/reference/numerics.h"
#include "test/unit/kernels_rows/GuardedBytes.h"
#include "test/unit/kernels_rows/LaunchFixture.h"

namespace ingot::cpu {

inline constexpr size_t kRows = 9;
using Matrix = std::vector<float>; // row-major

// A random weight of 16-row blocks and its meaning.
struct Weight {
  WeightFormat format;
  size_t rows, cols;
  GuardedBytes bytes;
  numerics::Grid grid; // integers
  Matrix values;       // floats

  Weight(WeightFormat f, size_t rows, size_t cols, unsigned seed)
      : format(f), rows(rows), cols(cols), bytes(llvm::alignTo(*packedBytes(f, rows, cols), 64)) {
    f.isInteger() ? packGrid(seed) : packFloats(seed);
  }

  uint8_t *data() { return bytes.data(); }

  void packFloats(unsigned seed) {
    values = randomVector(rows * cols, seed);
    if (format.type == WeightFormat::Type::bf16) // cut off: any bf16 will do
      for (float &v : values) v = std::bit_cast<float>(std::bit_cast<uint32_t>(v) & 0xffff0000);
    std::vector<_Float16> halves(values.begin(), values.end());
    std::vector<uint16_t> brains;
    for (float v : values) brains.push_back(std::bit_cast<uint32_t>(v) >> 16);
    bool half = format.type == WeightFormat::Type::f16, brain = format.type == WeightFormat::Type::bf16;
    if (half) values.assign(halves.begin(), halves.end());
    const uint8_t *source = half    ? reinterpret_cast<uint8_t *>(halves.data())
                            : brain ? reinterpret_cast<uint8_t *>(brains.data())
                                    : reinterpret_cast<uint8_t *>(values.data());
    for (size_t block = 0; block * 16 < rows; ++block)
      packFloatBlock(format, std::min<size_t>(16, rows - block * 16), cols,
                     source + block * 16 * cols * format.bits() / 8, data() + block * blockBytes(format, cols));
  }

  void packGrid(unsigned seed) {
    std::mt19937 random(seed);
    size_t groups = groupCount(format, cols), codes = size_t(1) << format.bits();
    grid = {rows, cols, format.group, std::vector<int16_t>(rows * cols), std::vector<float>(rows * groups), {}};
    std::vector<uint8_t> code(rows * cols), zero(rows * groups, codes / 2);
    std::vector<float> minimum(rows * groups);
    for (float &s : grid.scale) s = float(_Float16((int(random() % 1999) - 999) / 4096.0f));
    for (float &m : minimum) m = float(_Float16((int(random() % 1999) - 999) / 1024.0f));
    if (format.zero == WeightFormat::Zero::zero_point)
      for (uint8_t &z : zero) z = random() % codes;
    if (format.zero == WeightFormat::Zero::minimum) zero.assign(rows * groups, 0), grid.minimum = minimum;
    for (size_t i = 0; i < code.size(); ++i) {
      code[i] = random() % codes;
      grid.quant[i] = code[i] - zero[i / cols * groups + i % cols / format.group];
    }
    for (size_t block = 0; block * 16 < rows; ++block) {
      size_t r = block * 16;
      GridView view{&code[r * cols], &grid.scale[r * groups],
                    format.zero == WeightFormat::Zero::zero_point ? &zero[r * groups] : nullptr,
                    format.zero == WeightFormat::Zero::minimum ? &minimum[r * groups] : nullptr};
      ASSERT_TRUE(packIntegerBlock(format, std::min<size_t>(16, rows - r), cols, view,
                                   data() + block * blockBytes(format, cols)));
    }
  }

  // x [tokens][cols] -> [tokens][rows]
  Matrix apply(const Matrix &x, bool int8) {
    size_t tokens = x.size() / cols;
    Matrix y(tokens * rows);
    if (!format.isInteger())
      numerics::linear(x.data(), tokens, values.data(), rows, cols, y.data());
    else if (!int8)
      numerics::linear(x.data(), tokens, grid, y.data());
    else {
      size_t groups = grid.groups();
      std::vector<int8_t> a(tokens * cols);
      std::vector<float> d(tokens * groups);
      for (size_t t = 0; t < tokens; ++t)
        numerics::quantise(&x[t * cols], cols, format.group, &a[t * cols], &d[t * groups]);
      numerics::linear(a.data(), d.data(), tokens, grid, y.data());
    }
    return y;
  }
};

class LinearLaunchTest : public LaunchTest {
public:
  using LaunchTest::packedRecipe;
  using LaunchTest::recipe;

protected:
  // Generates and compiles; false: failed.
  bool generate(decoder::LaunchOp launch) {
    if (!launch) return false;
    code = std::make_unique<LoadedCode>(*context, GetParam());
    auto made = code->generator()->generate(launch);
    if (failed(made)) return ADD_FAILURE(), false;
    kernels = *made;
    bool compiled = code->compile();
    EXPECT_TRUE(compiled) << code->error;
    return compiled;
  }

  // Runs the launch on `rows` rows with main variant `v` and the prepare of its class; the slot behind the results is
  // `prepared` if there is one.
  void run(size_t rows, const KernelVariant &v, unsigned preparedSlot) {
    EXPECT_LE(v.scratchBytes, scratch.size() - 64);
    arguments.rows = rows;
    prepared.assign(kernels.preparedBytesPerRow * (rows + 64) + 64, 0xAB);
    if (!kernels.prepare.empty()) {
      arguments.slot[preparedSlot] = (uint64_t(prepared.data()) + 63) / 64 * 64;
      const KernelVariant *prepare = kernels.prepare.begin();
      while (prepare->maxRows < v.maxRows) ++prepare;
      call(prepare->kernel, rows * prepare->units);
    }
    call(v.kernel, v.units * ((rows + v.per - 1) / v.per));
  }

  LaunchKernels kernels;
  std::vector<uint8_t> prepared;
};

inline std::string num(const WeightFormat &f, bool int8) {
  if (!int8) return "";
  return " attributes {num = #decoder.num<activations = int8, group = " + std::to_string(f.group) + ">}";
}

inline const WeightFormat kF32{WeightFormat::Type::f32}, kF16{WeightFormat::Type::f16};
inline const WeightFormat kInt4{WeightFormat::Type::int4, WeightFormat::Zero::symmetric, WeightFormat::Scale::f16, 32};
inline const WeightFormat kAffine{WeightFormat::Type::int4, WeightFormat::Zero::minimum, WeightFormat::Scale::f16, 32};
inline const WeightFormat kInt8{WeightFormat::Type::int8, WeightFormat::Zero::symmetric, WeightFormat::Scale::f16, 32};
inline const WeightFormat kZp{WeightFormat::Type::int8, WeightFormat::Zero::zero_point, WeightFormat::Scale::f16, 64};

inline Matrix dense(Rows &rows) {
  Matrix m;
  for (size_t r = 0; r < rows.count; ++r) m.insert(m.end(), rows[r], rows[r] + rows.cols);
  return m;
}

} // namespace ingot::cpu
