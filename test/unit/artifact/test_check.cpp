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

plan::StepT &linear(PlanT &p) { return *p.body->steps[1]; }

const Lie lies[] = {
    {"facts", [](PlanT &p) { p.facts.reset(); }},
    {"vocabulary 0", [](PlanT &p) { p.facts->vocab_size = 0; }},
    {"max_context 0", [](PlanT &p) { p.facts->max_context = 0; }},
    {"max_context", [](PlanT &p) { p.facts->max_context = 0x80000000u; }},
    {"eos id 40", [](PlanT &p) { p.facts->tokens->eos = {40}; }},
    {"eos id -1", [](PlanT &p) { p.facts->tokens->eos = {-1}; }},
    {"bos id", [](PlanT &p) { p.facts->tokens->bos = -2; }},
    {"not a number", [](PlanT &p) { p.facts->sampling->top_p = std::numeric_limits<float>::quiet_NaN(); }},
    {"code entries", [](PlanT &p) { p.code.pop_back(); }},
    {"not CPU code", [](PlanT &p) { p.code[0]->segment = 0; }},
    {"not CPU code", [](PlanT &p) { p.code[0]->segment = 3; }},
    {"of level", [](PlanT &p) { p.code[0]->level = 4; }},
    {"no kernels", [](PlanT &p) { p.kernels.clear(); }},
    {"addresses", [](PlanT &p) { p.kernels[1]->address.pop_back(); }},
    {"'linear': address", [](PlanT &p) { p.kernels[2]->address[0] = plan::CodeAddress(0, 0, 96); }},
    {"'linear': address", [](PlanT &p) { p.kernels[2]->address[1] = plan::CodeAddress(1, 0, 8); }},
    {"'linear': address", [](PlanT &p) { p.kernels[2]->address[1] = plan::CodeAddress(0, 0, 32); }},
    {"scratch", [](PlanT &p) { p.kernels[2]->scratch_bytes = ~uint64_t(0); }},
    {"segment 1 holds no weights", [](PlanT &p) { p.weights_segment = 1; }},
    {"weight 1 'linear' lies outside", [](PlanT &p) { p.weights[1]->offset = ~uint64_t(63); }},
    {"weight 2 'linear' lies outside", [](PlanT &p) { p.weights[2]->size += 1; }},
    {"weight 0 'embed'",
     [](PlanT &p) {
       p.weights[0]->offset = 4;
       p.weights[0]->size = 64;
     }},
    {"weight 0 'embed'", [](PlanT &p) { p.weights[0]->rows = p.weights[0]->cols = uint64_t(1) << 40; }},
    {"buffer 1 'y' lies outside", [](PlanT &p) { p.buffers[1]->offset_per_row = 128; }},
    {"buffer 1 'y' lies outside", [](PlanT &p) { p.buffers[1]->bytes_per_row = ~uint64_t(63); }},
    {"bytes a row", [](PlanT &p) { p.body_arena_bytes_per_row = ~uint64_t(0); }},
    {"share bytes", [](PlanT &p) { p.buffers[1]->offset_per_row = 0; }},
    {"cache group 0 'g0': a page", [](PlanT &p) { p.cache_groups[0]->page_bytes -= 64; }},
    {"cache group 0 'g0': a page", [](PlanT &p) { p.cache_groups[0]->page_tokens = 0; }},
    {"cache group 0 'g0': a page", [](PlanT &p) { p.cache_groups[0]->layers = p.cache_groups[0]->kv_heads = ~0u; }},
    {"body is missing", [](PlanT &p) { p.body.reset(); }},
    {"head is missing", [](PlanT &p) { p.head->space = plan::Space::body; }},
    {"head has 0 steps", [](PlanT &p) { p.head->steps.clear(); }},
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
       p.buffers[1]->space = plan::Space::head;
       p.head_arena_bytes_per_row = 128;
     }},
    {"number of main variants", [](PlanT &p) { linear(p).main.clear(); }},
    {"kernel out of range", [](PlanT &p) { linear(p).main[1]->kernel = 6; }},
    {"no grid", [](PlanT &p) { linear(p).main[1]->units = 0; }},
    {"no grid", [](PlanT &p) { linear(p).main[1]->units = 1u << 25; }},
    {"no grid", [](PlanT &p) { linear(p).main[1]->per = 0; }},
    {"do not ascend", [](PlanT &p) { std::swap(linear(p).main[1], linear(p).main[2]); }},
    {"do not ascend", [](PlanT &p) { linear(p).main[0]->max_rows = 0; }},
    {"no variant serves", [](PlanT &p) { linear(p).main.resize(1); }},
    {"query tiles", [](PlanT &p) { p.q_tile_rows = 0; }},
    {"query tiles", [](PlanT &p) { p.head->steps[0]->main[0]->grid = plan::Grid::q_tiles; }},
};

TEST(Check, EveryRuleRefusesByName) {
  for (const Lie &lie : lies) {
    PlanT plan = toy_plan();
    lie.tell(plan);
    std::vector<uint8_t> file = forge(pack(plan), toy_segments());
    Artifact artifact;
    Status status = Artifact::open_bytes(file, "toy", {}, &artifact);
    EXPECT_EQ(status.code(), Code::bad_input) << lie.says;
    EXPECT_NE(std::string(status.message()).find(lie.says), std::string::npos) << lie.says << " | " << status.message();
  }
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
