// Writes JSON: one value after the other, commas and escapes in place.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace ingot {

class Json {
public:
  Json &begin_object(std::string_view key = {}) { return open(key, '{'); }
  Json &end_object() { return close('}'); }
  Json &begin_array(std::string_view key = {}) { return open(key, '['); }
  Json &end_array() { return close(']'); }
  // With a key inside an object, without one inside an array.
  Json &text(std::string_view key, std::string_view value);
  Json &number(std::string_view key, double value); // not finite: null
  Json &integer(std::string_view key, int64_t value);
  Json &boolean(std::string_view key, bool value);

  const std::string &str() const { return out_; }

private:
  Json &open(std::string_view key, char bracket);
  Json &close(char bracket);
  void start(std::string_view key);
  void quote(std::string_view value);

  std::string out_;
  bool first_ = true;
};

} // namespace ingot
