// A tensor's value in the reference evaluator: wide storage, every element exactly a value of its element type.
#pragma once
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"
#include <optional>
#include <vector>

namespace ingot::reference {

using Shape = llvm::SmallVector<int64_t>;

struct Array {
  mlir::Type element;
  Shape shape;
  std::vector<double> reals;     ///< of float elements
  std::vector<int64_t> integers; ///< of others, wrapped to their width: ui64 above 2^63 by its bits, i1 as 0 and 1

  bool isReal() const { return llvm::isa<mlir::FloatType>(element); }
  size_t size() const { return isReal() ? reals.size() : integers.size(); }
  int64_t rank() const { return int64_t(shape.size()); }
  /// The i-th element as a double, whatever the type.
  double number(size_t i) const;
};

/// Number of elements; nothing if a dim is negative or there are more than 2^30.
std::optional<size_t> elementCount(llvm::ArrayRef<int64_t> shape);

/// Zeros. The shape must have an elementCount.
Array makeArray(mlir::Type element, llvm::ArrayRef<int64_t> shape);

/// The nearest value of a float type, ties to even; an integer wrapped to its type's width.
double roundTo(mlir::Type element, double value);
int64_t wrapTo(mlir::Type element, int64_t value);

/// From bytes as ONNX stores a tensor of this static type (packed nibbles, bools as bytes), and from a literal.
Array fromBytes(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);
Array fromElements(mlir::DenseElementsAttr elements);
mlir::DenseElementsAttr toElements(const Array &array);

/// Row-major strides.
Shape stridesOf(llvm::ArrayRef<int64_t> shape);

/// The shape that NumPy broadcasting gives; nothing if there is none.
std::optional<Shape> broadcast(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);
/// For every element of `shape`, which element of an array of shape `from` broadcasting reads.
std::vector<size_t> broadcastIndices(llvm::ArrayRef<int64_t> from, llvm::ArrayRef<int64_t> shape);

/// Calls f(index, flat) for every index of a shape in row-major order.
template <typename F> void forEachIndex(llvm::ArrayRef<int64_t> shape, F &&f) {
  Shape index(shape.size(), 0);
  for (int64_t dim : shape)
    if (dim == 0) return;
  for (size_t flat = 0;; ++flat) {
    f(llvm::ArrayRef<int64_t>(index), flat);
    size_t axis = shape.size();
    for (; axis > 0 && ++index[axis - 1] == shape[axis - 1]; --axis) index[axis - 1] = 0;
    if (axis == 0) return;
  }
}

} // namespace ingot::reference
