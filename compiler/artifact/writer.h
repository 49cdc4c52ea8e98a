// Writes an artifact (runtime/format/abi.h): header, segment records, plan, then page-aligned segments in the order
// code, weights, tokenizer, chat template.
//
// Invariants
//  1. Every offset is decided before the first byte is written; weights are streamed and never held.
//  2. The same contents give the same bytes, whatever `jobs`.
//  3. OUT is written atomically (atomic_file.h); an error leaves the old file, or none.
#pragma once
#include "compiler/weights/recipe.h"
#include "runtime/format/abi.h"
#include "runtime/format/plan_generated.h"

#include <string>
#include <vector>

namespace ingot {

struct CodeSegment {
  ingot_segment_kind kind; // CPU code, PTX or a cubin
  uint32_t level;          // plan.fbs, Code: the segment's tag
  std::vector<uint8_t> bytes;
};

struct ArtifactContents {
  /// Complete but for segment numbers (weights_segment, code[].segment), which the writer sets. The programs' code
  /// entries, one program after the other, describe `code`; weights[i] the i-th recipe with the offset and size that
  /// planWeights() gave.
  plan::PlanT plan;
  std::vector<CodeSegment> code;
  std::vector<Recipe> weights;
  std::vector<uint8_t> tokenizer, chatTemplate; // empty: none
  bool zeroWeights = false;                     // --no-weights: a hole of the weights' size instead of them
};

struct ArtifactSizes {
  uint64_t file, plan, code, weights;
};

/// The plan's weights for `recipes`, laid out one after the other at multiples of 64.
std::vector<std::unique_ptr<plan::WeightT>> planWeights(llvm::ArrayRef<Recipe> recipes);

/// `progress(done, total)` is called with bytes of the file, on the calling thread. Errors name the file or the weight.
llvm::Expected<ArtifactSizes> writeArtifact(ArtifactContents &contents, llvm::StringRef path, unsigned jobs,
                                            llvm::function_ref<void(uint64_t done, uint64_t total)> progress);

} // namespace ingot
