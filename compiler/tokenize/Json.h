// A JSON value together with the path that leads to it, so that every complaint names the file and the key.
// Nothing here throws: a missing key is a null node, a wrong type is reported and gives the fallback.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ingot {

struct Diagnostics {
  std::vector<std::string> &errors, &warnings;
};

class JsonNode {
public:
  // The root of a file. All that it points to must outlive it.
  JsonNode(const nlohmann::json *value, std::string file, Diagnostics *diagnostics)
      : JsonNode(value, std::move(file), diagnostics, true) {}

  JsonNode operator[](const std::string &key) const;
  JsonNode operator[](size_t index) const;
  bool isNull() const { return !value || value->is_null(); }
  bool isString() const { return value && value->is_string(); }
  bool isNumber() const { return value && value->is_number(); }
  bool isArray() const { return value && value->is_array(); }
  bool isObject() const { return value && value->is_object(); }
  size_t size() const { return isArray() || isObject() ? value->size() : 0; }
  const nlohmann::json &json() const { return *value; }

  // Null gives the fallback silently, another type gives it with an error.
  std::string string(const std::string &fallback = "") const;
  bool boolean(bool fallback = false) const;
  double number(double fallback) const;
  // An integer in [0, limit).
  uint64_t integer(uint64_t fallback, uint64_t limit = uint64_t(1) << 53) const;
  // The elements of an array, null gives none.
  std::vector<JsonNode> elements() const;

  // Records "file: path: message"; returns false so that a caller can return it.
  bool error(const std::string &message) const;
  void warning(const std::string &message) const;

private:
  JsonNode(const nlohmann::json *value, std::string path, Diagnostics *diagnostics, bool isRoot)
      : value(value), path(std::move(path)), diagnostics(diagnostics), isRoot(isRoot) {}
  std::string located(const std::string &message) const { return path + ": " + message; }
  const nlohmann::json *value;
  std::string path;
  Diagnostics *diagnostics;
  bool isRoot;
};

} // namespace ingot
