// The plan dialect mirrors runtime/format/plan.fbs field by field: a field added on one side only fails here.
#include "dialects/plan/Plan.h"
#include "mlir/IR/MLIRContext.h"
#include <fstream>
#include <gtest/gtest.h>
#include <regex>
#include <set>

using namespace mlir;
using namespace ingot;

using Names = std::set<std::string>;

static std::string schema() {
  std::ifstream file(INGOT_PLAN_SCHEMA);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Field names of `table` (or cases of an enum) in the schema.
static Names fieldsOf(const std::string &kind, const std::string &name) {
  std::smatch body;
  std::string text = std::regex_replace(schema(), std::regex("//[^\n]*"), "");
  if (!std::regex_search(text, body, std::regex(kind + " " + name + "[^{]*\\{([^}]*)\\}"))) return {};
  Names fields;
  std::string inner = body[1];
  std::regex field(kind == "enum" ? "(\\w+)" : "(\\w+)\\s*:");
  for (std::sregex_iterator it(inner.begin(), inner.end(), field), end; it != end; ++it) fields.insert((*it)[1]);
  return fields;
}

/// Attribute names of an op, with `renamed` (dialect name -> schema name; "" leaves it out) applied.
static Names attributesOf(StringRef op, std::map<std::string, std::string> renamed = {}) {
  MLIRContext context;
  context.loadDialect<plan_ir::PlanDialect>();
  Names names;
  for (StringAttr attribute : RegisteredOperationName::lookup(op, &context)->getAttributeNames()) {
    auto found = renamed.find(attribute.str());
    std::string name = found == renamed.end() ? attribute.str() : found->second;
    if (!name.empty()) names.insert(name);
  }
  return names;
}

TEST(PlanMirror, BufferHasTheSchemasFields) {
  EXPECT_EQ(attributesOf("plan.buffer", {{"sym_name", "name"}}), fieldsOf("table", "Buffer"));
}

TEST(PlanMirror, WeightHasTheSchemasFields) {
  EXPECT_EQ(attributesOf("plan.weight", {{"sym_name", "name"}, {"recipe", ""}}), fieldsOf("table", "Weight"));
}

TEST(PlanMirror, KernelHasTheSchemasFieldsBesideAddresses) {
  Names fields = fieldsOf("table", "Kernel");
  EXPECT_EQ(fields.erase("address"), 1u); // known once code is linked
  EXPECT_EQ(attributesOf("plan.kernel", {{"sym_name", "name"}}), fields);
}

TEST(PlanMirror, StepHasTheSchemasFields) { EXPECT_EQ(attributesOf("plan.step"), fieldsOf("table", "Step")); }

TEST(PlanMirror, EntryHasTheSchemasFieldsAndItsArena) {
  Names fields = fieldsOf("table", "Entry");
  EXPECT_EQ(fields.erase("steps"), 1u); // the region
  EXPECT_EQ(attributesOf("plan.entry", {{"arena_bytes_per_row", ""}}), fields);
  EXPECT_TRUE(fieldsOf("table", "Program").contains("body_arena_bytes_per_row"));
}

TEST(PlanMirror, ProgramHasTheSchemasFieldsBesideWhatItHolds) {
  Names fields = fieldsOf("table", "Program");
  for (const char *held :
       {"code", "kernels", "buffers", "body", "head", "body_arena_bytes_per_row", "head_arena_bytes_per_row"})
    EXPECT_EQ(fields.erase(held), 1u) << held;
  EXPECT_EQ(attributesOf("plan.program"), fields);
}

TEST(PlanMirror, VariantAndBindingAttributesHaveTheSchemasFields) {
  MLIRContext context;
  context.loadDialect<plan_ir::PlanDialect>();
  std::string text;
  llvm::raw_string_ostream os(text);
  os << plan_ir::VariantAttr::get(&context, 1, FlatSymbolRefAttr::get(&context, "k"), plan_ir::Grid::rows, 1, 1, 0);
  Names names;
  std::regex key("(\\w+) =");
  for (std::sregex_iterator it(text.begin(), text.end(), key), end; it != end; ++it) names.insert((*it)[1]);
  EXPECT_EQ(names, fieldsOf("table", "Variant"));
  EXPECT_EQ(fieldsOf("table", "Binding"), (Names{"kind", "index", "value"})); // `symbol` resolves to `index`
}

TEST(PlanMirror, EnumsHaveTheSchemasCases) {
  auto cases = [](auto stringify, unsigned count) {
    Names names;
    for (unsigned i = 0; i < count; ++i) names.insert(stringify(i).str());
    return names;
  };
  Names grid = fieldsOf("enum", "Grid"), space = fieldsOf("enum", "Space"), kind = fieldsOf("enum", "BindingKind"),
        target = fieldsOf("enum", "Target");
  EXPECT_EQ(cases([](unsigned i) { return plan_ir::stringifyTarget(plan_ir::Target(i)); }, target.size()), target);
  EXPECT_EQ(cases([](unsigned i) { return plan_ir::stringifyGrid(plan_ir::Grid(i)); }, grid.size()), grid);
  EXPECT_EQ(cases([](unsigned i) { return plan_ir::stringifySpace(plan_ir::Space(i)); }, space.size()), space);
  EXPECT_EQ(cases([](unsigned i) { return plan_ir::stringifyBindingKind(plan_ir::BindingKind(i)); }, kind.size()),
            kind);
}
