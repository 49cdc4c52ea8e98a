// Dense reads of grids, and movement that keeps them.
#include "compiler/weights/grid.h"

#include <cmath>
#include <cstring>

using namespace llvm;

namespace ingot {

using Zero = WeightFormat::Zero;
using Scale = WeightFormat::Scale;

void GridRows::resize(const GridFormat &format, int64_t count, int64_t cols) {
  rows = count;
  size_t groups = size_t(count) * size_t((cols + format.block - 1) / format.block);
  codes.resize(size_t(count) * size_t(cols));
  scales.resize(groups);
  zeros.resize(format.zero == Zero::zero_point ? groups : 0);
  minima.resize(format.zero == Zero::minimum ? groups : 0);
}

namespace {

// Columns [begin, begin + count) of row `row`, dequantised.
void dequantise(const GridFormat &format, const GridRows &grid, int64_t row, int64_t cols, int64_t begin, int64_t count,
                float *out) {
  int64_t blocks = (cols + format.block - 1) / format.block;
  const uint8_t *codes = grid.codes.data() + row * cols;
  for (int64_t k = begin; k < begin + count; ++k) {
    size_t block = size_t(row * blocks + k / format.block);
    float code = float(codes[k]), scale = grid.scales[block];
    if (format.zero == Zero::minimum) {
      *out++ = std::fma(code, scale, grid.minima[block]);
      continue;
    }
    float zero = format.zero == Zero::zero_point ? float(grid.zeros[block]) : float(1u << (format.bits - 1));
    *out++ = (code - zero) * scale;
  }
}

// Copies `count` items of each row from column `from` of `source` (pitch items a row) to column `to` of `target`.
template <typename T>
void copyColumns(const std::vector<T> &source, int64_t sourcePitch, int64_t from, std::vector<T> &target,
                 int64_t targetPitch, int64_t to, int64_t firstRow, int64_t rows, int64_t count) {
  if (source.empty() || count == 0) return;
  for (int64_t row = 0; row < rows; ++row)
    std::memcpy(target.data() + (firstRow + row) * targetPitch + to, source.data() + row * sourcePitch + from,
                size_t(count) * sizeof(T));
}

// Where a piece of one grid goes in another; columns in elements, aligned to blocks.
struct Placement {
  int64_t sourceCol, targetCol, targetRow, cols;
};

void copyGrid(const GridTensor &source, const GridRows &from, const GridTensor &target, GridRows &to,
              const Placement &at) {
  int64_t block = target.format.block;
  copyColumns(from.codes, source.cols(), at.sourceCol, to.codes, target.cols(), at.targetCol, at.targetRow, from.rows,
              at.cols);
  auto copyBlocks = [&](auto &sourceItems, auto &targetItems) {
    copyColumns(sourceItems, source.blocks(), at.sourceCol / block, targetItems, target.blocks(), at.targetCol / block,
                at.targetRow, from.rows, (at.cols + block - 1) / block);
  };
  copyBlocks(from.scales, to.scales);
  copyBlocks(from.zeros, to.zeros);
  copyBlocks(from.minima, to.minima);
}

Expected<Scale> widest(ArrayRef<GridRef> inputs) {
  for (const GridRef &input : inputs) {
    Expected<Scale> type = input->scaleType();
    if (!type || *type == Scale::f32) return type;
  }
  return Scale::f16;
}

class GridSlice final : public GridTensor {
public:
  GridSlice(GridRef input, ArrayRef<int64_t> shape, int64_t axis, int64_t begin, GridFormat format)
      : GridTensor(shape, format), input(std::move(input)), axis(axis), begin(begin) {}

