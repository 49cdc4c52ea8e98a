// The door of this room: kernels for launch regions, for every CPU level at once (passes/lower/KernelGenerator.h).
//
// A region becomes one kernel a variant and, where its root's input must be normalised or quantised, a prepare kernel.
// All have the same name in every level's module: <launch>_<hash>_<what>.
#pragma once
#include "compiler/kernels/cpu/Emitter.h"
#include "passes/lower/KernelGenerator.h"

namespace ingot::cpu {

class CpuKernels : public KernelGenerator {
public:
  /// `modules`: one empty module a level, in the order of the artifact's code segments; compileCpu() takes them when
  /// all launches are lowered. They must outlive this. Not thread-safe.
  struct LevelModule {
    CpuLevel level;
    mlir::ModuleOp module;
  };
  explicit CpuKernels(llvm::ArrayRef<LevelModule> modules) : modules(modules) {}

  uint64_t hash(decoder::LaunchOp launch) override;
  mlir::FailureOr<LaunchKernels> generate(decoder::LaunchOp launch) override;
  uint64_t packedBytes(weights::RecipeOp recipe) override;
  std::string layoutName(weights::RecipeOp recipe) override;
  uint64_t pageTokens() override;
  uint64_t pageBytes(decoder::CacheGroupOp group) override;
  uint32_t queryTileRows() override;

private:
  mlir::FailureOr<LaunchKernels> generateRows(decoder::LaunchOp launch, const std::string &stem);
  mlir::FailureOr<LaunchKernels> generateLinear(decoder::LaunchOp launch, const std::string &stem);
  mlir::FailureOr<LaunchKernels> generateExperts(decoder::LaunchOp launch, const std::string &stem);
  mlir::FailureOr<LaunchKernels> generateAttend(decoder::LaunchOp launch, const std::string &stem);

  llvm::SmallVector<LevelModule> modules;
};

/// Launch rule 7. Two launches with equal hashes may share kernels.
uint64_t hashLaunch(decoder::LaunchOp launch);

} // namespace ingot::cpu
