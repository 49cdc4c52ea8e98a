// The launches of an entry of the plan for a class of steps: at most `rows` rows and `splits` splits. Grids are frozen
// for the class; kernels find the true numbers in the batch and leave early (format/abi.h, invariant 1).
#pragma once
#include "runtime/artifact/artifact.h"
#include "runtime/device/device.h"

namespace ingot::cuda {

// CTAs of a kernel with scratch: what bounds the scratch memory. 132 processors x 8.
inline constexpr uint32_t most_scratch_ctas = 1056;

// What a step may have at most.
struct StepClass {
  uint32_t rows = 0, tiles = 0, splits = 1;
};

struct Launch {
  uint32_t kernel = 0, ctas = 1;
  uint32_t step = 0;
  GridPart part = GridPart::main;
};

// Calls launch(Launch) for each launch of the entry, in order, until one fails.
template <class Function>
Status for_each_launch(const plan::Program &program, const plan::Entry &entry, const StepClass &most, Function launch);

// The first variant that serves `rows`.
const plan::Variant &variant_for(const flatbuffers::Vector<flatbuffers::Offset<plan::Variant>> &variants,
                                 uint32_t rows);
uint32_t ctas_for(const plan::Program &program, const plan::Variant &variant, const StepClass &most);

// The class's number of rows: powers of two up to 8, then multiples of 8, 32, 128 and 512, never above `most`.
uint32_t row_class(uint64_t rows, uint32_t most);
// The next power of two.
uint32_t split_class(uint64_t splits);

template <class Function>
Status for_each_launch(const plan::Program &program, const plan::Entry &entry, const StepClass &most, Function launch) {
  for (uint32_t s = 0; s < entry.steps()->size(); ++s) {
    const plan::Step &step = *entry.steps()->Get(s);
    const decltype(step.main()) parts[] = {step.prepare(), step.main(), step.finish()};
    for (int part = 0; part < 3; ++part) {
      if (count_of(parts[part]) == 0) continue;
      const plan::Variant &variant = variant_for(*parts[part], most.rows);
      INGOT_TRY(launch(Launch{variant.kernel(), ctas_for(program, variant, most), s, GridPart(part)}));
    }
  }
  return {};
}

} // namespace ingot::cuda
