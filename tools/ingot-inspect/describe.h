// What an artifact is, as text, as JSON and as IR of the plan dialect.
#pragma once
#include "runtime/artifact/artifact.h"

#include <string>

namespace ingot {

struct MemoryQuestion {
  uint32_t sequences = 1, tokens = 0; // tokens 0: the model's max_context
  uint32_t rows = 512;                // of a step
};

// Bytes that a session of the program takes for the question.
struct MemoryAnswer {
  size_t weights, activations, logits, kv;
};
MemoryAnswer memory_needed(const Artifact &artifact, const plan::Program &program, const MemoryQuestion &question);

std::string describe_text(const Artifact &artifact, const MemoryQuestion &question);
std::string describe_json(const Artifact &artifact, const MemoryQuestion &question);
std::string describe_mlir(const Artifact &artifact);

} // namespace ingot
