// What the writer wrote, read back by code of this file's own and by the runtime's loader.
#define XXH_INLINE_ALL
#include "compiler/artifact/writer.h"
#include "runtime/artifact/layout.h"
#include "test/unit/weights/model_fixture.h"

#include <fstream>
#include <iterator>
#include <xxhash.h>

using namespace ingot;
using namespace ingot::test;

namespace {

struct WriterTest : ModelFixture {
  // A 33x70 int4 weight, a vector of 5, and a transposed 300x80 one; two levels of code and a tokenizer.
  void parseWeights(float extreme = 1.0f) {
    std::vector<float> a = normals(33 * 70);
    a[40 * 17] = extreme;
    source("a", "tensor<33x70xf32>", a);
    source("g", "tensor<5xf32>", normals(5));
    source("b", "tensor<80x300xf32>", normals(80 * 300));
    std::string grid = "tensor<33x70xf32, #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f16>>";
    parse("weights.recipe @a_r { %a = weights.load @a : tensor<33x70xf32>\n"
          "%q = weights.quantise %a : (tensor<33x70xf32>) -> " +
          grid + "\n%p = weights.pack %q r16 : (" + grid + ") -> " + grid + "\nweights.yield %p : " + grid +
          " }\n"
          "weights.recipe @g_r { %g = weights.load @g : tensor<5xf32>\nweights.yield %g : tensor<5xf32> }\n"
          "weights.recipe @b_r { %b = weights.load @b : tensor<80x300xf32>\n"
          "%t = weights.transpose %b [1, 0] : (tensor<80x300xf32>) -> tensor<300x80xf32>\n"
          "%p = weights.pack %t r16 : (tensor<300x80xf32>) -> tensor<300x80xf32>\nweights.yield %p : "
          "tensor<300x80xf32> }");
  }

  void fill(ArtifactContents &contents) {
    for (const char *name : {"a_r", "g_r", "b_r"}) {
      auto recipe = Recipe::build(op(name), *files);
      ASSERT_TRUE(bool(recipe)) << llvm::toString(recipe.takeError());
      contents.weights.push_back(std::move(*recipe));
    }
    contents.plan.facts = std::make_unique<plan::FactsT>();
    contents.plan.facts->name = "test";
    contents.plan.weights = planWeights(contents.weights);
    contents.plan.programs.push_back(std::make_unique<plan::ProgramT>());
    for (uint32_t level : {3u, 4u}) addCode(contents, INGOT_SEGMENT_CODE_CPU, level);
    contents.tokenizer = {1, 2, 3};
  }

  static void addCode(ArtifactContents &contents, ingot_segment_kind kind, uint32_t level) {
    contents.code.push_back({kind, level, std::vector<uint8_t>(5000 + level, uint8_t(level))});
    auto &code = contents.plan.programs.back()->code;
    code.push_back(std::make_unique<plan::CodeT>());
    code.back()->level = level;
  }

  std::string output() const { return folder + "/out.ingot"; }

  std::string write(const std::string &path, unsigned jobs = 2) {
    ArtifactContents contents;
    fill(contents);
    auto sizes = writeArtifact(contents, path, jobs, [](uint64_t, uint64_t) {});
    return sizes ? std::string() : llvm::toString(sizes.takeError());
  }

