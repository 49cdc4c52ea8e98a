#include "runtime/base/status.h"

#include <cstdarg>
#include <cstdio>

namespace ingot {

Status Status::error(Code code, const char *format, ...) {
  Status status;
  status.code_ = code;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(status.message_, sizeof status.message_, format, arguments);
  va_end(arguments);
  return status;
}

} // namespace ingot
