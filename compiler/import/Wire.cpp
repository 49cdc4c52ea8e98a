// The wire format: tags are varints of (number << 3 | type).
#include "compiler/import/Wire.h"

using namespace ingot;

bool WireReader::varint(uint64_t &value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    uint8_t byte = rest.front();
    rest = rest.drop_front();
    value |= uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool WireReader::next(WireField &field) {
  if (bad || rest.empty()) return false;
  bad = true; // until the field is whole
  llvm::StringRef start = rest;
  uint64_t tag = 0, length = 0;
  if (!varint(tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return false;
  field = {uint32_t(tag >> 3), uint8_t(tag & 7), 0, {}, {}};
  switch (field.type) {
  case 0:
    if (!varint(field.value)) return false;
    break;
  case 2:
    if (!varint(length)) return false;
    break;
  case 1:
    length = 8;
    break;
  case 5:
    length = 4;
    break;
  default:
    return false; // groups are not used by ONNX
  }
  if (length > rest.size()) return false;
  field.body = rest.take_front(length);
  rest = rest.drop_front(length);
  field.whole = start.drop_back(rest.size());
  bad = false;
  return true;
}

void ingot::appendVarint(std::string &out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(char(value | 0x80));
  out.push_back(char(value));
}

void ingot::appendField(std::string &out, uint32_t number, llvm::StringRef body) {
  appendVarint(out, uint64_t(number) << 3 | 2);
  appendVarint(out, body.size());
  out.append(body.data(), body.size());
}
