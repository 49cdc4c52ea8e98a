// The names and texts of the driver's errors, and which error an injected failure of a call is when none is asked for.
#pragma once
#include "tools/cuda-emulator/driver/driver.h"

namespace ingot::emulator {

// Null for a number that the emulated driver does not know.
const char *error_name(cuda::CUresult error);
const char *error_text(cuda::CUresult error);
cuda::CUresult plausible_error(Call call);
cuda::CUresult error_of(const Fault &fault);

} // namespace ingot::emulator
