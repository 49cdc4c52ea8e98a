// A weights.recipe made ready to be evaluated: as packed bytes in a stream of row blocks (bounded memory, any number of
// threads, the same bytes), or as dense f32 values for small tensors.
//
// Invariants
//  1. Building a recipe opens its files and checks every range against them; it reads no weight.
//  2. Item i covers rows [i * rowsPerItem, ...) of the packed tensor; concatenating all items gives the packed bytes.
//  3. Memory in flight is about (2 * jobs) items of at most 16 MB of source values each.
#pragma once
#include "compiler/weights/layout.h"
#include "compiler/weights/source_files.h"
#include "dialects/weights/Weights.h"

#include <vector>

namespace ingot {

class Tensor;

/// The packed format of a tensor type (its element type, or its #weights.grid encoding), or what cannot be packed.
llvm::Expected<WeightFormat> formatOf(mlir::RankedTensorType type);

class Recipe {
public:
  static llvm::Expected<Recipe> build(weights::RecipeOp op, SourceFiles &files);

  llvm::StringRef name() const { return symbol; }
  /// "int4.affine.g32", "f32", ...; for layout rows "rows.f32".
  std::string layoutName() const;
  uint64_t bytes() const { return totalBytes; }
  /// Logical shape, [rows, cols]: vectors have one row.
  uint64_t rows() const { return logicalRows; }
  uint64_t cols() const { return logicalCols; }

  size_t itemCount() const { return items; }
  /// Replaces `out` with the bytes of one item. Thread-safe.
  llvm::Error evaluateItem(size_t item, std::vector<uint8_t> &out) const;

private:
  llvm::Error evaluateRows(int64_t row, int64_t count, std::vector<uint8_t> &out) const;
  llvm::Error packGrid(int64_t row, int64_t count, std::vector<uint8_t> &out) const;
  llvm::Error packFloats(int64_t row, int64_t count, std::vector<uint8_t> &out) const;

  std::string symbol;
  std::shared_ptr<const Tensor> tensor;
  weights::LayoutKind layout = weights::LayoutKind::rows;
  WeightFormat format; // of layout r16
  uint64_t totalBytes = 0, logicalRows = 1, logicalCols = 1;
  int64_t rowsPerItem = 1;
  size_t items = 0;
};

/// Evaluates recipes one after the other with `jobs` threads and hands the bytes to `sink` in order, in pieces;
/// `recipe` counts up. `sink` runs on the calling thread; its error stops the stream.
llvm::Error streamRecipes(llvm::ArrayRef<Recipe> recipes, unsigned jobs,
                          llvm::function_ref<llvm::Error(size_t recipe, llvm::ArrayRef<uint8_t> bytes)> sink);

/// The logical values of a recipe value (what kernels compute with), row-major. For tensors that fit memory.
llvm::Expected<std::vector<float>> evaluateDense(mlir::Value value, SourceFiles &files);
llvm::Expected<std::vector<float>> evaluateDense(weights::RecipeOp op, SourceFiles &files);

/// The narrowest scale type (f16 or f32) that keeps every scale and minimum of a value with a grid exactly: a pre-pass
/// over the scales, which the grids of the recipe should then name. docs/weights.md says when a minimum is an f16.
llvm::Expected<mlir::Type> scaleTypeOf(mlir::Value gridValue, SourceFiles &files);

} // namespace ingot
