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
    Emitter e(*code->module, GetParam(), "k");
    auto used = emitRowProgram(e, *frame);
    if (failed(used)) return ADD_FAILURE(), false;
    e.finish();
    EXPECT_LE(*used, scratch.size() - 64);
    bool compiled = code->compile();
    EXPECT_TRUE(compiled) << code->error;
    return compiled;
  }
  void next() { code = std::make_unique<LoadedCode>(*context, GetParam()); }
};

} // namespace ingot::cpu
