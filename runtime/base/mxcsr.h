// The floating-point environment of the numerics contract: round to nearest, denormals kept, exceptions masked.
#pragma once
#include <immintrin.h>

namespace ingot {

inline constexpr unsigned step_mxcsr = 0x1F80;

// Sets it, and puts back the caller's on the way out.
class MxcsrGuard {
public:
  MxcsrGuard() : saved_(_mm_getcsr()) { _mm_setcsr(step_mxcsr); }
  ~MxcsrGuard() { _mm_setcsr(saved_); }
  MxcsrGuard(const MxcsrGuard &) = delete;

private:
  unsigned saved_;
};

} // namespace ingot
