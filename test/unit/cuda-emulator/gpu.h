// A small emulated GPU for tests: PTX text in, arrays in and out.
#pragma once
#include "tools/cuda-emulator/machine.h"
#include "tools/cuda-emulator/memory.h"
#include "tools/cuda-emulator/module.h"
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace ingot::emulator {

class Gpu {
public:
  Gpu() {
    Status s = memory.reserve(size_t(1) << 34);
    EXPECT_TRUE(s.ok()) << s.message();
  }

  template <class T> uint64_t array(const std::vector<T> &values) {
    uint64_t at = memory.allocate(values.size() * sizeof(T));
    memcpy(reinterpret_cast<void *>(at), values.data(), values.size() * sizeof(T));
    memory.mark_written(at, values.size() * sizeof(T));
    return at;
  }
  template <class T> uint64_t room(size_t n) { return memory.allocate(n * sizeof(T)); }
  template <class T> std::vector<T> read(uint64_t at, size_t n) {
    std::vector<T> values(n);
    EXPECT_EQ(memory.check(at, n * sizeof(T), false), Access::ok);
    memcpy(values.data(), reinterpret_cast<const void *>(at), n * sizeof(T));
    return values;
  }

  const Entry *entry(const std::string &text, const char *name = "k") {
    module = std::make_unique<Module>();
    Status s = parse(text, module.get());
    EXPECT_TRUE(s.ok()) << s.message();
    s = load(*module, memory);
    EXPECT_TRUE(s.ok()) << s.message();
    return module->entry(name);
  }

  Memory memory;
  std::unique_ptr<Module> module;
  Options options;
  Counters counters;
};

// Parameters of any types, each aligned to its size.
template <class... T> std::vector<uint8_t> parameters(T... values) {
  std::vector<uint8_t> bytes;
  auto put = [&](auto v) {
    bytes.resize((bytes.size() + sizeof v - 1) / sizeof v * sizeof v + sizeof v);
    memcpy(bytes.data() + bytes.size() - sizeof v, &v, sizeof v);
  };
  (put(values), ...);
  return bytes;
}

// An entry `k` with parameters p0... of these types around a body.
inline std::string kernel(const std::string &types, const std::string &body, const std::string &module_scope = "") {
  std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n" + module_scope + ".visible .entry k(";
  size_t n = 0, at = 0;
  while (at < types.size()) {
    size_t end = std::min(types.find(' ', at), types.size());
    text += (n ? ", .param ." : ".param .") + types.substr(at, end - at) + " p" + std::to_string(n);
    ++n;
    at = end + 1;
  }
  return text + ") {\n.reg .pred %p<20>;\n.reg .b16 %h<40>;\n.reg .b32 %r<80>;\n.reg .b64 %d<40>;\n" + body +
         "\nret;\n}\n";
}

} // namespace ingot::emulator
