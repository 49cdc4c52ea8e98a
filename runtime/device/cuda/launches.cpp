#include "runtime/device/cuda/launches.h"

#include <algorithm>
#include <bit>

namespace ingot::cuda {

const plan::Variant &variant_for(const flatbuffers::Vector<flatbuffers::Offset<plan::Variant>> &variants,
                                 uint32_t rows) {
  uint32_t i = 0;
  while (variants.Get(i)->max_rows() < rows) ++i;
  return *variants.Get(i);
}

uint32_t ctas_for(const plan::Program &program, const plan::Variant &variant, const StepClass &most) {
  const plan::Kernel &kernel = *program.kernels()->Get(variant.kernel());
  uint64_t tiles = variant.grid() == plan::Grid::rows ? (uint64_t(most.rows) + variant.per() - 1) / variant.per()
                                                      : uint64_t(most.tiles) * most.splits;
  uint64_t ctas = (tiles * variant.units() + kernel.block_items() - 1) / kernel.block_items();
  return uint32_t(std::clamp<uint64_t>(ctas, 1, kernel.scratch_bytes() ? most_scratch_ctas : INT32_MAX));
}

uint32_t row_class(uint64_t rows, uint32_t most) {
  uint64_t step = rows <= 8 ? 0 : rows <= 64 ? 8 : rows <= 256 ? 32 : rows <= 1024 ? 128 : 512;
  uint64_t rounded = step ? align_up(rows, step) : std::bit_ceil(rows);
  return uint32_t(std::min<uint64_t>(rounded, most));
}

uint32_t split_class(uint64_t splits) { return uint32_t(std::bit_ceil(splits)); }

} // namespace ingot::cuda