  static std::vector<uint8_t> readFile(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::vector<std::string> folderEntries() const {
    std::vector<std::string> names;
    for (const auto &entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
};

template <typename T> T at(const std::vector<uint8_t> &bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

} // namespace

TEST_F(WriterTest, HeaderRecordsPlanAndSegmentsReadBack) {
  parseWeights();
  ASSERT_EQ(write(output()), "");
  std::vector<uint8_t> file = readFile(output());
  auto header = at<ingot_header>(file, 0);
  EXPECT_EQ(0, std::memcmp(header.magic, "INGOT\r\n\x1a", 8));
  EXPECT_EQ(header.format_version, INGOT_FORMAT_VERSION);
  EXPECT_EQ(header.file_size, file.size());
  EXPECT_EQ(header.header_hash, XXH3_64bits(file.data(), 64));
  ASSERT_EQ(header.segment_count, 4u);
  EXPECT_EQ(header.table_hash, XXH3_64bits(file.data() + 72, 4 * 32));
  EXPECT_EQ(header.plan_hash, XXH3_64bits(file.data() + header.plan_offset, header.plan_size));

  const uint32_t kinds[] = {INGOT_SEGMENT_CODE_CPU, INGOT_SEGMENT_CODE_CPU, INGOT_SEGMENT_WEIGHTS,
                            INGOT_SEGMENT_TOKENIZER};
  uint64_t end = header.plan_offset + header.plan_size;
  std::vector<ingot_segment> segments;
  for (size_t i = 0; i < 4; ++i) {
    auto segment = at<ingot_segment>(file, 72 + i * 32);
    EXPECT_EQ(segment.kind, kinds[i]);
    EXPECT_EQ(segment.tag, i < 2 ? 3 + i : 0);
    EXPECT_EQ(segment.offset % 4096, 0u);
    ASSERT_LE(segment.offset + segment.size, file.size());
    EXPECT_EQ(segment.hash, XXH3_64bits(file.data() + segment.offset, segment.size));
    for (uint64_t gap = end; gap < segment.offset; ++gap) ASSERT_EQ(file[gap], 0);
    end = segment.offset + segment.size;
    segments.push_back(segment);
  }
  EXPECT_EQ(end, file.size());

  flatbuffers::Verifier verifier(file.data() + header.plan_offset, header.plan_size);
  ASSERT_TRUE(plan::VerifyPlanBuffer(verifier));
  const plan::Plan *plan = plan::GetPlan(file.data() + header.plan_offset);
  EXPECT_EQ(plan->facts()->name()->str(), "test");
  EXPECT_EQ(plan->weights_segment(), 2u);
  EXPECT_EQ(plan->programs()->Get(0)->code()->Get(1)->segment(), 1u);
  ASSERT_EQ(plan->weights()->size(), 3u);
  const char *names[] = {"a_r", "g_r", "b_r"}, *layouts[] = {"int4.sym.g32", "rows.f32", "f32"};
  for (uint32_t i = 0; i < 3; ++i) {
    const plan::Weight *weight = plan->weights()->Get(i);
    std::vector<uint8_t> expected = packed(names[i]);
    EXPECT_EQ(weight->name()->str(), names[i]);
    EXPECT_EQ(weight->layout()->str(), layouts[i]);
    EXPECT_EQ(weight->offset() % 64, 0u);
    ASSERT_EQ(weight->size(), expected.size());
    EXPECT_EQ(0, std::memcmp(file.data() + segments[2].offset + weight->offset(), expected.data(), expected.size()));
  }
  EXPECT_EQ(file[segments[0].offset + 5002], 3);
  EXPECT_EQ(file[segments[3].offset + 2], 3);
}

TEST_F(WriterTest, TheRuntimeReadsTheFrame) {
  parseWeights();
  ASSERT_EQ(write(output()), "");
  std::vector<uint8_t> file = readFile(output());
  Layout layout;
  Status status = read_layout(file, "out", &layout);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_NE(layout.find(INGOT_SEGMENT_WEIGHTS), nullptr);
  EXPECT_EQ(layout.find(INGOT_SEGMENT_WEIGHTS)->hash, hash_of(layout.bytes(*layout.find(INGOT_SEGMENT_WEIGHTS))));
  EXPECT_EQ(layout.find(INGOT_SEGMENT_CHAT_TEMPLATE), nullptr);
}

TEST_F(WriterTest, ProgramsFollowEachOther) {
  parseWeights();
  ArtifactContents contents;
  fill(contents);
  contents.plan.programs.push_back(std::make_unique<plan::ProgramT>());
  addCode(contents, INGOT_SEGMENT_PTX, 80);
  addCode(contents, INGOT_SEGMENT_CUBIN, 90);
  ASSERT_TRUE(bool(writeArtifact(contents, output(), 1, [](uint64_t, uint64_t) {})));
  std::vector<uint8_t> file = readFile(output());
  Layout layout;
  ASSERT_TRUE(read_layout(file, "out", &layout).ok());
  const plan::Plan *plan = plan::GetPlan(layout.plan.data());
  ASSERT_EQ(plan->programs()->size(), 2u);
  const plan::Code *ptx = plan->programs()->Get(1)->code()->Get(0), *cubin = plan->programs()->Get(1)->code()->Get(1);
  EXPECT_EQ(layout.segments[ptx->segment()].kind, INGOT_SEGMENT_PTX);
  EXPECT_EQ(layout.segments[ptx->segment()].tag, 80u);
  EXPECT_EQ(layout.segments[cubin->segment()].kind, INGOT_SEGMENT_CUBIN);
  EXPECT_EQ(file[layout.segments[cubin->segment()].offset + 5089], 90);
  EXPECT_EQ(plan->weights_segment(), 4u);
}

TEST_F(WriterTest, SameContentsGiveTheSameBytes) {
  parseWeights();
  ASSERT_EQ(write(output(), 1), "");
  ASSERT_EQ(write(folder + "/again.ingot", 3), "");
  EXPECT_EQ(readFile(output()), readFile(folder + "/again.ingot"));
}

TEST_F(WriterTest, WithoutWeightsTheirPlaceIsZeros) {
  parseWeights();
  ASSERT_EQ(write(output()), "");
  ArtifactContents contents;
  fill(contents);
  contents.zeroWeights = true;
  std::string path = folder + "/hollow.ingot";
  ASSERT_TRUE(bool(writeArtifact(contents, path, 1, [](uint64_t, uint64_t) {})));
  std::vector<uint8_t> full = readFile(output()), hollow = readFile(path);
  ASSERT_EQ(full.size(), hollow.size());
  auto weights = at<ingot_segment>(hollow, 72 + 2 * 32);
  std::vector<uint8_t> zeros(weights.size);
  EXPECT_EQ(0, std::memcmp(hollow.data() + weights.offset, zeros.data(), zeros.size()));
  EXPECT_EQ(weights.hash, XXH3_64bits(zeros.data(), zeros.size()));
  Layout layout;
  EXPECT_TRUE(read_layout(hollow, "hollow", &layout).ok());
}

TEST_F(WriterTest, ProgressCountsUpToTheWholeFile) {
  parseWeights();
  ArtifactContents contents;
  fill(contents);
  uint64_t last = 0, whole = 0;
  auto sizes = writeArtifact(contents, output(), 2, [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, last);
    last = done, whole = total;
  });
  ASSERT_TRUE(bool(sizes));
  EXPECT_EQ(last, whole);
  EXPECT_EQ(sizes->file, std::filesystem::file_size(output()));
  EXPECT_EQ(sizes->code, 5003u + 5004u);
}

TEST_F(WriterTest, AWeightThatFailsLeavesTheOldFile) {
  parseWeights(INFINITY);
  std::ofstream(output()) << "old";
  EXPECT_NE(write(output()).find("weight @a_r: row 9 holds a value that is not finite"), std::string::npos);
  std::vector<uint8_t> old = readFile(output());
  EXPECT_EQ(std::string(old.begin(), old.end()), "old");
  EXPECT_EQ(folderEntries(), (std::vector<std::string>{"model.onnx", "out.ingot"}));
}

TEST_F(WriterTest, AnEmptyArtifactHasNoSegments) {
  ArtifactContents contents;
  contents.plan.facts = std::make_unique<plan::FactsT>();
  auto sizes = writeArtifact(contents, output(), 1, [](uint64_t, uint64_t) {});
  ASSERT_TRUE(bool(sizes)) << llvm::toString(sizes.takeError());
  EXPECT_EQ(at<ingot_header>(readFile(output()), 0).segment_count, 0u);
}

TEST_F(WriterTest, APlanThatDoesNotFitIsRefused) {
  parseWeights();
  ArtifactContents contents;
  fill(contents);
  contents.plan.weights[1]->offset += 64;
  auto sizes = writeArtifact(contents, output(), 1, [](uint64_t, uint64_t) {});
  ASSERT_FALSE(bool(sizes));
  EXPECT_EQ(llvm::toString(sizes.takeError()), "internal error: the plan does not describe its segments");
}
