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

// Runs `body` on one CTA of `threads` threads; the parameters are those of `types`.
inline Fault run(Gpu &gpu, const std::string &types, const std::string &body, std::vector<uint8_t> bytes,
                 uint32_t threads = 32, const std::string &module_scope = "") {
  const Entry *e = gpu.entry(kernel(types, body, module_scope));
  if (!e) return {};
  Launch l{e, {1, 1, 1}, {threads, 1, 1}, 0, std::move(bytes)};
  return Machine(gpu.memory, gpu.options).run({&l, 1}, &gpu.counters);
}

// The message with which a text is refused, empty if it is not.
inline std::string refusal(const std::string &text) {
  Module m;
  Status s = parse(text, &m);
  return s.ok() ? "" : s.message();
}

// Puts each lane's a, b, c (as T) into registers %x, %y, %z of `type` width, runs `code`, which leaves %w, and returns
// it.
template <class T, class R = T>
std::vector<R> evaluate(const std::string &code, const std::vector<T> &a, std::vector<T> b = {},
                        std::vector<T> c = {}) {
  Gpu gpu;
  size_t n = a.size();
  b.resize(n);
  c.resize(n);
  const std::string bits = std::to_string(sizeof(T) * 8), out = std::to_string(sizeof(R) * 8);
  std::string body =
      ".reg .b" + bits + " %x, %y, %z;\n.reg .b" + out +
      " %w;\n.reg .b32 %t, %n;\n.reg .b64 %a, %o;\n"
      ".reg .pred %q, %q2;\nld.param.u32 %n, [p4];\nmov.u32 %t, %tid.x;\nsetp.ge.u32 %q, %t, %n;\n@%q bra END;\n";
  const char *names[] = {"%x", "%y", "%z"};
  for (int k = 0; k < 3; ++k) {
    body += "ld.param.u64 %a, [p" + std::to_string(k) + "];\n";
    body += "mad.wide.u32 %a, %t, " + std::to_string(sizeof(T)) + ", %a;\n";
    body += "ld.global.b" + bits + " " + names[k] + ", [%a];\n";
  }
  body += "ld.param.u64 %o, [p3];\nmad.wide.u32 %o, %t, " + std::to_string(sizeof(R)) + ", %o;\n" + code +
          "\nst.global.b" + out + " [%o], %w;\nEND:";
  uint64_t to = gpu.room<R>(n);
  Fault f = run(gpu, "u64 u64 u64 u64 u32", body, parameters(gpu.array(a), gpu.array(b), gpu.array(c), to, uint32_t(n)),
                uint32_t(n + 31) / 32 * 32);
  EXPECT_FALSE(f) << code << ": " << f.message();
  return f ? std::vector<R>(n) : gpu.read<R>(to, n);
}

} // namespace ingot::emulator
