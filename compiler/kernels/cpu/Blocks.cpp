// Shuffles, rotary embedding and norms on blocks of 16 columns.
#include "compiler/kernels/cpu/Blocks.h"

#include <numeric>

using namespace mlir;

namespace ingot::cpu {

int64_t unitColumns(int64_t headDim) { return std::lcm(laneCount, headDim); }

Value gatherColumns(Emitter &e, ArrayRef<Value> blocks, ArrayRef<int64_t> index) {
  llvm::SmallSetVector<int64_t, 4> sources;
  for (int64_t i : index)
    if (i >= 0) sources.insert(i / laneCount);
  if (sources.empty()) return e.lanes(0.0);
  Value result = blocks[sources[0]];
  // Each turn brings in one more source: lanes of it are 16 + (i mod 16), all others stay where they are.
  for (size_t s = 0; s < sources.size(); ++s) {
    SmallVector<int32_t> mask;
    bool identity = true;
    for (auto [lane, i] : llvm::enumerate(index)) {
      bool mine = i >= 0 && i / laneCount == sources[s];
      mask.push_back(!mine ? lane : s == 0 ? i % laneCount : laneCount + i % laneCount);
      identity &= mask.back() == int32_t(lane);
    }
    if (!identity) result = e.shuffle(result, blocks[sources[s]], mask);
  }
  return result;
}

//===- rope -------------------------------------------------------------------------------------------------------===//

namespace {
// How one lane turns: its partner's column, its angle, and whether it is the first of the pair.
struct Turn {
  int64_t partner = -1, angle = -1;
  bool first = false;
};
} // namespace

static Turn turnOf(int64_t column, int64_t headDim, int64_t n, bool interleaved) {
  int64_t d = column % headDim;
  if (d >= 2 * n) return {};
  if (interleaved) return {column ^ 1, d / 2, d % 2 == 0};
  return d < n ? Turn{column + n, d, true} : Turn{column - n, d - n, false};
}

// x where the mask is set, else y; constant masks that are all alike cost nothing.
static Value blend(Emitter &e, ArrayRef<int64_t> mask, Value x, Value y) {
  if (llvm::all_of(mask, [](int64_t bit) { return bit; })) return x;
  if (llvm::none_of(mask, [](int64_t bit) { return bit; })) return y;
  return e.select(e.intVector(e.i1, mask), x, y);
}

// y1 = fma(x1, c, -(x2 s)), y2 = fma(x2, c, x1 s)
Blocks emitRope(Emitter &e, ArrayRef<Value> blocks, ArrayRef<Value> angles, int64_t headDim, int64_t n,
                bool interleaved) {
  Blocks result;
  for (size_t b = 0; b < blocks.size(); ++b) {
    SmallVector<int64_t> partner, cosine, sine, first, turns;
    for (int64_t lane = 0; lane < laneCount; ++lane) {
      // In a unit cut short by the end of the row (row programs) a padding lane has no partner.
      Turn turn = turnOf(b * laneCount + lane, headDim, n, interleaved);
      bool inside = turn.partner < int64_t(blocks.size()) * laneCount;
      partner.push_back(inside ? turn.partner : -1);
      cosine.push_back(turn.angle);
      sine.push_back(turn.angle < 0 ? -1 : n + turn.angle);
      first.push_back(turn.first);
      turns.push_back(turn.angle >= 0);
    }
    if (llvm::none_of(turns, [](int64_t bit) { return bit; })) {
      result.push_back(blocks[b]);
      continue;
    }
    Value product = e.mul(gatherColumns(e, blocks, partner), gatherColumns(e, angles, sine));
    Value turned = e.fma(blocks[b], gatherColumns(e, angles, cosine), blend(e, first, e.neg(product), product));
    result.push_back(blend(e, turns, turned, blocks[b]));
  }
  return result;
}

//===- norm -------------------------------------------------------------------------------------------------------===//

NormStats emitNormStats(Emitter &e, decoder::NormKind kind, int64_t n, float eps, NormSweep sweep) {
  Value count = e.constant(e.f32, double(n)), shift;
  if (kind == decoder::NormKind::layer) {
    Value sum =
        sweep(e.lanes(0.0), [&](Value x, int64_t valid, Value sum) { return e.add(sum, e.keepFirst(x, valid)); });
    shift = e.broadcast(e.div(e.sumLanes(sum), count));
  }
  Value squares = sweep(e.lanes(0.0), [&](Value x, int64_t valid, Value sum) {
    Value centred = e.keepFirst(shift ? e.sub(x, shift) : x, valid);
    return e.fma(centred, centred, sum);
  });
  Value mean = e.sumLanes(squares);
  if (kind != decoder::NormKind::l2) mean = e.div(mean, count);
  Value root = e.sqrt(e.add(mean, e.constant(e.f32, eps)));
  return {shift, e.broadcast(e.div(e.constant(e.f32, 1.0), root))};
}

Value applyNorm(Emitter &e, const NormStats &stats, Value lanes, Value gain, Value bias) {
  Value y = e.mul(stats.shift ? e.sub(lanes, stats.shift) : lanes, stats.factor);
  if (gain) y = e.mul(y, gain);
  return bias ? e.add(y, bias) : y;
}

Blocks emitGroupNorm(Emitter &e, ArrayRef<Value> blocks, decoder::NormKind kind, int64_t groupDim, float eps,
                     ArrayRef<Value> gain, ArrayRef<Value> bias) {
  int64_t groupBlocks = llvm::divideCeil(groupDim, laneCount), columns = blocks.size() * laneCount;
  auto valid = [&](int64_t b) { return std::min(laneCount, groupDim - b * laneCount); };
  Blocks aligned; // the groups, each from a fresh block on
  for (int64_t group = 0; group * groupDim < columns; ++group) {
    Blocks own;
    for (int64_t b = 0; b < groupBlocks; ++b) {
      SmallVector<int64_t> index(laneCount, -1);
      for (int64_t lane = 0; lane < valid(b); ++lane) {
        int64_t column = group * groupDim + b * laneCount + lane;
        index[lane] = column < columns ? column : -1;
      }
      own.push_back(gatherColumns(e, blocks, index));
    }
    NormStats stats = emitNormStats(e, kind, groupDim, eps, [&](Value sum, NormStep step) {
      for (int64_t b = 0; b < groupBlocks; ++b) sum = step(own[b], valid(b), sum);
      return sum;
    });
    for (int64_t b = 0; b < groupBlocks; ++b)
      aligned.push_back(
          applyNorm(e, stats, own[b], gain.empty() ? Value() : gain[b], bias.empty() ? Value() : bias[b]));
  }
  Blocks result;
  for (size_t b = 0; b < blocks.size(); ++b) {
    SmallVector<int64_t> index;
    for (int64_t lane = 0; lane < laneCount; ++lane) {
      int64_t column = b * laneCount + lane, group = column / groupDim;
      index.push_back(group * groupBlocks * laneCount + column % groupDim);
    }
    result.push_back(gatherColumns(e, aligned, index));
  }
  return result;
}

} // namespace ingot::cpu
