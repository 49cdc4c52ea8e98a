#include "tools/cli/size.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace ingot {

bool parse_size(const std::string &text, size_t *bytes) {
  if (text.empty() || !(isdigit(uint8_t(text[0])) || text[0] == '.')) return false;
  char *end = nullptr;
  double value = strtod(text.c_str(), &end);
  int shift = 0;
  if (*end) {
    const char *units = "KMGT";
    const char *unit = units;
    while (*unit && *unit != toupper(uint8_t(*end))) ++unit;
    if (!*unit) return false;
    shift = 10 * int(unit - units + 1);
    ++end;
    if (*end == 'i') ++end;
    if (*end == 'B') ++end;
  }
  value = std::ldexp(value, shift);
  if (*end || !std::isfinite(value) || value >= 9e18) return false;
  *bytes = size_t(value);
  return true;
}

std::string format_size(size_t bytes) {
  const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) value /= 1024, ++unit;
  char text[32];
  snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text;
}

bool parse_list(const std::string &text, std::vector<int32_t> *numbers) {
  numbers->clear();
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    while (at != end && *at == ' ') ++at;
    int32_t number = 0;
    auto [rest, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0) return false;
    numbers->push_back(number);
    while (rest != end && *rest == ' ') ++rest;
    if (rest == end) return true;
    if (*rest != ',' || rest + 1 == end) return false;
    at = rest + 1;
  }
  return true;
}

} // namespace ingot
