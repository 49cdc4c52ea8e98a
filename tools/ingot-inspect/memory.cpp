#include "runtime/kv/cache.h"
#include "tools/ingot-inspect/describe.h"

namespace ingot {

MemoryAnswer memory_needed(const Artifact &artifact, const plan::Program &program, const MemoryQuestion &question) {
  const plan::Plan &plan = artifact.plan();
  size_t rows = align_up(question.rows, 64), sequences = question.sequences;
  uint32_t tokens = question.tokens ? question.tokens : artifact.facts().max_context();
  auto weights = artifact.layout().find(INGOT_SEGMENT_WEIGHTS);
  return {.weights = weights ? weights->size : 0,
          .activations =
              program.body_arena_bytes_per_row() * rows + program.head_arena_bytes_per_row() * align_up(sequences, 64),
          .logits = sequences * artifact.facts().vocab_size() * sizeof(float),
          .kv = cache_bytes(plan, question.sequences, tokens, question.rows)};
}

} // namespace ingot
