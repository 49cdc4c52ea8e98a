#include "compiler/tokenize/Json.h"

#include <cmath>

namespace ingot {

JsonNode JsonNode::operator[](const std::string &key) const {
  std::string inner = path + (isRoot ? ": " : ".") + key;
  if (!isObject()) return {nullptr, inner, diagnostics, false};
  auto found = value->find(key);
  return {found == value->end() ? nullptr : &*found, inner, diagnostics, false};
}

JsonNode JsonNode::operator[](size_t index) const {
  std::string inner = path + "[" + std::to_string(index) + "]";
  return {index < size() && isArray() ? &(*value)[index] : nullptr, inner, diagnostics, false};
}

std::string JsonNode::string(const std::string &fallback) const {
  if (isNull()) return fallback;
  if (auto *text = value->get_ptr<const std::string *>()) return *text;
  error("expected a string");
  return fallback;
}

bool JsonNode::boolean(bool fallback) const {
  if (isNull()) return fallback;
  if (auto *flag = value->get_ptr<const bool *>()) return *flag;
  error("expected true or false");
  return fallback;
}

double JsonNode::number(double fallback) const {
  if (isNull()) return fallback;
  if (!value->is_number()) {
    error("expected a number");
    return fallback;
  }
  return value->get<double>();
}

uint64_t JsonNode::integer(uint64_t fallback, uint64_t limit) const {
  if (isNull()) return fallback;
  double real = value->is_number() ? value->get<double>() : -1;
  if (!(real >= 0 && real < double(limit)) || real != std::floor(real)) {
    error("expected an integer from 0 to " + std::to_string(limit - 1));
    return fallback;
  }
  return uint64_t(real);
}

std::vector<JsonNode> JsonNode::elements() const {
  std::vector<JsonNode> nodes;
  if (!isNull() && !isArray()) error("expected an array");
  for (size_t i = 0; isArray() && i < size(); ++i) nodes.push_back((*this)[i]);
  return nodes;
}

bool JsonNode::error(const std::string &message) const {
  diagnostics->errors.push_back(located(message));
  return false;
}

void JsonNode::warning(const std::string &message) const { diagnostics->warnings.push_back(located(message)); }

} // namespace ingot
