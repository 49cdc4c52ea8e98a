// Values on an integer grid: rows of codes with a scale (and zero point or minimum) per block of columns. Codes and
// zero points are unsigned as in layout.h, invariant 4. Movement along rows and whole blocks keeps the grid.
#pragma once
#include "compiler/weights/layout.h"
#include "compiler/weights/movement.h"

#include <optional>

namespace ingot {

struct GridFormat {
  uint32_t bits; // 4 or 8
  int64_t block; // columns that share a scale; the last block may be short
  WeightFormat::Zero zero;
  WeightFormat::Scale scale; // what scales and minima are stored in: f16 only where every one of them is exactly an f16
};

/// `rows` rows of a grid. Group parameters at [row * blocks + block]; `zeros` and `minima` as the format says, else
/// empty.
struct GridRows {
  int64_t rows = 0;
  std::vector<uint8_t> codes; // [rows, cols]
  std::vector<float> scales;  // [rows, blocks]
  std::vector<uint8_t> zeros;
  std::vector<float> minima;

  void resize(const GridFormat &format, int64_t rows, int64_t cols);
};

/// A rank-2 f32 tensor whose dense values are the grid's, dequantised as layout.h says.
class GridTensor : public Tensor {
public:
  GridTensor(llvm::ArrayRef<int64_t> shape, GridFormat format) : Tensor(shape, Element::f32), format(format) {}

  virtual llvm::Error readGrid(int64_t row, int64_t rows, GridRows &out) const = 0;
  llvm::Error read(const Box &box, uint8_t *out) const override;
  const GridTensor *asGrid() const override { return this; }

  /// The narrowest type that holds every scale and minimum of this tensor. Reads them all.
  virtual llvm::Expected<WeightFormat::Scale> scaleType() const = 0;

  int64_t cols() const { return shape[1]; }
  int64_t blocks() const { return (shape[1] + format.block - 1) / format.block; }

  const GridFormat format;
};

using GridRef = std::shared_ptr<const GridTensor>;

// Movement. Pieces along columns are whole blocks (the last one may be short at the end): the verifiers check it.
TensorRef makeGridSlice(GridRef input, llvm::ArrayRef<int64_t> shape, int64_t axis, int64_t begin, GridFormat format);
TensorRef makeGridConcat(std::vector<GridRef> inputs, llvm::ArrayRef<int64_t> shape, int64_t axis, GridFormat format);
TensorRef makeGridRowMap(GridRef input, llvm::ArrayRef<int64_t> shape, RowMap map, GridFormat format);

/// weights.dequant: quants in either shape of the op's description, scales and zeros in any shape of the right size;
/// `minima`: float zeros are the minima themselves.
TensorRef makeDequant(TensorRef quants, TensorRef scales, TensorRef zeros, llvm::ArrayRef<int64_t> shape,
                      GridFormat format, bool minima);

/// weights.quantise: round to nearest onto a symmetric grid.
TensorRef makeQuantise(TensorRef input, GridFormat format);

} // namespace ingot
