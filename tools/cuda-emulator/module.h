// A PTX module: its text read into entries ready to run and module-scope variables. `parse` knows the instructions that
// LLVM and nvcc emit for sm_80 and griddepcontrol of sm_90; whatever it does not know is an error that names the line
// and the opcode, never a guess.
//
// Invariant: a Module does not change after `load`, so many threads may run it. Entries and variables keep their
// addresses for the module's life.
#pragma once
#include "memory.h"
#include "runtime/base/status.h"
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::emulator {

struct Program; // decoded instructions (program.h)

struct Parameter {
  std::string name;
  size_t offset = 0, size = 0, align = 1; // bytes in the parameter block
};

// A module-scope variable. Static .shared ones have no address until a launch; .global and .const get theirs by `load`.
enum class Space : uint8_t { global, constant, shared };
struct Variable {
  struct Reference { // the initialiser holds the address of another variable
    size_t offset;
    std::string symbol;
    int64_t addend;
  };
  std::string name;
  Space space = Space::global;
  size_t size = 0, align = 1; // size 0: extern .shared x[], the launch's dynamic shared memory
  bool visible = false;
  std::vector<uint8_t> initialiser; // empty: zeroes, as in PTX, for .global and .const
  std::vector<Reference> references;
  uint64_t address = 0;
};

struct Entry {
  std::string name;
  std::vector<Parameter> parameters;
  size_t parameter_bytes = 0;
  size_t static_shared = 0;    // bytes; dynamic shared memory follows at align_up(static_shared, dynamic_align)
  size_t dynamic_align = 1;    // largest alignment asked for by an extern .shared variable
  size_t local_bytes = 0;      // per thread
  uint32_t max_threads = 1024; // product of .maxntid, or of .reqntid
  uint32_t required_block[3] = {0, 0, 0}; // .reqntid; zeroes when not given
  uint32_t minimum_ctas = 0;              // .minnctapersm
  uint32_t register_words = 0;            // 32-bit virtual registers declared (not what ptxas would need)
  bool waits = false;                     // has a griddepcontrol.wait
  std::shared_ptr<const Program> program;
};

struct Module {
  std::string version, target; // "8.0", "sm_80"
  std::vector<std::unique_ptr<Entry>> entries;
  std::vector<std::unique_ptr<Variable>> variables;

  const Entry *entry(std::string_view name) const;
  const Variable *variable(std::string_view name) const; // .global and .const only
};

// On error the message starts with "PTX line N:" and quotes the instruction.
Status parse(std::string_view text, Module *module);

// Gives every .global and .const variable memory and its initial value, and resolves the references to them. Once a
// module, before the first launch. `unload` releases that memory.
Status load(Module &module, Memory &memory);
void unload(Module &module, Memory &memory);

} // namespace ingot::emulator
