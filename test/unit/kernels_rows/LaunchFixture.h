// Runs the kernels of a launch, written as MLIR text, on rows of the test's making.
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "dialects/decoder/Decoder.h"
#include "dialects/weights/Weights.h"
#include "test/unit/target/LoadedCode.h"

#include "mlir/Parser/Parser.h"
#include <bit>
#include <cmath>
#include <random>

namespace ingot::cpu {

/// Rows with the stride of a buffer; everything past the columns, and 64 rows of room, is NaN.
struct Rows {
  size_t count, cols, stride;
  std::vector<float> data;
  Rows(size_t count, size_t cols, bool exact = false)
      : count(count), cols(cols), stride(exact ? cols : (cols + 15) / 16 * 16), data((count + 64) * stride, NAN) {}
  float *operator[](size_t row) { return data.data() + row * stride; }
  static Rows random(size_t count, size_t cols, unsigned seed, float size = 2.0f) {
    Rows rows(count, cols);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0.0f, size);
    for (size_t r = 0; r < count; ++r)
      for (size_t c = 0; c < cols; ++c) rows[r][c] = normal(random);
    return rows;
  }
};

inline std::vector<float> randomVector(size_t n, unsigned seed) {
  Rows rows = Rows::random(1, n, seed, 1.0f);
  return std::vector<float>(rows[0], rows[0] + n);
}

/// Equal bits, or both NaN (payloads lie outside the contract).
inline testing::AssertionResult sameBits(const float *expected, const float *actual, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (std::isnan(expected[i]) && std::isnan(actual[i])) continue;
    if (std::bit_cast<uint32_t>(expected[i]) != std::bit_cast<uint32_t>(actual[i]))
      return testing::AssertionFailure() << "element " << i << ": " << expected[i] << " expected, got " << actual[i];
  }
  return testing::AssertionSuccess();
}

class LaunchTest : public testing::TestWithParam<CpuLevel> {
protected:
  void SetUp() override {
    mlir::DialectRegistry registry;
    registerCpuTarget(registry);
    registry.insert<decoder::DecoderDialect, weights::WeightsDialect>();
    context = std::make_unique<mlir::MLIRContext>(registry);
    context->loadAllAvailableDialects();
    code = std::make_unique<LoadedCode>(*context, GetParam());
  }
  void TearDown() override {
    code.reset();
    module = nullptr;
  }

  /// Parses `symbols` and a function whose only op is `launch`.
  decoder::LaunchOp parse(const std::string &symbols, const std::string &arguments, const std::string &launch,
                          const char *function = "body") {
    std::string text = symbols + "\nfunc.func @" + function + "(" + arguments + ") {\n" + launch + "\nreturn\n}\n";
    module = mlir::parseSourceString<mlir::ModuleOp>(text, context.get());
    if (!module) ADD_FAILURE() << text;
    decoder::LaunchOp found;
    if (module) module->walk([&](decoder::LaunchOp op) { found = op; });
    return found;
  }

  /// A recipe that a kernel reads; where its bytes come from does not matter here. `grid`: "" or the fields of
  /// #weights.grid, e.g. "bits = 4, group = 32, zero = symmetric, scale = f16".
  static std::string recipe(const std::string &name, std::vector<size_t> shape, const std::string &element = "f32",
                            const std::string &layout = "rows", const std::string &grid = "") {
    std::string dims;
    size_t bytes = element == "f32" ? 4 : 2;
    for (size_t n : shape) dims += std::to_string(n) + "x", bytes *= n;
    std::string plain = "tensor<" + dims + element + ">", type = plain, value = "%0", made;
    if (!grid.empty()) {
      type = "tensor<" + dims + element + ", #weights.grid<" + grid + ">>";
      made = "%q = weights.quantise %0 : (" + plain + ") -> " + type + "\n", value = "%q";
    }
    return "weights.source @" + name + "_file {file = \"\", offset = 0, length = " + std::to_string(bytes) +
           "} : " + plain + "\nweights.recipe @" + name + " {\n%0 = weights.load @" + name + "_file : " + plain + "\n" +
           made + "%1 = weights.pack " + value + " " + layout + " : (" + type + ") -> " + type +
           "\nweights.yield %1 : " + type + "\n}\n";
  }

  bool skipped() { return !runs(GetParam()); }

  struct Arguments {
    const ingot_batch *batch = nullptr;
    uint64_t rows = 0;
    uint64_t slot[12] = {};
  };
  ingot_batch batch = {};
  Arguments arguments;
  alignas(64) std::vector<uint8_t> scratch = std::vector<uint8_t>(1 << 20);

  template <class... Pointers> void bind(size_t rows, Pointers... pointers) {
    arguments.batch = &batch, arguments.rows = rows;
    unsigned i = 0;
    ((arguments.slot[i++] = uint64_t(pointers)), ...);
  }
  void call(llvm::StringRef name, uint64_t items) {
    auto *aligned = reinterpret_cast<void *>((uint64_t(scratch.data()) + 63) / 64 * 64);
    ASSERT_EQ(code->kernel(name)(reinterpret_cast<const ingot_args *>(&arguments), 0, items, aligned), 0);
  }

  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<LoadedCode> code;
};

} // namespace ingot::cpu
