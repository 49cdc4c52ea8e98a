// Reads INGOT_EMULATOR.
#include "tools/cuda-emulator/driver/settings.h"
#include <algorithm>
#include <charconv>

namespace ingot::emulator {
namespace {

bool read_number(std::string_view text, uint64_t *number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// 12, 512M, 80G; the units are binary.
bool read_size(std::string_view text, uint64_t *bytes) {
  int shift = 0;
  if (!text.empty()) {
    switch (text.back()) {
    case 'k':
    case 'K':
      shift = 10;
      break;
    case 'm':
    case 'M':
      shift = 20;
      break;
    case 'g':
    case 'G':
      shift = 30;
      break;
    default:
      break;
    }
  }
  if (shift) text.remove_suffix(1);
  if (!read_number(text, bytes) || *bytes > (~uint64_t(0) >> (shift + 1))) return false;
  *bytes <<= shift;
  return true;
}

bool known_call(std::string_view name) {
#define INGOT_CUDA_KNOWN(call, parameters)                                                                             \
  if (name == #call) return true;
  INGOT_CUDA_CALLS(INGOT_CUDA_KNOWN)
#undef INGOT_CUDA_KNOWN
  return false;
}

// CALL:N[:ERROR], CALL may be *.
Status read_injection(std::string_view text, Injection *injection) {
  size_t colon = text.find(':');
  std::string_view call = text.substr(0, colon), rest = colon == text.npos ? "" : text.substr(colon + 1);
  size_t second = rest.find(':');
  uint64_t error = 0;
  if (!read_number(rest.substr(0, second), &injection->nth) || injection->nth == 0 ||
      (second != rest.npos && !read_number(rest.substr(second + 1), &error)))
    return Status::error(Code::usage, "INGOT_EMULATOR: fail=%.*s is not CALL:N or CALL:N:ERROR", int(text.size()),
                         text.data());
  if (call != "*" && !known_call(call))
    return Status::error(Code::usage, "INGOT_EMULATOR: fail=%.*s names no call of the driver that Ingot uses",
                         int(text.size()), text.data());
  if (call != "*") injection->call = call;
  injection->error = cuda::CUresult(error);
  return {};
}

// LINE or LINE:TEXT, in which a slash stands for a comma.
bool read_mutant(std::string_view text, Settings *settings) {
  size_t colon = text.find(':');
  uint64_t line = 0;
  if (!read_number(text.substr(0, colon), &line) || line == 0 || line > ~0u) return false;
  settings->mutate = unsigned(line);
  settings->mutant = colon == text.npos ? "" : text.substr(colon + 1);
  std::replace(settings->mutant.begin(), settings->mutant.end(), '/', ',');
  return true;
}

struct Reader {
  Settings &settings;
  std::string_view value;

  template <typename T> bool number(T &field, uint64_t least, uint64_t most) {
    uint64_t number = 0;
    if (!read_number(value, &number) || number < least || number > most) return false;
    field = T(number);
    return true;
  }

  // False for a bad value; `known` says whether the key exists.
  bool read(std::string_view key, bool *known) {
    Settings &s = settings;
    if (key == "sm") return number(s.sm, 70, 129);
    if (key == "sms") return number(s.sms, 1, 1024);
    if (key == "devices") return number(s.devices, 0, 8);
    if (key == "memory") return read_size(value, &s.memory) && s.memory > 0;
    if (key == "driver") return number(s.driver, 1000, 99990);
    if (key == "seed") return number(s.seed, 0, ~uint64_t(0));
    if (key == "threads") return number(s.threads, 0, 256);
    if (key == "races") return number(s.races, 0, 2);
    if (key == "drift") return number(s.drift, 0, 1);
    if (key == "mma") return number(s.mma, 0, 16) && s.mma % 8 == 0;
    if (key == "checks") return number(s.checks, 0, 1);
    if (key == "poison") return number(s.poison, 0, 1);
    if (key == "trace") return number(s.trace, 0, 1);
    if (key == "grid") return number(s.grid, 1, 65535);
    if (key == "times") return number(s.times, 1, 65535);
    if (key == "profile") return number(s.profile, 0, 1);
    if (key == "strict_exit") return number(s.strict_exit, 0, 1);
    if (key == "hang") return s.hang = value, !value.empty();
    if (key == "mutate") return read_mutant(value, &s);
    if (key == "coverage") return s.coverage = value, !value.empty();
    if (key == "log") return s.log = value, !value.empty();
    return *known = false;
  }
};

} // namespace

Status parse_settings(std::string_view text, Settings *settings) {
  while (!text.empty()) {
    std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(item.size() < text.size() ? item.size() + 1 : item.size());
    if (item.empty()) continue;
    size_t equals = item.find('=');
    std::string_view key = item.substr(0, equals), value = equals == item.npos ? "" : item.substr(equals + 1);
    if (key == "fail") {
      Injection injection;
      INGOT_TRY(read_injection(value, &injection));
      settings->injections.push_back(injection);
      continue;
    }
    bool known = true;
    if (!Reader{*settings, value}.read(key, &known))
      return known
                 ? Status::error(Code::usage, "INGOT_EMULATOR: '%.*s' is no value of %.*s", int(value.size()),
                                 value.data(), int(key.size()), key.data())
                 : Status::error(Code::usage,
                                 "INGOT_EMULATOR: unknown key '%.*s' (sm, sms, devices, memory, driver, seed, threads, "
                                 "races, drift, mma, checks, poison, trace, grid, times, profile, strict_exit, fail, "
                                 "hang, mutate, coverage, log)",
                                 int(key.size()), key.data());
  }
  return {};
}

} // namespace ingot::emulator
