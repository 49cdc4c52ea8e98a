// A reader of protobuf's wire format over bytes in memory: fields one by one, bounded, without copies or recursion.
// Source of the format: https://protobuf.dev/programming-guides/encoding/
#pragma once
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace ingot {

struct WireField {
  uint32_t number = 0;
  uint8_t type = 0;      ///< 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes
  uint64_t value = 0;    ///< of a varint
  llvm::StringRef body;  ///< of a length-delimited field
  llvm::StringRef whole; ///< tag and value as they stand in the message
};

class WireReader {
public:
  explicit WireReader(llvm::StringRef message) : rest(message) {}
  /// Reads the next field. False at the end of the message and when it is malformed: ask `malformed`.
  bool next(WireField &field);
  bool malformed() const { return bad; }

private:
  bool varint(uint64_t &value);
  llvm::StringRef rest;
  bool bad = false;
};

void appendVarint(std::string &out, uint64_t value);
/// Appends a length-delimited field.
void appendField(std::string &out, uint32_t number, llvm::StringRef body);

} // namespace ingot
