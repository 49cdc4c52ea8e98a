// Index arithmetic of the pad modes.
#include "dialects/graph/Padding.h"

int64_t ingot::graph::padSource(PadMode mode, int64_t i, int64_t dim) {
  if (i >= 0 && i < dim) return i;
  if (mode == PadMode::constant || dim == 0) return -1;
  if (mode == PadMode::edge) return i < 0 ? 0 : dim - 1;
  if (mode == PadMode::wrap) return ((i % dim) + dim) % dim;
  int64_t period = std::max<int64_t>(2 * (dim - 1), 1), folded = ((i % period) + period) % period;
  return folded < dim ? folded : period - folded;
}
