// The conformance pack as read from its .data files: programs with launch, arguments and expected results. The format
// is described in README.md.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::conformance {

using Bytes = std::vector<uint8_t>;

// How two results are held against each other: as bits, or as numbers of a format of which every NaN equals every NaN,
// with |x - y| <= absolute + relative * |y|.
struct Comparison {
  enum Kind : uint8_t { bits, f16, bf16, f32, f64 } kind = bits;
  double relative = 0, absolute = 0;

  size_t width() const; // bytes of an element; 1 for bits
};

struct Argument {
  enum Kind : uint8_t { input, output, both, scalar } kind = input;
  Bytes value;    // contents before the launch, or the scalar's bytes
  Bytes expected; // of outputs
  Comparison comparison;
};

struct Program {
  std::string name, ptx, entry; // `ptx`: the module's text
  uint32_t grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, dynamic_shared = 0;
  unsigned sm = 80;
  std::vector<Argument> arguments;

  uint64_t hash() const; // of all that decides the results: a recording of another hash is stale
};

// Appends the programs of one .data file; PTX files lie beside it. False with a message on a malformed file.
bool read_pack(const std::string &path, std::vector<Program> *programs, std::string *error);

// Recorded results of programs: one Bytes an output.
struct Recording {
  uint64_t hash = 0;
  std::vector<Bytes> outputs;
};
struct Recordings {
  std::string device; // the card and the driver, as recorded
  std::map<std::string, Recording> programs;
};
bool read_recordings(const std::string &path, Recordings *recordings, std::string *error);

std::string to_hex(const Bytes &bytes);

// Empty when they agree, else the first difference: "element 3: 0x00000001 (1.4e-45), expected ...".
std::string difference(const Comparison &comparison, const Bytes &got, const Bytes &expected);

} // namespace ingot::conformance
