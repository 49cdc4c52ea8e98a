// The door of this room: kernels for launch regions, for every CPU level at once (passes/lower/KernelGenerator.h).
//
// A region becomes one kernel a variant and, where its root's input must be normalised or quantised, a prepare kernel.
// All have the same name in every level's module: <launch>_<hash>_<what>.
#pragma once
#include "compiler/kernels/cpu/Attend.h"
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "passes/lower/KernelGenerator.h"

namespace ingot::cpu {

/// Kernels on 16 lanes, for whatever machine holds them.
class LaneKernels : public KernelGenerator {
public:
  uint64_t hash(decoder::LaunchOp launch) override;
  mlir::FailureOr<LaunchKernels> generate(decoder::LaunchOp launch) override;
  uint64_t packedBytes(weights::RecipeOp recipe) override;
  std::string layoutName(weights::RecipeOp recipe) override;
  uint64_t pageTokens() override;
  uint64_t pageBytes(decoder::CacheGroupOp group) override;
  uint32_t queryTileRows() override;

protected:
  explicit LaneKernels(Machine machine) : machine(machine) {}

  /// The loop over the grid items [e.begin, e.end); the bytes of scratch a worker needs.
  using Body = llvm::function_ref<mlir::FailureOr<uint64_t>(Emitter &e)>;
  /// Makes the kernel `variant.kernel` and fills in what only its code tells.
  virtual mlir::LogicalResult emit(KernelVariant &variant, Body body) = 0;

  mlir::FailureOr<LaunchKernels> generateRows(decoder::LaunchOp launch, const std::string &stem);
  mlir::FailureOr<LaunchKernels> generateLinear(decoder::LaunchOp launch, const std::string &stem);
  mlir::FailureOr<LaunchKernels> generateExperts(decoder::LaunchOp launch, const std::string &stem);
  mlir::FailureOr<LaunchKernels> generateAttend(decoder::LaunchOp launch, const std::string &stem);

  const Machine machine;
};

class CpuKernels : public LaneKernels {
public:
  /// `modules`: one empty module a level, in the order of the artifact's code segments; compileCpu() takes them when
  /// all launches are lowered. They must outlive this. Not thread-safe.
  struct LevelModule {
    CpuLevel level;
    mlir::ModuleOp module;
  };
  explicit CpuKernels(llvm::ArrayRef<LevelModule> modules) : LaneKernels(Machine::cpu), modules(modules) {}

private:
  mlir::LogicalResult emit(KernelVariant &variant, Body body) override;

  llvm::SmallVector<LevelModule> modules;
};

/// The stem of a launch's kernels: letters, digits and '_' only, whatever it is called.
std::string kernelStem(decoder::LaunchOp launch, uint64_t hash);

/// What an attend launch computes: attend alone, its query an input, its result yielded. Errors: anything else, heads
/// that do not fit the cache or the rows, sinks that are not one f32 a head.
mlir::FailureOr<AttendShape> attendShape(const LaunchFrame &frame, decoder::AttendOp root);

/// Launch rule 7. Two launches with equal hashes may share kernels.
uint64_t hashLaunch(decoder::LaunchOp launch);

} // namespace ingot::cpu
