// External data: ranges and containment.
#include "test/unit/import/model_builder.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace ingot::test;
namespace fs = std::filesystem;

namespace {

class ExternalDataTest : public testing::Test {
protected:
  void SetUp() override {
    root = fs::temp_directory_path() / ("ingot-external-" + std::to_string(getpid()));
    fs::create_directories(root / "model" / "sub");
    for (const char *name : {"model/w.bin", "model/sub/w.bin", "outside.bin"}) {
      std::ofstream(root / name, std::ios::binary) << std::string(4096, 'x');
    }
    fs::create_symlink("../outside.bin", root / "model" / "out");
    fs::create_symlink("w.bin", root / "model" / "in");
  }
  void TearDown() override { fs::remove_all(root); }

  std::string diagnose(const std::string &location, const std::string &offset, const std::string &length,
                       std::vector<int64_t> dims = {32, 16}, bool allowMissing = false) {
    ModelBuilder builder;
    builder.input("x", {-1, 32}).output("y");
    builder.external("w", dims, location, offset, length);
    builder.node("MatMul", {"x", "w"}, {"y"});
    mlir::MLIRContext context;
    ingot::ImportOptions options;
    options.allowMissingWeights = allowMissing;
    auto imported = importBytes(builder.bytes(), context, (root / "model").string(), options);
    EXPECT_EQ(bool(imported.module), imported.diagnostics.empty());
    return imported.all();
  }

  fs::path root;
};

} // namespace

TEST_F(ExternalDataTest, ReadsFilesInTheFolder) {
  EXPECT_EQ(diagnose("w.bin", "0", "2048"), "");
  EXPECT_EQ(diagnose("w.bin", "2048", "2048"), "");
  EXPECT_EQ(diagnose("sub/w.bin", "0", "2048"), "");
  EXPECT_EQ(diagnose("./w.bin", "0", "2048"), "");
  EXPECT_EQ(diagnose("in", "0", "2048"), "");
}

TEST_F(ExternalDataTest, RefusesPathsOutOfTheFolder) {
  for (std::string path : {"../outside.bin", "sub/../../outside.bin", "/etc/passwd", ""})
    EXPECT_NE(diagnose(path, "0", "2048"), "") << path;
  EXPECT_NE(diagnose("out", "0", "2048").find("symbolic link out of the model's folder"), std::string::npos);
  EXPECT_NE(diagnose((root / "model/w.bin").string(), "0", "2048").find("must be a relative path"), std::string::npos);
  EXPECT_NE(diagnose("sub", "0", "2048").find("not a regular file"), std::string::npos);
}

TEST_F(ExternalDataTest, RefusesRangesOutOfTheFile) {
  EXPECT_NE(diagnose("w.bin", "2049", "2048").find("pass the end of 'w.bin', which has 4096 bytes"), std::string::npos);
  EXPECT_NE(diagnose("w.bin", "18446744073709551615", "2048"), "");
  EXPECT_NE(diagnose("w.bin", "18446744073709551616", "2048").find("bad offset"), std::string::npos);
  EXPECT_NE(diagnose("w.bin", "-1", "2048").find("bad offset"), std::string::npos);
  EXPECT_NE(diagnose("w.bin", "0", "2047").find("where its type needs 2048"), std::string::npos);
}

TEST_F(ExternalDataTest, RefusesDimsWhoseProductOverflows) {
  EXPECT_NE(diagnose("w.bin", "0", "0", {int64_t(1) << 33, int64_t(1) << 33}).find("too many elements"),
            std::string::npos);
  EXPECT_NE(diagnose("w.bin", "0", "0", {0, INT64_MAX, INT64_MAX}).find("too many elements"), std::string::npos);
  EXPECT_NE(diagnose("w.bin", "0", "2048", {-32, -16}).find("negative dim"), std::string::npos);
}

TEST_F(ExternalDataTest, AMissingFileIsAnErrorUnlessOnlyChecking) {
  EXPECT_NE(diagnose("none.bin", "0", "2048").find("is missing beside the model"), std::string::npos);
  EXPECT_EQ(diagnose("none.bin", "0", "2048", {32, 16}, true), "");
}
