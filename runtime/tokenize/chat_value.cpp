#include "runtime/tokenize/chat_value.h"

#include "runtime/tokenize/utf8.h"

#include <cstdio>

namespace ingot {
using Kind = ChatValue::Kind;

bool ChatValue::truthy() const {
  switch (kind) {
  case Kind::undefined:
  case Kind::none:
    return false;
  case Kind::boolean:
  case Kind::integer:
    return number != 0;
  case Kind::string:
    return !text.empty();
  case Kind::list:
    return !list->empty();
  case Kind::map:
    return !map->empty();
  }
  return false;
}

const char *ChatValue::kind_name() const {
  static const char *const names[] = {"an undefined value", "none",   "a boolean", "an integer",
                                      "a string",           "a list", "a map"};
  return names[int(kind)];
}

const ChatValue *ChatValue::find(std::string_view key) const {
  if (kind != Kind::map) return nullptr;
  for (const auto &entry : *map)
    if (entry.first == key) return &entry.second;
  return nullptr;
}

bool equal(const ChatValue &a, const ChatValue &b, int depth) {
  auto numeric = [](const ChatValue &v) { return v.is(Kind::boolean) || v.is(Kind::integer); };
  if (numeric(a) && numeric(b)) return a.number == b.number;
  if (a.kind != b.kind || depth > 32) return false;
  if (a.is(Kind::string)) return a.text == b.text;
  if (a.is(Kind::list)) {
    if (a.list->size() != b.list->size()) return false;
    for (size_t i = 0; i < a.list->size(); ++i)
      if (!equal((*a.list)[i], (*b.list)[i], depth + 1)) return false;
  }
  if (a.is(Kind::map)) {
    if (a.map->size() != b.map->size()) return false;
    for (const auto &[key, value] : *a.map) {
      const ChatValue *other = b.find(key);
      if (!other || !equal(value, *other, depth + 1)) return false;
    }
  }
  return true;
}

bool ChatHeap::charge(size_t bytes) {
  if (exhausted_ || bytes > budget - used_) exhausted_ = true;
  if (!exhausted_) used_ += bytes;
  return !exhausted_;
}

ChatValue ChatHeap::string(std::string text) {
  charge(text.size() + sizeof(std::string));
  return ChatValue::string(strings_.emplace_back(std::move(text)));
}

ChatValue ChatHeap::list(ChatList values) {
  charge((values.size() + 1) * sizeof(ChatValue));
  return {.kind = Kind::list, .list = &lists_.emplace_back(std::move(values))};
}

ChatValue ChatHeap::map() {
  charge(sizeof(ChatMap));
  return {.kind = Kind::map, .map = &maps_.emplace_back()};
}

void ChatHeap::push(ChatValue &list, const ChatValue &value) {
  if (charge(2 * sizeof(ChatValue))) list.list->push_back(value);
}

void ChatHeap::set(ChatValue &map, std::string_view key, const ChatValue &value) {
  for (auto &entry : *map.map)
    if (entry.first == key) {
      entry.second = value;
      return;
    }
  if (charge(2 * sizeof(ChatMap::value_type))) map.map->emplace_back(key, value);
}

Status ChatHeap::text(const ChatValue &value, std::string_view *text) {
  switch (value.kind) {
  case Kind::undefined:
    *text = "";
    break;
  case Kind::none:
    *text = "None";
    break;
  case Kind::boolean:
    *text = value.number ? "True" : "False";
    break;
  case Kind::integer:
    *text = string(std::to_string(value.number)).text;
    break;
  case Kind::string:
    *text = value.text;
    break;
  default:
    return Status::error(Code::bad_input, "chat template: %s cannot be printed", value.kind_name());
  }
  return {};
}

namespace {

void json_string(std::string_view text, std::string *out) {
  out->push_back('"');
  for (char c : text) {
    static const char escapes[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = c == 0 ? nullptr : std::char_traits<char>::find(escapes, sizeof escapes - 1, c);
    char code[8];
    if (found) {
      out->push_back('\\');
      out->push_back(letters[found - escapes]);
    } else if (uint8_t(c) < 0x20) {
      snprintf(code, sizeof code, "\\u%04x", unsigned(uint8_t(c)));
      out->append(code);
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

} // namespace

Status ChatHeap::json(const ChatValue &value, int indent, int depth, std::string *out) {
  if (depth > 32) return Status::error(Code::bad_input, "chat template: tojson of a value nested too deep");
  if (!charge(32 + value.text.size())) return {};
  auto line = [&](int level) {
    if (indent >= 0) out->append("\n").append(size_t(indent) * size_t(level), ' ');
  };
  bool first = true;
  auto separate = [&] {
    if (!first) out->append(indent >= 0 ? "," : ", ");
    first = false;
    line(depth + 1);
  };
  switch (value.kind) {
  case Kind::undefined:
    return Status::error(Code::bad_input, "chat template: tojson of an undefined value");
  case Kind::none:
    out->append("null");
    break;
  case Kind::boolean:
    out->append(value.number ? "true" : "false");
    break;
  case Kind::integer:
    out->append(std::to_string(value.number));
    break;
  case Kind::string:
    json_string(value.text, out);
    break;
  case Kind::list:
    out->push_back('[');
    for (const ChatValue &item : *value.list) {
      separate();
      INGOT_TRY(json(item, indent, depth + 1, out));
    }
    if (!first) line(depth);
    out->push_back(']');
    break;
  case Kind::map:
    out->push_back('{');
    for (const auto &[key, item] : *value.map) {
      separate();
      json_string(key, out);
      out->append(": ");
      INGOT_TRY(json(item, indent, depth + 1, out));
    }
    if (!first) line(depth);
    out->push_back('}');
    break;
  }
  return {};
}

Status ChatHeap::items(const ChatValue &value, ChatValue *result) {
  if (value.is(Kind::list)) {
    *result = list(*value.list); // a copy: the body may append to the original
    return {};
  }
  *result = list();
  if (value.is(Kind::map)) {
    for (const auto &entry : *value.map) push(*result, ChatValue::string(entry.first));
  } else if (value.is(Kind::string)) {
    for (size_t i = 0; i < value.text.size() && !exhausted();) {
      size_t size = utf8::decode(value.text.substr(i)).size;
      push(*result, ChatValue::string(value.text.substr(i, size)));
      i += size;
    }
  } else if (!value.is(Kind::undefined)) {
    return Status::error(Code::bad_input, "chat template: %s cannot be iterated over", value.kind_name());
  }
  return {};
}

} // namespace ingot
