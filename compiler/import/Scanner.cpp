// The scanner walks exactly the messages that can hold a tensor and copies every other field as it stands.
// Field numbers are those of onnx.proto.
#include "compiler/import/Scanner.h"
#include "compiler/import/Wire.h"
#include <cstring>

using namespace ingot;

std::string ingot::encodeRange(ByteRange range) {
  std::string bytes(sizeof(range), '\0');
  std::memcpy(bytes.data(), &range, sizeof(range));
  return bytes;
}

std::optional<ByteRange> ingot::decodeRange(llvm::StringRef bytes) {
  ByteRange range;
  if (bytes.size() != sizeof(range)) return std::nullopt;
  std::memcpy(&range, bytes.data(), sizeof(range));
  return range;
}

namespace {

enum class Message { model, graph, node, attribute, tensor, sparseTensor, function, training, opaque };

// Which fields of a message hold messages on the way to a tensor.
Message childOf(Message parent, uint32_t field) {
  switch (parent) {
  case Message::model:
    return field == 7    ? Message::graph
           : field == 20 ? Message::training
           : field == 25 ? Message::function
                         : Message::opaque;
  case Message::graph:
    return field == 1    ? Message::node
           : field == 5  ? Message::tensor
           : field == 15 ? Message::sparseTensor
                         : Message::opaque;
  case Message::node:
    return field == 5 ? Message::attribute : Message::opaque;
  case Message::attribute:
    return field == 5 || field == 10    ? Message::tensor
           : field == 6 || field == 11  ? Message::graph
           : field == 22 || field == 23 ? Message::sparseTensor
                                        : Message::opaque;
  case Message::sparseTensor:
    return field == 1 || field == 2 ? Message::tensor : Message::opaque;
  case Message::function:
    return field == 7 ? Message::node : field == 11 ? Message::attribute : Message::opaque;
  case Message::training:
    return field == 1 || field == 2 ? Message::graph : Message::opaque;
  default:
    return Message::opaque;
  }
}

class Scanner {
public:
  Scanner(llvm::StringRef file, std::string &error) : file(file), error(error) {}

  bool scan(Message kind, llvm::StringRef message, unsigned depth, std::string &out) {
    if (depth > maxDepth) return fail("graphs are nested too deep");
    if (kind == Message::tensor) return scanTensor(message, out);
    WireReader reader(message);
    for (WireField field; reader.next(field);) {
      Message child = field.type == 2 ? childOf(kind, field.number) : Message::opaque;
      if (child == Message::opaque) {
        out.append(field.whole.data(), field.whole.size());
        continue;
      }
      std::string body;
      if (!scan(child, field.body, depth + 1, body)) return false;
      appendField(out, field.number, body);
    }
    return !reader.malformed() || fail("it is damaged or not an ONNX model");
  }

private:
  static constexpr unsigned maxDepth =
      3 * 32; // a nested graph lies a node and an attribute deeper; libprotobuf stops at 100
  static constexpr size_t maxVarints = 1 << 20;

  bool scanTensor(llvm::StringRef message, std::string &out) {
    std::optional<ByteRange> data;
    size_t varints = 0;
    WireReader reader(message);
    for (WireField field; reader.next(field);) {
      bool packed = field.type == 2 && (field.number == 9 || field.number == 4 || field.number == 10);
      if (!packed) {
        varints += field.whole.size();
        out.append(field.whole.data(), field.whole.size());
      } else if (data) {
        return fail("a tensor holds its data twice");
      } else {
        data = ByteRange{uint64_t(field.body.data() - file.data()), field.body.size()};
      }
    }
    if (reader.malformed()) return fail("it is damaged or not an ONNX model");
    if (varints > maxVarints) return fail("a tensor keeps over 1 MiB as varints; save the model with raw_data");
    if (data) appendField(out, 9, encodeRange(*data));
    return true;
  }

  bool fail(const char *reason) {
    error = reason;
    return false;
  }

  llvm::StringRef file;
  std::string &error;
};

} // namespace

std::optional<std::string> ingot::scanModel(llvm::StringRef model, std::string &error) {
  std::string out;
  if (!Scanner(model, error).scan(Message::model, model, 0, out)) return std::nullopt;
  return out;
}
