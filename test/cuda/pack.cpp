// Reads packs and recordings.
#include "test/cuda/pack.h"
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace ingot::conformance {
namespace {

bool from_hex(std::string_view text, Bytes *bytes) {
  if (text.size() % 2) return false;
  bytes->resize(text.size() / 2);
  for (size_t i = 0; i < bytes->size(); ++i) {
    const char *at = text.data() + 2 * i;
    if (std::from_chars(at, at + 2, (*bytes)[i], 16).ptr != at + 2) return false;
  }
  return true;
}

std::string folder_of(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == path.npos ? "" : path.substr(0, slash + 1);
}

// Texts of modules. A file with `// program NAME` lines holds many: what stands before the first one, and one section.
class Modules {
public:
  explicit Modules(std::string folder) : folder_(std::move(folder)) {}

  bool find(const std::string &file, const std::string &program, std::string *text) {
    auto [at, fresh] = files_.try_emplace(file);
    if (fresh && !read(folder_ + file, &at->second)) return files_.erase(at), false;
    auto &sections = at->second;
    if (sections.size() == 1) return *text = sections.at(""), true;
    auto section = sections.find(program);
    if (section == sections.end()) return false;
    *text = sections.at("") + section->second;
    return true;
  }

private:
  static bool read(const std::string &path, std::map<std::string, std::string> *sections) {
    std::ifstream file(path);
    std::string line, section;
    if (!file) return false;
    while (std::getline(file, line)) {
      if (line.starts_with("// program ")) section = line.substr(11);
      (*sections)[section] += line + "\n";
    }
    return sections->contains("");
  }

  std::string folder_;
  std::map<std::string, std::map<std::string, std::string>> files_;
};

struct Reader {
  Modules modules;
  std::map<std::string, Bytes> sets;
  std::vector<Program> &programs;

  bool read_program(std::istringstream &line) {
    Program program;
    std::string file, key;
    line >> program.name >> file >> program.entry;
    while (line >> key) {
      uint32_t *to = key == "grid"     ? program.grid
                     : key == "block"  ? program.block
                     : key == "shared" ? &program.dynamic_shared
                     : key == "sm"     ? &program.sm
                                       : nullptr;
      if (!to || !(line >> *to)) return false;
      for (int i = 1; i < 3 && line.peek() == ',' && (key == "grid" || key == "block"); ++i) line.get(), line >> to[i];
    }
    programs.push_back(program);
    return modules.find(file, program.name, &programs.back().ptx);
  }

  bool read_expected(std::istringstream &line, Argument *argument) {
    static const std::map<std::string, Comparison::Kind> kinds = {{"bits", Comparison::bits},
                                                                  {"f16", Comparison::f16},
                                                                  {"bf16", Comparison::bf16},
                                                                  {"f32", Comparison::f32},
                                                                  {"f64", Comparison::f64}};
    std::string hex, kind, key;
    line >> hex >> kind;
    if (!from_hex(hex, &argument->expected) || !kinds.contains(kind)) return false;
    argument->comparison.kind = kinds.at(kind);
    while (line >> key) {
      double &bound = key == "rel" ? argument->comparison.relative : argument->comparison.absolute;
      if ((key != "rel" && key != "abs") || !(line >> bound)) return false;
    }
    return argument->expected.size() % argument->comparison.width() == 0;
  }

  bool read_argument(const std::string &key, std::istringstream &line) {
    Argument argument;
    std::string word;
    if (key == "in" || key == "inout") {
      line >> word;
      if (!sets.contains(word)) return false;
      argument.value = sets[word];
      argument.kind = key == "in" ? Argument::input : Argument::both;
    } else if (key == "out") {
      argument.kind = Argument::output;
    } else if (key == "scalar") {
      line >> word;
      argument.kind = Argument::scalar;
      if (!from_hex(word, &argument.value)) return false;
    } else {
      return false;
    }
    if (key == "out" || key == "inout")
      if (!read_expected(line, &argument)) return false;
    if (programs.empty()) return false;
    programs.back().arguments.push_back(std::move(argument));
    return true;
  }

  bool read_line(const std::string &text) {
    std::istringstream line(text);
    std::string key, name, hex;
    line >> key;
    if (key.empty() || key[0] == '#') return true;
    if (key == "program") return read_program(line);
    if (key == "set") return line >> name >> hex && from_hex(hex, &sets[name]);
    return read_argument(key, line);
  }
};

void mix(uint64_t *hash, const void *data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) *hash = (*hash ^ static_cast<const uint8_t *>(data)[i]) * 0x100000001b3;
}

} // namespace

uint64_t Program::hash() const {
  uint64_t hash = 0xcbf29ce484222325; // FNV-1a
  mix(&hash, ptx.data(), ptx.size());
  mix(&hash, grid, sizeof grid), mix(&hash, block, sizeof block), mix(&hash, &dynamic_shared, 4);
  for (const Argument &argument : arguments) {
    uint64_t head[3] = {argument.kind, argument.value.size(), argument.expected.size()};
    mix(&hash, head, sizeof head);
    mix(&hash, argument.value.data(), argument.value.size());
  }
  return hash;
}

std::string to_hex(const Bytes &bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (uint8_t byte : bytes) text += digits[byte >> 4], text += digits[byte & 15];
  return text;
}

bool read_pack(const std::string &path, std::vector<Program> *programs, std::string *error) {
  std::ifstream file(path);
  if (!file) return *error = path + ": cannot be read", false;
  Reader reader{Modules(folder_of(path)), {}, *programs};
  std::string line;
  for (int number = 1; std::getline(file, line); ++number)
    if (!reader.read_line(line))
      return *error = path + ":" + std::to_string(number) + ": '" + line.substr(0, 60) +
                      "' is malformed, or names a "
                      "file or set that does not exist",
             false;
  return true;
}

// device TEXT / recorded NAME HASH HEX...
bool read_recordings(const std::string &path, Recordings *recordings, std::string *error) {
  std::ifstream file(path);
  if (!file) return *error = path + ": cannot be read", false;
  std::string text;
  for (int number = 1; std::getline(file, text); ++number) {
    std::istringstream line(text);
    std::string key, name, hex;
    line >> key;
    if (key.empty() || key[0] == '#') continue;
    bool ok = key == "device" || key == "recorded";
    if (key == "device") recordings->device = text.substr(7);
    if (key == "recorded") {
      Recording &recording = recordings->programs[(line >> name, name)];
      ok = bool(line >> std::hex >> recording.hash);
      while (ok && line >> hex) ok = from_hex(hex, &recording.outputs.emplace_back());
    }
    if (!ok) return *error = path + ":" + std::to_string(number) + ": malformed", false;
  }
  return true;
}

} // namespace ingot::conformance
