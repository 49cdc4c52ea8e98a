#include "compiler/artifact/writer.h"

#include "compiler/artifact/atomic_file.h"
#include "runtime/base/checked.h"
#include "runtime/format/abi.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

using namespace llvm;

namespace ingot {
namespace {

constexpr uint64_t weightAlignment = 64, planAlignment = 64;

// A segment before it is written; `bytes` is null for weights, which are streamed.
struct PlannedSegment {
  ingot_segment record;
  const std::vector<uint8_t> *bytes;
};

template <typename T> ArrayRef<uint8_t> bytesOf(const T *items, size_t count) {
  return {reinterpret_cast<const uint8_t *>(items), count * sizeof(T)};
}

uint64_t weightsBytes(const plan::PlanT &plan) {
  return plan.weights.empty() ? 0 : plan.weights.back()->offset + plan.weights.back()->size;
}

// Of all programs, one after the other.
std::vector<plan::CodeT *> codeEntries(const plan::PlanT &plan) {
  std::vector<plan::CodeT *> entries;
  for (const auto &program : plan.programs)
    for (const auto &code : program->code) entries.push_back(code.get());
  return entries;
}

// Our own callers' mistakes: reported, because a wrong artifact would be worse.
Error checkContents(const ArtifactContents &contents) {
  const plan::PlanT &plan = contents.plan;
  auto planned = planWeights(contents.weights);
  std::vector<plan::CodeT *> code = codeEntries(plan);
  bool agree = planned.size() == plan.weights.size() && contents.code.size() == code.size();
  for (size_t i = 0; agree && i < planned.size(); ++i)
    agree = planned[i]->offset == plan.weights[i]->offset && planned[i]->size == plan.weights[i]->size;
  for (size_t i = 0; agree && i < contents.code.size(); ++i) agree = contents.code[i].level == code[i]->level;
  return agree ? Error::success() : createStringError("internal error: the plan does not describe its segments");
}

class Writer {
public:
  Writer(ArtifactContents &contents, unsigned jobs, function_ref<void(uint64_t, uint64_t)> progress)
      : contents(contents), jobs(jobs), progress(progress) {}

  Expected<ArtifactSizes> write(StringRef path) {
    if (Error error = checkContents(contents)) return error;
    planSegments();
    packPlan();
    placeSegments();
    Expected<std::unique_ptr<AtomicFile>> created = AtomicFile::create(path);
    if (!created) return created.takeError();
    file = std::move(*created);
    if (Error error = writeBody()) return error;
    if (Error error = writeFront()) return error;
    if (Error error = file->commit()) return error;
    ArtifactSizes sizes = {total, builder.GetSize(), 0, weightsBytes(contents.plan)};
    for (const CodeSegment &code : contents.code) sizes.code += code.bytes.size();
    return sizes;
  }

private:
  void planSegments() {
    auto add = [&](uint32_t kind, uint32_t tag, uint64_t size, const std::vector<uint8_t> *bytes) {
      segments.push_back({{kind, tag, 0, size, 0}, bytes});
      return uint32_t(segments.size() - 1);
    };
    for (auto [entry, code] : zip(codeEntries(contents.plan), contents.code))
      entry->segment = add(code.kind, code.level, code.bytes.size(), &code.bytes);
    if (!contents.weights.empty())
      contents.plan.weights_segment = add(INGOT_SEGMENT_WEIGHTS, 0, weightsBytes(contents.plan), nullptr);
    auto addBlob = [&](uint32_t kind, const std::vector<uint8_t> &bytes) {
      if (!bytes.empty()) add(kind, 0, bytes.size(), &bytes);
    };
    addBlob(INGOT_SEGMENT_TOKENIZER, contents.tokenizer);
    addBlob(INGOT_SEGMENT_CHAT_TEMPLATE, contents.chatTemplate);
  }

  void packPlan() { plan::FinishPlanBuffer(builder, plan::Plan::Pack(builder, &contents.plan)); }

  void placeSegments() {
    planOffset = align_up(sizeof(ingot_header) + segments.size() * sizeof(ingot_segment), planAlignment);
    total = planOffset + builder.GetSize();
    for (PlannedSegment &segment : segments) {
      segment.record.offset = align_up(total, INGOT_SEGMENT_ALIGNMENT);
      total = segment.record.offset + segment.record.size;
    }
  }

  Error put(ArrayRef<uint8_t> bytes) {
    if (Error error = file->append(bytes)) return error;
    progress(file->size(), total);
    return Error::success();
  }

