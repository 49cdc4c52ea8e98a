// The chat segment of an artifact: a chat template compiled to bytecode for a small stack machine. What
// compiler/tokenize writes and runtime/tokenize reads, byte for byte. Little-endian, 4-byte aligned.
//
// Header | Instruction[n_code] | StringRef[n_strings] | string bytes. Jumps are instruction indices.
// Invariants (the loader refuses a segment that breaks one): every opcode, slot, string, builtin and jump target is in
// range; the last instruction is `halt`; strings are UTF-8. Stack discipline is checked as the machine runs.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ingot::chat_layout {

static_assert(std::endian::native == std::endian::little, "segments are read in place");

inline constexpr char magic[8] = {'I', 'N', 'G', 'O', 'T', 'C', 'H', 'T'};
inline constexpr uint32_t version = 1;
inline constexpr uint32_t max_code = 1u << 20, max_slots = 4096;

struct Header {
  char magic[8];
  uint32_t version, total_size, n_code, n_strings, n_slots, n_string_bytes;
};
static_assert(sizeof(Header) == 32);

// The first slots hold what the caller gives; the others start undefined.
enum GlobalSlot : uint32_t {
  messages,              // list of {role, content}
  add_generation_prompt, // boolean
  bos_token,             // string
  eos_token,             // string
  tools,                 // none: Ingot passes no tools
  documents,             // none
  strftime_now,          // true when the caller gave a date, else undefined
  n_global_slots,
};

enum class Op : uint16_t {
  halt,
  push_undefined,
  push_none,
  push_bool,   // b: 0 or 1
  push_int,    // b: int32
  push_string, // b: string
  load,        // b: slot
  store,       // b: slot
  pop,
  emit,                 // append the popped value's text to the output
  jump,                 // b: target
  jump_if_false,        // pops
  jump_if_false_or_pop, // keeps the value when it jumps
  jump_if_true_or_pop,
  logical_not,
  negate,
  add,
  subtract,
  multiply,
  floor_divide,
  modulo,
  concat,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  contains,      // item, container -> boolean
  get_item,      // object, key -> value or undefined
  set_attribute, // object, value -> ; b: string
  slice,         // object, start, stop, step (none = left out) -> value
  make_list,     // a: count
  make_map,      // a: count of key, value pairs
  iterate,       // iterable -> ; begins a loop
  next,          // pushes the loop's next item, or jumps to b
  end_loop,
  loop_field, // a: LoopField; b: how many loops further out
  unpack,     // list of a values -> its values, the first on top
  append,     // list, value -> list
  begin_capture,
  end_capture, // -> string of what was emitted since
  call,        // a: argument count, subject first; b: Builtin
  fail,        // message -> ; ends with an error
  n_ops,
};

enum class LoopField : uint16_t {
  index,
  index0,
  revindex,
  revindex0,
  first,
  last,
  length,
  previtem,
  nextitem,
  n_fields
};

enum class Builtin : uint32_t {
  // strings
  strip,
  lstrip,
  rstrip,
  split,
  startswith,
  endswith,
  replace,
  upper,
  lower,
  capitalize,
  title,
  join,
  // values
  length,
  string,
  integer,
  fallback,
  first,
  last,
  items,
  keys,
  values,
  get,
  to_list,
  reverse,
  tojson,
  range,
  strftime,
  select_attribute,
  reject_attribute,
  map_attribute,
  // tests
  is_defined,
  is_undefined,
  is_none,
  is_string,
  is_number,
  is_boolean,
  is_true,
  is_false,
  is_mapping,
  is_iterable,
  is_sequence,
  is_odd,
  is_even,
  is_divisible,
  n_builtins,
};

struct Instruction {
  Op op;
  uint16_t a;
  uint32_t b;
};
static_assert(sizeof(Instruction) == 8);

struct StringRef {
  uint32_t offset, size;
};

} // namespace ingot::chat_layout
