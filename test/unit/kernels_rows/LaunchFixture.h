// Runs the kernels of a launch, written as MLIR text, on rows of the test's making.
#pragma once
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/weights/layout.h"
#include "dialects/decoder/Decoder.h"
#include "dialects/weights/Weights.h"
#include "test/unit/target/LoadedCode.h"

#include "mlir/Parser/Parser.h"
#include <bit>
#include <cmath>
#include <random>

namespace ingot::cpu {

inline std::string tensor(size_t cols) { return "tensor<?x" + std::to_string(cols) + "xf32>"; }

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
    if (!runs(GetParam())) GTEST_SKIP() << "this CPU lacks level " << name(GetParam());
    mlir::DialectRegistry registry;
    registerTestTarget(registry);
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

public:
  static std::string source(const std::string &name, const std::string &type, size_t bytes) {
    return "weights.source @" + name + " {file = \"\", offset = 0, length = " + std::to_string(bytes) + "} : " + type +
           "\n";
  }
  static std::string shapeText(const std::vector<size_t> &shape) {
    std::string text;
    for (size_t n : shape) text += std::to_string(n) + "x";
    return text;
  }

  /// A plain or packed float recipe; where its bytes come from does not matter here.
  static std::string recipe(const std::string &name, const std::vector<size_t> &shape,
                            const std::string &element = "f32", const std::string &layout = "rows") {
    size_t bytes = element == "f32" ? 4 : 2;
    for (size_t n : shape) bytes *= n;
    std::string type = "tensor<" + shapeText(shape) + element + ">";
    return source(name + "_file", type, bytes) + "weights.recipe @" + name + " {\n%0 = weights.load @" + name +
           "_file : " + type + "\n%1 = weights.pack %0 " + layout + " : (" + type + ") -> " + type +
           "\nweights.yield %1 : " + type + "\n}\n";
  }

  /// A recipe packed in `f`.
  static std::string packedRecipe(const std::string &name, size_t rows, size_t cols, const WeightFormat &f) {
    if (!f.isInteger())
      return recipe(name, {rows, cols},
                    f.type == WeightFormat::Type::f32   ? "f32"
                    : f.type == WeightFormat::Type::f16 ? "f16"
                                                        : "bf16",
                    "r16");
    static constexpr const char *zeros[] = {"symmetric", "zero_point", "minimum"};
    std::string scale = f.scale == WeightFormat::Scale::f16 ? "f16" : "f32", bits = std::to_string(f.bits());
    std::string quants = "tensor<" + shapeText({rows, cols}) + "ui8>";
    size_t groups = groupCount(f, cols);
    std::string scales = "tensor<" + shapeText({rows, groups}) + "f32>";
    std::string zero =
        "tensor<" + shapeText({rows, groups}) + (f.zero == WeightFormat::Zero::minimum ? "f32>" : "ui8>");
    bool hasZero = f.zero != WeightFormat::Zero::symmetric;
    std::string type = "tensor<" + shapeText({rows, cols}) + "f32, #weights.grid<bits = " + bits +
                       ", group = " + std::to_string(f.group) + ", zero = " + zeros[int(f.zero)] +
                       ", scale = " + scale + ">>";
    std::string text = source(name + "_q", quants, rows * cols) + source(name + "_s", scales, rows * groups * 4);
    if (hasZero) text += source(name + "_z", zero, rows * groups * (f.zero == WeightFormat::Zero::minimum ? 4 : 1));
    text += "weights.recipe @" + name + " {\n%q = weights.load @" + name + "_q : " + quants + "\n%s = weights.load @" +
            name + "_s : " + scales + "\n";
    if (hasZero) text += "%z = weights.load @" + name + "_z : " + zero + "\n";
    text += "%d = weights.dequant %q, %s" + std::string(hasZero ? ", %z" : "") + " {bits = " + bits +
            ", block = " + std::to_string(f.group) + "} : (" + quants + ", " + scales + (hasZero ? ", " + zero : "") +
            ") -> " + type + "\n%1 = weights.pack %d r16 : (" + type + ") -> " + type + "\nweights.yield %1 : " + type +
            "\n}\n";
    return text;
  }

protected:
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
