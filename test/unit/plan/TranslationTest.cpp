// plan dialect -> FlatBuffer, for programs of several targets over the same weights.
#include "compiler/driver/PlanTranslation.h"

#include "dialects/decoder/Decoder.h"
#include "dialects/plan/Plan.h"
#include "dialects/weights/Weights.h"
#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace ingot;

namespace {

struct Translation : testing::Test {
  Translation() {
    context.loadDialect<plan_ir::PlanDialect, decoder::DecoderDialect, weights::WeightsDialect>();
    facts.pageTokens = 32;
    facts.pageBytes = {4096};
  }

  /// A plan of two steps; `program` is the target and its attributes, `cta` the kernel's shape.
  OwningOpRef<ModuleOp> parse(StringRef program, StringRef cta, StringRef weightOffset = "0", StringRef finish = "") {
    std::string variant = "[#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 2, per = 1, "
                          "streams = 0>]";
    auto step = [&](std::string name, std::string bindings, std::string finish) {
      return "plan.step \"" + name + "\" {bindings = [" + bindings + "], prepare = [], main = " + variant + finish +
             ", prepared_bytes_per_row = 0, prepare_private_rows = 0, weight_bytes = 64, ops_per_row = 16}\n";
    };
    std::string finished = finish.empty() ? "" : ", finish = " + variant + ", partial_bytes = " + finish.str();
    std::string text =
        "decoder.cache_group @g0 {layers = 1 : i64, kv_heads = 2 : i64, key_dim = 16 : i64, value_dim = 16 : i64, "
        "type = f16}\n"
        "decoder.limits {max_context = 64 : i64, relaxations = []}\n"
        "plan.weight @w.packed @w {layout = \"rows.f32\", offset = " +
        weightOffset.str() + ", size = 64, rows = 16, cols = 1}\nplan.program " + program.str() +
        " {\nplan.kernel @k {hash = 7 : ui64, scratch_bytes = 256" + cta.str() +
        "}\nplan.buffer @b body {bytes_per_row = 64, offset_per_row = 0}\n"
        "plan.entry body attributes {arena_bytes_per_row = 64} {\n" +
        step("first", "#plan.binding<buffer : @b>, #plan.binding<weight : @w.packed>, #plan.binding<prepared>",
             finished) +
        "}\nplan.entry head attributes {arena_bytes_per_row = 0} {\n" +
        step("logits", "#plan.binding<immediate = 5>, #plan.binding<logits>", "") + "}\n}\n";
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module) << text;
    return module;
  }

  static CompiledCode cpuCode(llvm::StringMap<uint64_t> entry) {
    return {INGOT_SEGMENT_CODE_CPU, 3, {1, 2, 3}, std::move(entry)};
  }
  static CompiledCode ptx() { return {INGOT_SEGMENT_PTX, 80, {4}, {}}; }

  std::string failure(ArrayRef<CompiledProgram> programs) {
    std::string said;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { said += diagnostic.str(); });
    EXPECT_EQ(translatePlan(programs, facts), nullptr);
    return said;
  }

  MLIRContext context;
  PlanFacts facts;
};

constexpr const char *kCpu = "cpu attributes {q_tile_rows = 8}", *kCuda = "cuda attributes {q_tile_rows = 16}";
constexpr const char *kCta = ", block_threads = 128, block_items = 4, shared_bytes = 2048";

} // namespace

TEST_F(Translation, ProgramsShareWeightsAndKeepTheirOwnShape) {
  auto cpu = parse(kCpu, ""), cuda = parse(kCuda, kCta, "0", "192");
  llvm::StringMap<uint64_t> entry;
  entry["k"] = 48;
  CompiledProgram programs[] = {{*cpu, {cpuCode(entry)}}, {*cuda, {ptx(), ptx()}}};
  auto plan = translatePlan(programs, facts);
  ASSERT_NE(plan, nullptr);
  ASSERT_EQ(plan->programs.size(), 2u);
  ASSERT_EQ(plan->weights.size(), 1u);
  EXPECT_EQ(plan->cache_groups[0]->page_bytes, 4096u);
  const plan::ProgramT &first = *plan->programs[0], &second = *plan->programs[1];
  EXPECT_EQ(first.target, plan::Target::cpu);
  EXPECT_EQ(first.q_tile_rows, 8u);
  ASSERT_EQ(first.kernels[0]->address.size(), 1u);
  EXPECT_EQ(first.kernels[0]->address[0].offset(), 48u);
  EXPECT_EQ(second.target, plan::Target::cuda);
  EXPECT_EQ(second.q_tile_rows, 16u);
  EXPECT_EQ(second.code.size(), 2u);
  const plan::KernelT &kernel = *second.kernels[0];
  EXPECT_TRUE(kernel.address.empty());
  EXPECT_EQ(kernel.block_threads, 128u);
  EXPECT_EQ(kernel.block_items, 4u);
  EXPECT_EQ(kernel.shared_bytes, 2048u);
  const plan::StepT &step = *second.body->steps[0];
  EXPECT_EQ(step.partial_bytes, 192u);
  ASSERT_EQ(step.finish.size(), 1u);
  EXPECT_TRUE(first.body->steps[0]->finish.empty());
  EXPECT_EQ(step.bindings[1]->kind, plan::BindingKind::weight);
  EXPECT_EQ(second.head->steps[0]->bindings[0]->value, 5u);
}

TEST_F(Translation, ProgramsThatPlaceWeightsDifferentlyAreRefused) {
  auto cpu = parse(kCpu, ""), cuda = parse(kCuda, kCta, "64");
  llvm::StringMap<uint64_t> entry;
  entry["k"] = 0;
  EXPECT_NE(failure({{*cpu, {cpuCode(entry)}}, {*cuda, {ptx()}}}).find("place the weights differently"),
            std::string::npos);
}

TEST_F(Translation, ACpuKernelWithoutCodeIsRefused) {
  auto cpu = parse(kCpu, "");
  EXPECT_NE(failure({{*cpu, {cpuCode({})}}}).find("has no code at level v3"), std::string::npos);
}
