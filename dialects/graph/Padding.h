// What graph.pad reads, for the evaluator and the kernels alike.
#pragma once
#include "dialects/graph/Graph.h"

namespace ingot::graph {

/// Where index `i` of a padded axis of `dim` elements reads, counted from its first element (so -1 is the last place of
/// the padding before it): an index in [0, dim), or -1 for the pad value. Any i, dim >= 0.
int64_t padSource(PadMode mode, int64_t i, int64_t dim);

} // namespace ingot::graph
