// Closed forms of glue that combines elements along an axis: sums, extrema and products of short or regular axes.
#pragma once
#include "dialects/graph/Graph.h"
#include "passes/infer/Typing.h"

namespace ingot::infer {

/// Types a reduction of a closed value to `shape`. An axis of at most 64 elements is combined element by element; along
/// a longer one the element must not vary, or grow or fall steadily (extrema).
void inferGlueReduction(graph::ReduceOp op, Typing &typing, Shape shape);

/// Types a product of two closed matrices (or vectors) that contracts at most 64 elements, or reports it.
void inferGlueProduct(graph::MatmulOp op, Typing &typing);

} // namespace ingot::infer
