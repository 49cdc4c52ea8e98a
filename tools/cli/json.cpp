#include "tools/cli/json.h"

#include <cmath>
#include <cstdio>

namespace ingot {

void Json::quote(std::string_view value) {
  out_ += '"';
  for (char c : value) {
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (uint8_t(c) < 0x20) {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", c);
      out_ += escape;
    } else {
      out_ += c;
    }
  }
  out_ += '"';
}

void Json::start(std::string_view key) {
  if (!first_) out_ += ", ";
  first_ = false;
  if (key.empty()) return;
  quote(key);
  out_ += ": ";
}

Json &Json::open(std::string_view key, char bracket) {
  start(key);
  out_ += bracket;
  first_ = true;
  return *this;
}

Json &Json::close(char bracket) {
  out_ += bracket;
  first_ = false;
  return *this;
}

Json &Json::text(std::string_view key, std::string_view value) {
  start(key);
  quote(value);
  return *this;
}

Json &Json::number(std::string_view key, double value) {
  start(key);
  char digits[40];
  snprintf(digits, sizeof digits, "%.12g", value);
  out_ += std::isfinite(value) ? digits : "null";
  return *this;
}

Json &Json::integer(std::string_view key, int64_t value) {
  start(key);
  out_ += std::to_string(value);
  return *this;
}

Json &Json::boolean(std::string_view key, bool value) {
  start(key);
  out_ += value ? "true" : "false";
  return *this;
}

} // namespace ingot
