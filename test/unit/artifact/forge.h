// Artifacts made by hand: a plan from the FlatBuffers object API, segments of any bytes, and hashes that fit.
// The model below is the smallest that uses every part of the contract; its kernels are C++ functions (kernels.h).
#pragma once
#include "runtime/artifact/artifact.h"

#include <string>
#include <vector>

namespace ingot::test {

struct Segment {
  uint32_t kind, tag;
  std::vector<uint8_t> bytes;
};

// The file's bytes. `plan` may be any bytes.
std::vector<uint8_t> forge(const std::vector<uint8_t> &plan, const std::vector<Segment> &segments);
std::vector<uint8_t> pack(const plan::PlanT &plan);

// Sets all hashes of a file whose bytes were changed (as far as its offsets can be followed).
void reseal(std::vector<uint8_t> &file);

// vocab 40, hidden 16, 2 layers: embed, 2 x (prepare + linear, attend), norm; head: logits. One cache group.
struct ToyOptions {
  uint32_t max_context = 64, page_tokens = 4, window = 0, private_rows = 2;
  bool v4 = true;    // code for v4, too
  bool cuda = false; // a second program, for CUDA: PTX 80 and a cubin 90 that nobody could run
};
plan::PlanT toy_plan(const ToyOptions &options = {});
plan::ProgramT &program_of(plan::PlanT &plan); // for the CPU
std::vector<Segment> toy_segments(const ToyOptions &options = {});
std::vector<uint8_t> toy_file(const ToyOptions &options = {});

// Opens the toy from bytes that the caller keeps, with C++ kernels.
Status open_toy(const std::vector<uint8_t> &file, Artifact *artifact, const ArtifactOptions &options = {});

} // namespace ingot::test
