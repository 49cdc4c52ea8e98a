// A model file in a temporary folder, and recipes over it written as MLIR text.
#pragma once
#include "compiler/weights/recipe.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>
#include <random>
#include <unistd.h>

namespace ingot::test {

class ModelFixture : public ::testing::Test {
protected:
  ModelFixture() {
    context.loadDialect<weights::WeightsDialect>();
    folder = ::testing::TempDir() + "ingot-weights-XXXXXX";
    EXPECT_TRUE(mkdtemp(folder.data()));
  }
  ~ModelFixture() override { std::filesystem::remove_all(folder); }

  std::string path() const { return folder + "/model.onnx"; }

  /// Appends values to the model file and a source of `type` for them to the module's text.
  template <typename T> void source(const std::string &name, const std::string &type, const std::vector<T> &values) {
    size_t offset = data.size(), bytes = values.size() * sizeof(T);
    data.resize(offset + bytes);
    if (bytes) std::memcpy(data.data() + offset, values.data(), bytes);
    text += "weights.source @" + name + " {file = \"\", offset = " + std::to_string(offset) +
            ", length = " + std::to_string(bytes) + "} : " + type + "\n";
  }

  void parse(const std::string &recipes) {
    FILE *file = std::fopen(path().c_str(), "wb");
    ASSERT_EQ(std::fwrite(data.data(), 1, data.size(), file), data.size());
    std::fclose(file);
    module = mlir::parseSourceString<mlir::ModuleOp>(text + recipes, &context);
    ASSERT_TRUE(module) << text + recipes;
    files = std::make_unique<SourceFiles>(path());
  }

  weights::RecipeOp op(llvm::StringRef name = "r") { return module->lookupSymbol<weights::RecipeOp>(name); }

  std::vector<float> dense(llvm::StringRef name = "r") {
    auto values = evaluateDense(op(name), *files);
    if (values) return *values;
    ADD_FAILURE() << llvm::toString(values.takeError());
    return {};
  }

  std::vector<uint8_t> packed(llvm::StringRef name = "r", unsigned jobs = 1) {
    std::vector<uint8_t> bytes;
    auto recipe = Recipe::build(op(name), *files);
    if (!recipe) {
      ADD_FAILURE() << llvm::toString(recipe.takeError());
      return {};
    }
    llvm::Error error = streamRecipes(*recipe, jobs, [&](size_t, llvm::ArrayRef<uint8_t> piece) {
      bytes.insert(bytes.end(), piece.begin(), piece.end());
      return llvm::Error::success();
    });
    if (error) ADD_FAILURE() << llvm::toString(std::move(error));
    EXPECT_EQ(bytes.size(), recipe->bytes());
    return bytes;
  }

  /// Every row of a packed weight as f32.
  static std::vector<float> unpack(const WeightFormat &format, const std::vector<uint8_t> &bytes, uint64_t rows,
                                   uint64_t cols) {
    std::vector<float> values(rows * cols);
    for (uint64_t row = 0; row < rows; ++row)
      unpackRow(format, bytes.data() + row / 16 * blockBytes(format, cols), uint32_t(row % 16), cols,
                values.data() + row * cols);
    return values;
  }

  std::vector<float> normals(size_t count) {
    std::vector<float> values(count);
    for (float &value : values) value = normal(random);
    return values;
  }
  std::vector<uint8_t> bytes(size_t count, unsigned mask = 255) {
    std::vector<uint8_t> values(count);
    for (uint8_t &value : values) value = uint8_t(random() & mask);
    return values;
  }

  mlir::MLIRContext context;
  std::string folder, text;
  std::vector<uint8_t> data;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::unique_ptr<SourceFiles> files;
  std::mt19937 random{11};
  std::normal_distribution<float> normal;
};

} // namespace ingot::test
