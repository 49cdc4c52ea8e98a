// Leaves and data movement: tensors whose elements are some other tensor's elements, elsewhere. Arguments are checked
// by the dialect's verifiers before anything here is built.
#pragma once
#include "compiler/weights/source_files.h"
#include "compiler/weights/tensor.h"

#include <vector>

namespace ingot {

/// How elements lie in a file: bytes of `Element`, or two 4-bit integers a byte, low nibble first.
enum class Storage : uint8_t { plain, packedU4, packedI4 };

TensorRef makeLoad(const SourceFile &file, uint64_t offset, llvm::ArrayRef<int64_t> shape, Element element,
                   Storage storage);
TensorRef makeConstant(llvm::ArrayRef<int64_t> shape, Element element, std::vector<uint8_t> bytes);
TensorRef makeReshape(TensorRef input, llvm::ArrayRef<int64_t> shape);
TensorRef makeTranspose(TensorRef input, llvm::ArrayRef<int64_t> permutation);
TensorRef makeSlice(TensorRef input, llvm::ArrayRef<int64_t> shape, int64_t axis, int64_t begin);
TensorRef makeConcat(std::vector<TensorRef> inputs, llvm::ArrayRef<int64_t> shape, int64_t axis);

/// Row r of the result is input row source(r), or zeros where that is >= the input's rows. Also serves pad_rows.
struct RowMap {
  Shape extents, strides; // mixed radix counter, see weights.permute_rows
  int64_t source(int64_t row) const;
};
TensorRef makeRowMap(TensorRef input, llvm::ArrayRef<int64_t> shape, RowMap map);

/// The maximal pieces [row, row + count) of [begin, end) whose source rows are consecutive, in order; source -1: zeros.
llvm::Error forEachRowRun(const RowMap &map, int64_t inputRows, int64_t begin, int64_t end,
                          llvm::function_ref<llvm::Error(int64_t row, int64_t source, int64_t count)> f);

} // namespace ingot
