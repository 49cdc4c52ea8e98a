// A launch without a root, compiled as kernel "k".
#pragma once
#include "compiler/kernels/cpu/RowProgram.h"
#include "compiler/reference/numerics.h"
#include "test/unit/kernels_rows/LaunchFixture.h"

namespace ingot::cpu {

inline constexpr size_t kRows = 9;

class RowProgramTest : public LaunchTest {
protected:
  // Compiles the launch's row program as kernel "k"; false: failed.
  bool compile(decoder::LaunchOp launch) {
    if (!launch) return false;
    auto frame = LaunchFrame::build(launch);
    if (failed(frame)) return ADD_FAILURE(), false;
    auto body = [&](Emitter &e) -> mlir::FailureOr<uint64_t> {
      auto used = emitRowProgram(e, *frame);
      if (succeeded(used)) EXPECT_LE(*used, scratch.size() - 64);
      return used;
    };
    KernelVariant variant;
    variant.kernel = "k";
    if (failed(code->emit(variant, body))) return ADD_FAILURE(), false;
    bool compiled = code->compile();
    EXPECT_TRUE(compiled) << code->error;
    return compiled;
  }
  void next() { code = std::make_unique<LoadedCode>(*context, GetParam()); }
};

} // namespace ingot::cpu
