// What every fallible runtime function returns: a code and one line for a person. Never allocates, so that
// "out of memory" can be reported like any other error.
#pragma once
#include <cstdint>

namespace ingot {

enum class Code : uint8_t {
  ok = 0,
  bad_input,    // the caller's file, prompt or request is wrong; the message says what to do
  usage,        // the call itself is wrong (bad argument, wrong order)
  internal,     // our own bug
  no_memory,    // an allocation failed or would pass a limit
  io,           // the operating system refused
  unsupported,  // valid, but this build or machine cannot
  cancelled,    // the user asked to stop
  context_full, // the sequence reached the session's context length
  device_lost,  // the GPU, or its context, is of no use any more: the process should end
};

class [[nodiscard]] Status {
public:
  Status() = default;
  static Status error(Code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

  bool ok() const { return code_ == Code::ok; }
  Code code() const { return code_; }
  const char *message() const { return message_; }

private:
  Code code_ = Code::ok;
  char message_[383] = {};
};

// Returns from the enclosing function when `expr` is an error.
#define INGOT_TRY(expr)                                                                                                \
  do {                                                                                                                 \
    if (::ingot::Status ingot_status_ = (expr); !ingot_status_.ok()) return ingot_status_;                             \
  } while (0)

} // namespace ingot