  Error padTo(uint64_t offset) { return put(std::vector<uint8_t>(size_t(offset - file->size()))); }

  // The plan and the segments; the front is left as zeros until the hashes are known.
  Error writeBody() {
    if (Error error = padTo(planOffset)) return error;
    if (Error error = put({builder.GetBufferPointer(), builder.GetSize()})) return error;
    for (PlannedSegment &segment : segments) {
      if (Error error = padTo(segment.record.offset)) return error;
      if (Error error = segment.bytes ? put(*segment.bytes) : writeWeights(segment)) return error;
      if (segment.bytes) segment.record.hash = XXH3_64bits(segment.bytes->data(), segment.bytes->size());
    }
    return Error::success();
  }

  Error writeHole(PlannedSegment &segment) {
    XXH3_state_t hash;
    XXH3_64bits_reset(&hash);
    std::vector<uint8_t> zeros(1 << 20);
    for (uint64_t left = segment.record.size; left > 0; left -= std::min<uint64_t>(left, zeros.size()))
      XXH3_64bits_update(&hash, zeros.data(), std::min<uint64_t>(left, zeros.size()));
    segment.record.hash = XXH3_64bits_digest(&hash);
    return file->appendHole(segment.record.size);
  }

  Error writeWeights(PlannedSegment &segment) {
    if (contents.zeroWeights) return writeHole(segment);
    XXH3_state_t hash;
    XXH3_64bits_reset(&hash);
    auto putHashed = [&](ArrayRef<uint8_t> bytes) {
      XXH3_64bits_update(&hash, bytes.data(), bytes.size());
      return put(bytes);
    };
    size_t next = 0; // the recipe that starts next
    auto sink = [&](size_t recipe, ArrayRef<uint8_t> bytes) -> Error {
      if (recipe >= next) {
        uint64_t start = segment.record.offset + contents.plan.weights[recipe]->offset;
        if (Error error = putHashed(std::vector<uint8_t>(size_t(start - file->size())))) return error;
        next = recipe + 1;
      }
      return putHashed(bytes);
    };
    if (Error error = streamRecipes(contents.weights, jobs, sink)) return error;
    segment.record.hash = XXH3_64bits_digest(&hash);
    if (file->size() == segment.record.offset + segment.record.size) return Error::success();
    return createStringError("internal error: the weights have another size than planned");
  }

  Error writeFront() {
    std::vector<ingot_segment> records;
    for (const PlannedSegment &segment : segments) records.push_back(segment.record);
    ingot_header header = {};
    std::memcpy(header.magic, INGOT_MAGIC, sizeof header.magic);
    header.format_version = INGOT_FORMAT_VERSION;
    header.abi_version = INGOT_ABI_VERSION;
    header.file_size = total;
    header.plan_offset = planOffset;
    header.plan_size = builder.GetSize();
    header.plan_hash = XXH3_64bits(builder.GetBufferPointer(), builder.GetSize());
    header.segment_count = uint32_t(records.size());
    header.table_hash = XXH3_64bits(records.data(), records.size() * sizeof(ingot_segment));
    header.header_hash = XXH3_64bits(&header, offsetof(ingot_header, header_hash));
    if (Error error = file->writeAt(0, bytesOf(&header, 1))) return error;
    return file->writeAt(sizeof header, bytesOf(records.data(), records.size()));
  }

  ArtifactContents &contents;
  unsigned jobs;
  function_ref<void(uint64_t, uint64_t)> progress;
  std::vector<PlannedSegment> segments;
  flatbuffers::FlatBufferBuilder builder;
  std::unique_ptr<AtomicFile> file;
  uint64_t planOffset = 0, total = 0;
};

} // namespace

std::vector<std::unique_ptr<plan::WeightT>> planWeights(ArrayRef<Recipe> recipes) {
  std::vector<std::unique_ptr<plan::WeightT>> weights;
  uint64_t offset = 0;
  for (const Recipe &recipe : recipes) {
    auto weight = std::make_unique<plan::WeightT>();
    weight->name = recipe.name().str();
    weight->layout = recipe.layoutName();
    weight->offset = offset;
    weight->size = recipe.bytes();
    weight->rows = recipe.rows();
    weight->cols = recipe.cols();
    offset = align_up(offset + weight->size, weightAlignment);
    weights.push_back(std::move(weight));
  }
  return weights;
}

Expected<ArtifactSizes> writeArtifact(ArtifactContents &contents, StringRef path, unsigned jobs,
                                      function_ref<void(uint64_t, uint64_t)> progress) {
  return Writer(contents, jobs, progress).write(path);
}

} // namespace ingot
