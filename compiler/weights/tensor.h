// What a recipe value is while it is evaluated: something that any box of elements can be read from. Nothing is kept
// between reads, so memory is bounded by the boxes in flight; reads are thread-safe and deterministic.
#pragma once
#include "compiler/weights/element.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <memory>

namespace ingot {

using Shape = llvm::SmallVector<int64_t, 4>;

/// The elements [begin, begin + extent) of every axis; written row-major and dense.
struct Box {
  Shape begin, extent;

  static Box whole(llvm::ArrayRef<int64_t> shape);
  static Box rows(llvm::ArrayRef<int64_t> shape, int64_t begin, int64_t count);
  int64_t elements() const;
};

int64_t elementCount(llvm::ArrayRef<int64_t> shape);

/// Calls f(flat begin, elements) for the contiguous runs of `box` in a row-major tensor of `shape`, in order.
llvm::Error forEachRun(llvm::ArrayRef<int64_t> shape, const Box &box,
                       llvm::function_ref<llvm::Error(int64_t, int64_t)> f);

/// Calls f(box) for boxes that together are the elements [begin, begin + count) of a row-major tensor, in order.
llvm::Error forEachBox(llvm::ArrayRef<int64_t> shape, int64_t begin, int64_t count,
                       llvm::function_ref<llvm::Error(const Box &)> f);

class GridTensor;

class Tensor {
public:
  Tensor(llvm::ArrayRef<int64_t> shape, Element element) : shape(shape), element(element) {}
  virtual ~Tensor() = default;

  /// Writes box.elements() elements to `out`. The box lies inside the shape.
  virtual llvm::Error read(const Box &box, uint8_t *out) const = 0;
  virtual const GridTensor *asGrid() const { return nullptr; }

  const Shape shape;
  const Element element;
};

using TensorRef = std::shared_ptr<const Tensor>;
using ByteBuffer = std::unique_ptr<uint8_t[]>;

/// Uninitialised bytes for `count` elements.
inline ByteBuffer allocate(Element element, int64_t count) {
  return std::make_unique_for_overwrite<uint8_t[]>(size_t(count) * elementBytes(element));
}

/// Reads a box of a tensor as f32.
llvm::Error readFloats(const Tensor &tensor, const Box &box, float *out);

} // namespace ingot