  Error readGrid(int64_t row, int64_t rows, GridRows &out) const override {
    if (axis == 0) return input->readGrid(row + begin, rows, out);
    GridRows whole;
    if (Error error = input->readGrid(row, rows, whole)) return error;
    out.resize(format, rows, cols());
    copyGrid(*input, whole, *this, out, {begin, 0, 0, cols()});
    return Error::success();
  }
  Expected<Scale> scaleType() const override { return input->scaleType(); }

private:
  GridRef input;
  int64_t axis, begin;
};

class GridConcat final : public GridTensor {
public:
  GridConcat(std::vector<GridRef> inputs, ArrayRef<int64_t> shape, int64_t axis, GridFormat format)
      : GridTensor(shape, format), inputs(std::move(inputs)), axis(axis) {}

  Error readGrid(int64_t row, int64_t rows, GridRows &out) const override {
    out.resize(format, rows, cols());
    GridRows piece;
    int64_t start = 0; // of this input along the axis
    for (const GridRef &input : inputs) {
      int64_t begin = axis == 0 ? std::max(row, start) : row;
      int64_t end = axis == 0 ? std::min(row + rows, start + input->shape[0]) : row + rows;
      if (begin < end) {
        if (Error error = input->readGrid(axis == 0 ? begin - start : begin, end - begin, piece)) return error;
        copyGrid(*input, piece, *this, out, {0, axis == 0 ? 0 : start, begin - row, input->cols()});
      }
      start += input->shape[axis];
    }
    return Error::success();
  }
  Expected<Scale> scaleType() const override { return widest(inputs); }

private:
  std::vector<GridRef> inputs;
  int64_t axis;
};

class GridRowMap final : public GridTensor {
public:
  GridRowMap(GridRef input, ArrayRef<int64_t> shape, RowMap map, GridFormat format)
      : GridTensor(shape, format), input(std::move(input)), map(std::move(map)) {}

  Error readGrid(int64_t row, int64_t rows, GridRows &out) const override {
    out.resize(format, rows, cols());
    GridRows piece;
    return forEachRowRun(map, input->shape[0], row, row + rows,
                         [&](int64_t first, int64_t source, int64_t count) -> Error {
                           if (source < 0) {
                             zeroRows(piece, count);
                           } else if (Error error = input->readGrid(source, count, piece)) {
                             return error;
                           }
                           copyGrid(*input, piece, *this, out, {0, 0, first - row, cols()});
                           return Error::success();
                         });
  }
  Expected<Scale> scaleType() const override { return input->scaleType(); }

private:
  void zeroRows(GridRows &out, int64_t rows) const {
    out.resize(format, rows, cols());
    uint8_t code = format.zero == Zero::symmetric ? uint8_t(1u << (format.bits - 1)) : 0;
    std::fill(out.codes.begin(), out.codes.end(), code);
    std::fill(out.scales.begin(), out.scales.end(), 0.0f);
    std::fill(out.zeros.begin(), out.zeros.end(), uint8_t(0));
    std::fill(out.minima.begin(), out.minima.end(), 0.0f);
  }

  GridRef input;
  RowMap map;
};

} // namespace

Error GridTensor::read(const Box &box, uint8_t *out) const {
  GridRows grid;
  if (box.elements() == 0) return Error::success();
  if (Error error = readGrid(box.begin[0], box.extent[0], grid)) return error;
  float *values = reinterpret_cast<float *>(out);
  for (int64_t row = 0; row < box.extent[0]; ++row, values += box.extent[1])
    dequantise(format, grid, row, cols(), box.begin[1], box.extent[1], values);
  return Error::success();
}

TensorRef makeGridSlice(GridRef input, ArrayRef<int64_t> shape, int64_t axis, int64_t begin, GridFormat format) {
  return std::make_shared<GridSlice>(std::move(input), shape, axis, begin, format);
}
TensorRef makeGridConcat(std::vector<GridRef> inputs, ArrayRef<int64_t> shape, int64_t axis, GridFormat format) {
  return std::make_shared<GridConcat>(std::move(inputs), shape, axis, format);
}
TensorRef makeGridRowMap(GridRef input, ArrayRef<int64_t> shape, RowMap map, GridFormat format) {
  return std::make_shared<GridRowMap>(std::move(input), shape, std::move(map), format);
}

} // namespace ingot
