// Where the tokenizer tests find their data, and a model folder that a test may fill.
#pragma once
#include "compiler/tokenize/tokenize.h"
#include "runtime/tokenize/tokenizer.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <unistd.h>

namespace ingot::test {

namespace fs = std::filesystem;

inline fs::path data(const std::string &name) { return fs::path(INGOT_SOURCE_DIR) / "test/data" / name; }

// A file of the shared data, or nothing where that is absent (INGOT_SHARED=none says so).
inline fs::path shared(const std::string &name) {
  const char *folder = getenv("INGOT_SHARED");
  if (folder && std::string(folder) == "none") return {};
  fs::path path = (folder ? fs::path(folder) : fs::path(INGOT_SOURCE_DIR) / "../shared") / name;
  return fs::exists(path) ? path : fs::path();
}

inline std::string read(const fs::path &file) {
  std::ifstream stream(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

inline std::string decompress(const fs::path &file) {
  FILE *pipe = popen(("xz -dc '" + file.string() + "'").c_str(), "r");
  std::string text;
  char buffer[65536];
  for (size_t n; pipe && (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  if (pipe) pclose(pipe);
  return text;
}

inline nlohmann::json json(const fs::path &file) { return nlohmann::json::parse(read(file), nullptr, false); }

// A folder that disappears with the test.
class ModelFolder {
public:
  ModelFolder() {
    std::string name = (fs::temp_directory_path() / "ingot-tokenize-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~ModelFolder() { fs::remove_all(path_); }
  ModelFolder &write(const std::string &name, const std::string &text) {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return *this;
  }
  CompiledTokenizer compile() const { return compileTokenizer(path_); }
  const fs::path &path() const { return path_; }

private:
  fs::path path_;
};

// A tokenizer.json compiled and loaded.
struct Loaded {
  CompiledTokenizer compiled;
  Tokenizer tokenizer;
  explicit Loaded(const std::string &tokenizerJson)
      : Loaded(ModelFolder().write("tokenizer.json", tokenizerJson).compile()) {}
  explicit Loaded(CompiledTokenizer from) : compiled(std::move(from)) {
    for (auto &error : compiled.errors) ADD_FAILURE() << error;
    Status status = tokenizer.load(compiled.tokenizer);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  std::vector<int32_t> encode(const std::string &text, const EncodeOptions &options = {}) const {
    std::vector<int32_t> ids;
    Status status = tokenizer.encode(text, options, &ids);
    EXPECT_TRUE(status.ok()) << status.message();
    return ids;
  }
  std::string decode(const std::vector<int32_t> &ids, const DetokenizeOptions &options = {}) const {
    std::string text;
    Detokenizer stream(tokenizer, options);
    for (int32_t id : ids) stream.add(id, &text);
    stream.flush(&text);
    return text;
  }
};

} // namespace ingot::test
