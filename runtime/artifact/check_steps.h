// The part of the semantic check that looks at steps: rules P8 to P11 of check.h. The tables were checked before.
#pragma once
#include "runtime/artifact/check.h"

namespace ingot {

Status check_steps(const plan::Plan &plan, const plan::Program &program, const char *name);
Status check_liveness(const plan::Program &program, const char *name, const Allocator &allocator);

} // namespace ingot
