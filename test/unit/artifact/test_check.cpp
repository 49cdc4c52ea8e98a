// The semantic check: every rule of check.h is broken once, in a plan that is otherwise well formed and sealed.
#include "test/unit/artifact/forge.h"

#include <functional>
#include <gtest/gtest.h>
#include <limits>

namespace ingot::test {
namespace {

using plan::PlanT;

struct Lie {
  const char *says;
  std::function<void(PlanT &)> tell;
};

plan::StepT &linear(PlanT &p) { return *program_of(p).body->steps[1]; }

const Lie lies[] = {
    {"facts", [](PlanT &p) { p.facts.reset(); }},
    {"vocabulary 0", [](PlanT &p) { p.facts->vocab_size = 0; }},
    {"max_context 0", [](PlanT &p) { p.facts->max_context = 0; }},
    {"max_context", [](PlanT &p) { p.facts->max_context = 0x80000000u; }},
    {"eos id 40", [](PlanT &p) { p.facts->tokens->eos = {40}; }},
    {"eos id -1", [](PlanT &p) { p.facts->tokens->eos = {-1}; }},
    {"bos id", [](PlanT &p) { p.facts->tokens->bos = -2; }},
    {"not a number", [](PlanT &p) { p.facts->sampling->top_p = std::numeric_limits<float>::quiet_NaN(); }},
    {"no program", [](PlanT &p) { p.programs.clear(); }},
    {"cpu program has no code", [](PlanT &p) { program_of(p).code.clear(); }},
    {"not CUDA code", [](PlanT &p) { program_of(p).target = plan::Target::cuda; }},
    {"no target", [](PlanT &p) { program_of(p).target = plan::Target(2); }},
    {"code entries", [](PlanT &p) { program_of(p).code.pop_back(); }},
    {"not CPU code", [](PlanT &p) { program_of(p).code[0]->segment = 0; }},
    {"not CPU code", [](PlanT &p) { program_of(p).code[0]->segment = 3; }},
    {"of level", [](PlanT &p) { program_of(p).code[0]->level = 4; }},
    {"no kernels", [](PlanT &p) { program_of(p).kernels.clear(); }},
    {"addresses", [](PlanT &p) { program_of(p).kernels[1]->address.pop_back(); }},
    {"'linear': address", [](PlanT &p) { program_of(p).kernels[2]->address[0] = plan::CodeAddress(0, 0, 96); }},
    {"'linear': address", [](PlanT &p) { program_of(p).kernels[2]->address[1] = plan::CodeAddress(1, 0, 8); }},
    {"'linear': address", [](PlanT &p) { program_of(p).kernels[2]->address[1] = plan::CodeAddress(0, 0, 32); }},
    {"shape of a CTA", [](PlanT &p) { program_of(p).kernels[2]->block_threads = 32; }},
    {"no `finish` grid", [](PlanT &p) { linear(p).partial_bytes = 64; }},
    {"no `finish` grid", [](PlanT &p) { linear(p).finish = std::move(linear(p).prepare); }},
    {"scratch", [](PlanT &p) { program_of(p).kernels[2]->scratch_bytes = ~uint64_t(0); }},
    {"segment 1 holds no weights", [](PlanT &p) { p.weights_segment = 1; }},
    {"weight 1 'linear' lies outside", [](PlanT &p) { p.weights[1]->offset = ~uint64_t(63); }},
    {"weight 2 'linear' lies outside", [](PlanT &p) { p.weights[2]->size += 1; }},
    {"weight 0 'embed'",
     [](PlanT &p) {
       p.weights[0]->offset = 4;
       p.weights[0]->size = 64;
     }},
    {"weight 0 'embed'", [](PlanT &p) { p.weights[0]->rows = p.weights[0]->cols = uint64_t(1) << 40; }},
    {"buffer 1 'y' lies outside", [](PlanT &p) { program_of(p).buffers[1]->offset_per_row = 128; }},
    {"buffer 1 'y' lies outside", [](PlanT &p) { program_of(p).buffers[1]->bytes_per_row = ~uint64_t(63); }},
    {"bytes a row", [](PlanT &p) { program_of(p).body_arena_bytes_per_row = ~uint64_t(0); }},
    {"share bytes", [](PlanT &p) { program_of(p).buffers[1]->offset_per_row = 0; }},
    {"cache group 0 'g0': a page", [](PlanT &p) { p.cache_groups[0]->page_bytes -= 64; }},
    {"cache group 0 'g0': a page", [](PlanT &p) { p.cache_groups[0]->page_tokens = 0; }},
    {"cache group 0 'g0': a page", [](PlanT &p) { p.cache_groups[0]->layers = p.cache_groups[0]->kv_heads = ~0u; }},
    {"body is missing", [](PlanT &p) { program_of(p).body.reset(); }},
    {"head is missing", [](PlanT &p) { program_of(p).head->space = plan::Space::body; }},
    {"head has 0 steps", [](PlanT &p) { program_of(p).head->steps.clear(); }},
    {"number of bindings 0", [](PlanT &p) { linear(p).bindings.clear(); }},
    {"binding out of range: 0", [](PlanT &p) { linear(p).bindings[0]->index = 2; }},
    {"binding out of range: 3", [](PlanT &p) { linear(p).bindings[3]->index = 3; }},
    {"stray logits", [](PlanT &p) { linear(p).bindings[3]->kind = plan::BindingKind::logits; }},
    {"stray `prepared`", [](PlanT &p) { linear(p).bindings[3]->kind = plan::BindingKind::prepared; }},
    {"stray `prepared`", [](PlanT &p) { linear(p).prepare.clear(); }},
    {"bytes of `prepared`", [](PlanT &p) { linear(p).prepared_bytes_per_row = 0; }},
    {"bytes of `prepared`", [](PlanT &p) { linear(p).prepared_bytes_per_row = 65; }},
    {"head buffer is bound",
     [](PlanT &p) {
       program_of(p).buffers[1]->space = plan::Space::head;
       program_of(p).head_arena_bytes_per_row = 128;
     }},
    {"number of main variants", [](PlanT &p) { linear(p).main.clear(); }},
    {"kernel out of range", [](PlanT &p) { linear(p).main[1]->kernel = 6; }},
    {"no grid", [](PlanT &p) { linear(p).main[1]->units = 0; }},
    {"no grid", [](PlanT &p) { linear(p).main[1]->units = 1u << 25; }},
    {"no grid", [](PlanT &p) { linear(p).main[1]->per = 0; }},
    {"do not ascend", [](PlanT &p) { std::swap(linear(p).main[1], linear(p).main[2]); }},
    {"do not ascend", [](PlanT &p) { linear(p).main[0]->max_rows = 0; }},
    {"no variant serves", [](PlanT &p) { linear(p).main.resize(1); }},
    {"query tiles", [](PlanT &p) { program_of(p).q_tile_rows = 0; }},
    {"query tiles", [](PlanT &p) { program_of(p).head->steps[0]->main[0]->grid = plan::Grid::q_tiles; }},
};

plan::ProgramT &cuda(PlanT &p) { return *p.programs[1]; }
plan::StepT &attend(PlanT &p) { return *cuda(p).body->steps.back(); }

const Lie cuda_lies[] = {
    {"two programs for the target cuda",
     [](PlanT &p) {
       program_of(p).target = plan::Target::cuda;
       program_of(p).code = std::move(cuda(p).code);
     }},
    {"cuda program has no code", [](PlanT &p) { cuda(p).code.clear(); }},
    {"4 code segments", [](PlanT &p) { cuda(p).code.pop_back(); }},
    {"not CUDA code", [](PlanT &p) { cuda(p).code[0]->segment = 1; }},
    {"not CPU code", [](PlanT &p) { program_of(p).code[0]->segment = 3; }},
    {"not CUDA code", [](PlanT &p) { cuda(p).code[0]->segment = 5; }},
    {"cuda code 0 is of level 90", [](PlanT &p) { cuda(p).code[0]->level = 90; }},
    {"cuda code 0 and 1 share", [](PlanT &p) { cuda(p).code[1]->segment = 3, cuda(p).code[1]->level = 80; }},
    {"no name", [](PlanT &p) { cuda(p).kernels[2]->name = ""; }},
    {"no name", [](PlanT &p) { cuda(p).kernels[2]->name = "a.b"; }},
    {"no name", [](PlanT &p) { cuda(p).kernels[2]->name = "2nd"; }},
    {"no name", [](PlanT &p) { cuda(p).kernels[2]->name.assign(256, 'x'); }},
    {"has an address", [](PlanT &p) { cuda(p).kernels[2]->address.emplace_back(0, 0, 0); }},
    {"'linear': a CTA of 0", [](PlanT &p) { cuda(p).kernels[2]->block_threads = 0; }},
    {"a CTA of 1025", [](PlanT &p) { cuda(p).kernels[2]->block_threads = 1025; }},
    {"0 items", [](PlanT &p) { cuda(p).kernels[2]->block_items = 0; }},
    {"16777217 items", [](PlanT &p) { cuda(p).kernels[2]->block_items = (1u << 24) + 1; }},
    {"232449 bytes of shared", [](PlanT &p) { cuda(p).kernels[2]->shared_bytes = 232449; }},
    {"scratch", [](PlanT &p) { cuda(p).kernels[2]->scratch_bytes = ~uint64_t(0); }},
    {"no kernels", [](PlanT &p) { cuda(p).kernels.clear(); }},
    {"body is missing", [](PlanT &p) { cuda(p).body.reset(); }},
    {"'attend' of the cuda body: kernel out of range", [](PlanT &p) { attend(p).finish[0]->kernel = 6; }},
    {"stray `prepared`", [](PlanT &p) { attend(p).finish.clear(); }},
    {"partial results",
     [](PlanT &p) {
       attend(p).prepare.push_back(std::move(attend(p).finish[0]));
       attend(p).finish.clear();
     }},
    {"partial results", [](PlanT &p) { attend(p).prepared_bytes_per_row = 64; }},
    {"bytes of `prepared`", [](PlanT &p) { attend(p).partial_bytes = 0; }},
    {"bytes of `prepared`", [](PlanT &p) { attend(p).partial_bytes = 65; }},
    {"bytes of `prepared`", [](PlanT &p) { attend(p).partial_bytes = ~uint64_t(63); }},
    {"bytes of `prepared`", [](PlanT &p) { attend(p).bindings.pop_back(); }},
    {"share bytes", [](PlanT &p) { cuda(p).buffers[1]->offset_per_row = 0; }},
};

void expect_refusal(const Lie &lie, const ToyOptions &options) {
  PlanT plan = toy_plan(options);
  lie.tell(plan);
  std::vector<uint8_t> file = forge(pack(plan), toy_segments(options));
  Artifact artifact;
  Status status = Artifact::open_bytes(file, "toy", {}, &artifact);
  EXPECT_EQ(status.code(), Code::bad_input) << lie.says;
  EXPECT_NE(std::string(status.message()).find(lie.says), std::string::npos) << lie.says << " | " << status.message();
}

TEST(Check, EveryRuleRefusesByName) {
  for (const Lie &lie : lies) expect_refusal(lie, {});
  for (const Lie &lie : cuda_lies) expect_refusal(lie, {.cuda = true});
}

TEST(Check, AnArtifactHoldsProgramsForSeveralTargets) {
  std::vector<uint8_t> file = toy_file({.cuda = true});
  Artifact artifact;
  Status status = Artifact::open_bytes(file, "toy", {}, &artifact);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(artifact.supports(plan::Target::cpu).ok());
  EXPECT_TRUE(artifact.supports(plan::Target::cuda).ok());
  EXPECT_EQ(artifact.program(plan::Target::cuda)->kernels()->Get(0)->block_threads(), 128u);
  std::vector<uint8_t> plain = toy_file();
  ASSERT_TRUE(Artifact::open_bytes(plain, "toy", {}, &artifact).ok());
  EXPECT_EQ(artifact.program(plan::Target::cuda), nullptr);
  EXPECT_EQ(artifact.supports(plan::Target::cuda).code(), Code::unsupported);
}

TEST(Check, AMachineWithoutTheCpuLevelStillOpensCudaCode) {
  std::vector<uint8_t> file = toy_file({.v4 = false, .cuda = true});
  Artifact artifact;
  ASSERT_TRUE(Artifact::open_bytes(file, "toy", {.cpu_level = "v4"}, &artifact).ok());
  EXPECT_EQ(artifact.cpu_level(), 0u);
  EXPECT_TRUE(artifact.supports(plan::Target::cuda).ok());
  EXPECT_EQ(artifact.supports(plan::Target::cpu).code(), Code::unsupported);
}

TEST(Check, CudaAloneIsAnArtifactWithoutCpuCode) {
  PlanT plan = toy_plan({.cuda = true});
  std::vector<Segment> segments = toy_segments({.cuda = true});
  segments.erase(segments.begin() + 1, segments.begin() + 3);
  plan.programs.erase(plan.programs.begin());
  for (auto &code : plan.programs[0]->code) code->segment -= 2;
  std::vector<uint8_t> file = forge(pack(plan), segments);
  Artifact artifact;
  Status status = Artifact::open_bytes(file, "toy", {}, &artifact);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(artifact.cpu_level(), 0u);
  EXPECT_NE(std::string(artifact.supports(plan::Target::cpu).message()).find("--target cpu"), std::string::npos);
}

TEST(Check, RecurrentStateIsUnsupportedByName) {
  PlanT plan = toy_plan();
  plan.state_slots.push_back(std::make_unique<plan::StateSlotT>());
  std::vector<uint8_t> file = forge(pack(plan), toy_segments());
  Artifact artifact;
  EXPECT_EQ(Artifact::open_bytes(file, "toy", {}, &artifact).code(), Code::unsupported);
}

TEST(Check, AForcedLevelThatTheArtifactLacksIsRefused) {
  ToyOptions only_v3 = {.v4 = false};
  std::vector<uint8_t> file = toy_file(only_v3);
  Artifact artifact;
  EXPECT_TRUE(Artifact::open_bytes(file, "toy", {.cpu_level = "v3"}, &artifact).ok());
  EXPECT_EQ(artifact.cpu_level(), 3u);
  EXPECT_FALSE(Artifact::open_bytes(file, "toy", {.cpu_level = "v4"}, &artifact).ok());
  EXPECT_FALSE(Artifact::open_bytes(file, "toy", {.cpu_level = "v5"}, &artifact).ok());
}

} // namespace
} // namespace ingot::test
