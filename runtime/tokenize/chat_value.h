// The values of the chat machine: Jinja's, as far as chat templates use them. Everything made while rendering lives in
// one ChatHeap under a byte budget and dies with it; values are cheap views into it.
#pragma once
#include "runtime/base/status.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ingot {

struct ChatValue;
using ChatList = std::vector<ChatValue>;
using ChatMap = std::vector<std::pair<std::string_view, ChatValue>>; // in order of insertion

struct ChatValue {
  enum class Kind : uint8_t { undefined, none, boolean, integer, string, list, map };
  Kind kind = Kind::undefined;
  int64_t number = 0; // boolean, integer
  std::string_view text = {};
  ChatList *list = nullptr;
  ChatMap *map = nullptr;

  static ChatValue none() { return {.kind = Kind::none}; }
  static ChatValue boolean(bool value) { return {.kind = Kind::boolean, .number = value}; }
  static ChatValue integer(int64_t value) { return {.kind = Kind::integer, .number = value}; }
  static ChatValue string(std::string_view text) { return {.kind = Kind::string, .text = text}; } // a view
  bool is(Kind k) const { return kind == k; }
  bool truthy() const;
  const char *kind_name() const;
  const ChatValue *find(std::string_view key) const; // in a map
};

// Deep equality; gives up (false) below 32 levels, as a namespace may hold itself.
bool equal(const ChatValue &a, const ChatValue &b, int depth = 0);

class ChatHeap {
public:
  static constexpr size_t budget = size_t(256) << 20;
  // Takes bytes from the budget before they are allocated; false when they are not there. Sticky.
  bool charge(size_t bytes);
  bool exhausted() const { return exhausted_; }

  ChatValue string(std::string text);
  ChatValue list(ChatList values = {});
  ChatValue map();
  void push(ChatValue &list, const ChatValue &value);
  void set(ChatValue &map, std::string_view key, const ChatValue &value);

  // As Python prints it; an error for lists and maps.
  Status text(const ChatValue &value, std::string_view *text);
  // As json.dumps(ensure_ascii=False, indent=...) writes it; indent < 0 is one line.
  Status json(const ChatValue &value, int indent, int depth, std::string *out);
  // What a for loop walks over: list items, map keys, characters; nothing for undefined.
  Status items(const ChatValue &value, ChatValue *list);

private:
  size_t used_ = 0;
  bool exhausted_ = false;
  std::deque<std::string> strings_;
  std::deque<ChatList> lists_;
  std::deque<ChatMap> maps_;
};

} // namespace ingot
