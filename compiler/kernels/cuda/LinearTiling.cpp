// How LinearStream cuts a matrix into CTAs, warps and rings. No bits depend on it.
#include "compiler/kernels/cuda/LinearKernels.h"

namespace ingot::cuda {
namespace {
constexpr uint32_t kRing = 4, kMostRing = 8, kManyCtas = 1056; // eight a multiprocessor of the largest cards
constexpr uint32_t kFewCtas = 108;                             // an A100's multiprocessors
constexpr uint32_t kSmallStageBytes = 1536;                    // of several tokens, whose activations fill registers
} // namespace

bool StreamTiling::resident(const LinearShape &shape) const {
  return tokens == 1 && passes() == 1 && ring == sequence(shape);
}

std::optional<StreamTiling> StreamTiling::of(const LinearShape &shape, uint32_t tokens) {
  return tokens == 1 ? ofOne(shape) : ofMany(shape, tokens);
}

// A small matrix is spread over all multiprocessors; a large one takes several blocks a CTA. Rings of few warps are
// deep: what is on its way before the previous kernel ends is as much as fits, in half of the shared memory, or in all
// of it where a CTA has a multiprocessor to itself (units of a large head are few). One token: several blocks a warp
// where there is little to do for one, or enough for all multiprocessors.
std::optional<StreamTiling> StreamTiling::ofOne(const LinearShape &shape) {
  uint32_t unit = shape.unitBlocks, blocks = unit;
  bool shortRows = shape.splitSpans() * shape.spanColumns() <= 256;
  bool four = shortRows && 4 * kSplits * shape.splitBytes() <= kMostSharedBytes / 2; // blocks a warp
  uint32_t most = shortRows && !four ? 2 : 4;
  uint64_t ctas = shortRows ? kManyCtas / 2 : kManyCtas;
  if (unit == 1 && shape.blocks() >= 2 && (shortRows || shape.blocks() >= 2 * kManyCtas)) blocks = 2;
  while (blocks + unit <= most && shape.blocks() / (blocks + unit) >= ctas) blocks += unit;
  bool pairs = blocks % 2 == 0 && (shortRows || blocks > 4 || shape.blocks() / blocks >= kManyCtas / 4);
  uint32_t together = !pairs ? 1 : four && blocks % 4 == 0 ? 4 : 2;
  uint32_t budget = shape.blocks() / blocks <= kFewCtas ? kMostSharedBytes : kMostSharedBytes / 2;
  StreamTiling tiling{1, blocks, together, std::min<uint32_t>(blocks / together, 4), 3, uint32_t(shape.stageSpans())};
  auto fits = [&](uint32_t ring, uint32_t bytes) {
    tiling.ring = ring;
    return tiling.ringBytes(shape) + tiling.sumBytes() <= bytes;
  };
  uint64_t sequence = tiling.sequence(shape);
  if (tiling.passes() == 1 && sequence <= kMostRing && fits(sequence, budget)) return tiling; // resident
  while (!fits(3, kMostSharedBytes) && tiling.parts > 1) --tiling.parts;
  uint32_t ring = std::min<uint64_t>(kMostRing, tiling.sequence(shape) + 1);
  while (ring > 3 && !fits(ring, budget)) --ring;
  if (!fits(std::max(ring, 3u), kMostSharedBytes) && !fits(2, kMostSharedBytes)) return std::nullopt;
  return tiling;
}

// From 9 tokens on the read of the activations counts: a warp then takes two blocks together.
std::optional<StreamTiling> StreamTiling::ofMany(const LinearShape &shape, uint32_t tokens) {
  uint32_t unit = shape.unitBlocks, blocks = unit;
  if (tokens > 8 && unit == 1 && shape.blocks() > 1) blocks = 2;
  while (blocks + unit <= 4 && shape.blocks() / (blocks + unit) >= kManyCtas) blocks += unit;
  uint32_t mostParts = tokens > 8 ? 2 : 4; // 256 threads may have all registers they want
  uint32_t together = tokens > 8 && blocks % 2 == 0 && shape.terms == 1 ? 2 : 1; // more terms want the registers
  uint32_t spans = shape.stageSpans();
  while (shape.stageSpans() % spans || (spans > 1 && spans * shape.spanBytes() > kSmallStageBytes)) --spans;
  StreamTiling tiling{tokens, blocks, together, std::min<uint32_t>(blocks / together, mostParts), kMostRing, spans};
  auto fits = [&](uint32_t bytes) { return tiling.ringBytes(shape) + tiling.sumBytes() <= bytes; };
  uint64_t sequence = tiling.sequence(shape);
  while (tiling.ring > kRing && (tiling.ring > sequence + 1 || !fits(kMostSharedBytes / 2))) --tiling.ring;
  if (tokens > 8) tiling.ring = kRing - 1;
  while (!fits(kMostSharedBytes) && tiling.parts > 1) --tiling.parts;
  while (!fits(kMostSharedBytes) && tiling.ring > 2) --tiling.ring;
  while (!fits(kMostSharedBytes) && tiling.tokens > 8) tiling.tokens /= 2;
  if (!fits(kMostSharedBytes)) return std::nullopt;
  return tiling;
}

} // namespace ingot::cuda
