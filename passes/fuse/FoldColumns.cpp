// Rows that only pick and reorder the columns of a linear become linears of the picked rows of its weight: interleaved
// query, key and value (a head's three parts side by side) cost nothing at run time, and merge-qkv sees plain parts.
//
// Rules: every reader of the linear is such an op, together they read no column twice more than there are, and each
// pick is a strided nest (reshape, slice, transpose, a gather of one index).
#include "dialects/decoder/Decoder.h"
#include "dialects/graph/Graph.h"
#include "passes/fuse/Passes.h"
#include "passes/fuse/RecipeBuilder.h"

using namespace mlir;
using namespace ingot;
using decoder::LinearOp;
using decoder::RowsOp;

namespace ingot {
#define GEN_PASS_DEF_FOLDCOLUMNS
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

namespace {

/// Element (i0, i1, ...) is column offset + i0 * stride0 + i1 * stride1 + ...
struct View {
  struct Axis {
    int64_t size, stride;
  };
  SmallVector<Axis> axes;
  int64_t offset = 0;
  int64_t count() const {
    int64_t product = 1;
    for (Axis axis : axes) product *= axis.size;
    return product;
  }
};

View whole(ArrayRef<int64_t> shape) {
  View view;
  int64_t stride = 1;
  for (int64_t size : llvm::reverse(shape)) view.axes.insert(view.axes.begin(), {size, stride}), stride *= size;
  return view;
}

/// The view's axes without those of size 1, and neighbours joined where they walk as one.
SmallVector<View::Axis> joined(ArrayRef<View::Axis> axes) {
  SmallVector<View::Axis> result;
  for (View::Axis axis : axes) {
    if (axis.size == 1) continue;
    if (!result.empty() && result.back().stride == axis.size * axis.stride)
      result.back() = {result.back().size * axis.size, axis.stride};
    else
      result.push_back(axis);
  }
  return result;
}

/// The same elements in another shape; nullopt where an axis of the shape straddles two that do not join.
std::optional<View> reshaped(const View &view, ArrayRef<int64_t> shape) {
  SmallVector<View::Axis> runs = joined(view.axes);
  View result;
  result.offset = view.offset;
  for (int64_t size : llvm::reverse(shape)) {
    while (!runs.empty() && runs.back().size == 1) runs.pop_back();
    if (size == 1) {
      result.axes.insert(result.axes.begin(), {1, 0});
      continue;
    }
    if (runs.empty() || runs.back().size % size) return std::nullopt;
    result.axes.insert(result.axes.begin(), {size, runs.back().stride});
    runs.back() = {runs.back().size / size, runs.back().stride * size};
  }
  return result;
}

ArrayRef<int64_t> shapeOf(Value v) { return cast<RankedTensorType>(v.getType()).getShape(); }

std::optional<View> sliced(View view, graph::SliceOp op) {
  auto starts = graph::constantIntegers(op.getStarts());
  if (!starts || starts->size() != op.getAxes().size()) return std::nullopt;
  for (auto [axis, start, step] : llvm::zip(op.getAxes(), *starts, op.getSteps())) {
    if (step < 1) return std::nullopt;
    View::Axis &cut = view.axes[axis];
    int64_t first = std::clamp<int64_t>(start < 0 ? start + cut.size : start, 0, cut.size);
    view.offset += first * cut.stride;
    cut = {shapeOf(op.getResult())[axis], cut.stride * step};
  }
  return view;
}

/// One index of an axis.
std::optional<View> picked(View view, graph::GatherOp op) {
  auto index = graph::constantIntegers(op.getIndices());
  if (!index || index->size() != 1) return std::nullopt;
  View::Axis &axis = view.axes[op.getAxis()];
  int64_t place = (*index)[0] < 0 ? (*index)[0] + axis.size : (*index)[0];
  if (place < 0 || place >= axis.size) return std::nullopt;
  view.offset += place * axis.stride;
  axis.size = 1;
  return reshaped(view, shapeOf(op.getResult()));
}

/// What a value of the region is of its argument; nullopt if it is computed.
std::optional<View> viewOf(Value value) {
  if (isa<BlockArgument>(value)) return whole(shapeOf(value));
  Operation *op = value.getDefiningOp();
  if (!isa<graph::ReshapeOp, graph::SqueezeOp, graph::UnsqueezeOp, graph::SliceOp, graph::TransposeOp, graph::GatherOp>(
          op))
    return std::nullopt;
  auto input = viewOf(op->getOperand(0));
  if (!input) return std::nullopt;
  if (auto slice = dyn_cast<graph::SliceOp>(op)) return sliced(*input, slice);
  if (auto gather = dyn_cast<graph::GatherOp>(op)) return picked(*input, gather);
  auto transpose = dyn_cast<graph::TransposeOp>(op);
  if (!transpose) return reshaped(*input, shapeOf(value));
  View result = *input;
  for (auto [k, axis] : llvm::enumerate(transpose.getPermutation())) result.axes[k] = input->axes[axis];
  return result;
}

FlatSymbolRefAttr pickRows(LinearOp linear, FlatSymbolRefAttr symbol, const View &view) {
  if (!symbol) return symbol;
  RecipeBuilder recipe(linear->getParentOfType<ModuleOp>(), linear.getLoc());
  Value rows = recipe.load(symbol);
  SmallVector<View::Axis> axes = joined(view.axes);
  int64_t last = view.offset;
  for (View::Axis axis : axes) last += (axis.size - 1) * axis.stride;
  if (view.offset || last + 1 != shapeOf(rows)[0]) rows = recipe.slice(rows, 0, view.offset, last + 1 - view.offset);
  SmallVector<int64_t> extents, strides;
  for (View::Axis axis : axes) extents.push_back(axis.size), strides.push_back(axis.stride);
  if (axes.size() > 1 || (axes.size() == 1 && axes[0].stride != 1)) rows = recipe.permuteRows(rows, extents, strides);
  return recipe.finish(rows, (symbol.getValue() + "_columns").str());
}

/// The picks of one linear, or nothing.
void foldInto(LinearOp linear) {
  struct Pick {
    OpResult result;
    View view;
  };
  SmallVector<Pick> picks;
  SmallVector<RowsOp> readers;
  int64_t columns = 0;
  for (Operation *user : linear->getUsers()) {
    auto rows = dyn_cast<RowsOp>(user);
    if (!rows || rows.getInputs().size() != 1 || !rows.getWeights().empty()) return;
    readers.push_back(rows);
    for (auto [result, value] : llvm::zip(rows.getResults(), rows.getBody().front().getTerminator()->getOperands())) {
      auto view = viewOf(value);
      if (!view) return;
      columns += view->count();
      picks.push_back({cast<OpResult>(result), *view});
    }
  }
  if (picks.empty() || columns > shapeOf(linear.getResult())[1]) return;
  OpBuilder b(linear);
  for (Pick &pick : picks) {
    auto weight = pickRows(linear, linear.getWeightAttr(), pick.view);
    auto made = b.create<LinearOp>(linear.getLoc(), pick.result.getType(), linear.getInput(), weight,
                                   pickRows(linear, linear.getBiasAttr(), pick.view), linear.getAccuracyLevelAttr());
    pick.result.replaceAllUsesWith(made.getResult());
  }
  for (RowsOp rows : readers) rows.erase();
  linear.erase();
}

struct FoldColumns : ingot::impl::FoldColumnsBase<FoldColumns> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (LinearOp linear : llvm::to_vector(function.getOps<LinearOp>())) foldInto(linear);
  }
};

} // namespace
