#include "test/unit/device_cuda/toy.h"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace ingot::test {
namespace {

std::vector<uint8_t> ptx(const char *name) {
  std::ifstream file(std::string(TOY_PTX) + "/" + name, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

uint32_t add_kernel(plan::ProgramT &program, const char *name) {
  auto kernel = std::make_unique<plan::KernelT>(*program.kernels[0]);
  kernel->name = name;
  program.kernels.push_back(std::move(kernel));
  return uint32_t(program.kernels.size() - 1);
}

void add_code(plan::ProgramT &program, std::vector<Segment> &segments, uint32_t kind, uint32_t level,
              std::vector<uint8_t> bytes) {
  auto code = std::make_unique<plan::CodeT>();
  code->segment = uint32_t(segments.size());
  code->level = level;
  program.code.push_back(std::move(code));
  segments.push_back({kind, level, std::move(bytes)});
}

// Names and variants for the kernels of toy_kernels.cpp.
void set_kernels(plan::ProgramT &program, const GpuToyOptions &options) {
  auto &kernels = program.kernels;
  kernels[uint32_t(ToyKernel::linear)]->name = "linear_8";
  kernels[uint32_t(ToyKernel::linear)]->shared_bytes = options.shared_bytes;
  kernels[uint32_t(ToyKernel::logits)]->name = options.logits_kernel;
  uint32_t linear_1 = add_kernel(program, "linear_1"), split = add_kernel(program, "attend_split"),
           finish = add_kernel(program, "finish");
  for (auto &kernel : kernels) kernel->block_threads = 64;
  for (auto &step : program.body->steps)
    for (auto &variant : step->main)
      if (variant->kernel == uint32_t(ToyKernel::linear) && variant->max_rows == 1) variant->kernel = linear_1;
  plan::StepT &last = *program.body->steps.back();
  last.main[0]->kernel = split;
  last.finish[0]->kernel = finish;
}

} // namespace

GpuToy::GpuToy(const GpuToyOptions &options) {
  ToyOptions toy = {.max_context = options.max_context, .window = options.window, .cuda = true};
  plan::PlanT plan = toy_plan(toy);
  std::vector<Segment> segments = toy_segments(toy);
  segments.resize(segments.size() - 2); // the toy's code for CUDA is not meant to run
  plan::ProgramT &program = *plan.programs.back();
  program.code.clear();
  set_kernels(program, options);
  if (options.cubin90) add_code(program, segments, INGOT_SEGMENT_CUBIN, 90, {0x7f, 'E', 'L', 'F'});
  if (options.ptx80) add_code(program, segments, INGOT_SEGMENT_PTX, 80, ptx("toy_80.ptx"));
  if (options.ptx90) add_code(program, segments, INGOT_SEGMENT_PTX, 90, ptx("toy_90.ptx"));
  if (!options.cpu) {
    plan.programs.erase(plan.programs.begin());
    for (auto &code : program.code) code->segment -= 2;
    segments.erase(segments.begin() + 1, segments.begin() + 3);
  }
  file = forge(pack(plan), segments);
  Status status = open_toy(file, &artifact);
  EXPECT_TRUE(status.ok()) << status.message();
}

std::vector<int32_t> tokens_of(int seed, size_t count) {
  std::vector<int32_t> tokens(count);
  for (size_t i = 0; i < count; ++i) tokens[i] = int32_t((size_t(seed) * 31 + i * 17 + i * i) % toy_vocab);
  return tokens;
}

Status feed(Session &session, uint32_t sequence, const std::vector<int32_t> &tokens, size_t chunk, Rows *rows) {
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    INGOT_TRY(session.append(sequence, tokens.data() + at, std::min(chunk, tokens.size() - at), LogitRows::all));
    INGOT_TRY(session.step());
    for (uint32_t i = 0; i < session.logit_count(); ++i) {
      const float *row;
      INGOT_TRY(session.logits(i, &row));
      rows->emplace_back(row, row + toy_vocab);
    }
  }
  return {};
}

Status run(const Artifact &artifact, const SessionOptions &options, const std::vector<int32_t> &tokens, size_t chunk,
           Rows *rows) {
  Session session;
  uint32_t sequence;
  INGOT_TRY(session.open(artifact, options));
  INGOT_TRY(session.create(&sequence));
  return feed(session, sequence, tokens, chunk, rows);
}

} // namespace ingot::test
