// Simplifies recipes and makes equal ones one symbol, so that tied weights are stored once.
//
// Rules: a transpose of a transpose composes, and an identity one goes; dead recipe ops go; recipes whose bodies are
// equal (same ops, attributes, types, operands in order) are one recipe: the first in the module; recipes that nobody
// uses go.
#include "dialects/weights/Weights.h"
#include "passes/fuse/Passes.h"

using namespace mlir;
using namespace ingot;

namespace ingot {
#define GEN_PASS_DEF_UNIFYRECIPES
#include "passes/fuse/Passes.h.inc"
} // namespace ingot

static void composeTransposes(weights::RecipeOp recipe) {
  for (Operation &op : llvm::make_early_inc_range(recipe.getBody().front())) {
    auto outer = dyn_cast<weights::TransposeOp>(op);
    if (!outer) continue;
    SmallVector<int64_t> permutation(outer.getPermutation());
    Value input = outer.getInput();
    if (auto inner = input.getDefiningOp<weights::TransposeOp>()) {
      for (int64_t &axis : permutation) axis = inner.getPermutation()[axis];
      input = inner.getInput();
    }
    bool identity = llvm::all_of(llvm::enumerate(permutation), [](auto p) { return int64_t(p.index()) == p.value(); });
    if (identity) {
      outer.replaceAllUsesWith(input);
      outer.erase();
    } else {
      outer.getInputMutable().assign(input);
      outer.setPermutation(permutation);
    }
  }
}

static void eraseDeadOps(weights::RecipeOp recipe) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(recipe.getBody().front())))
    if (!isa<weights::YieldOp>(op) && op.use_empty()) op.erase();
}

/// A text that is equal for equal recipes: generic printing without locations or the symbol's name.
static std::string bodyKey(weights::RecipeOp recipe) {
  std::string key;
  llvm::raw_string_ostream os(key);
  for (Operation &op : recipe.getBody().front()) {
    op.print(os, OpPrintingFlags().printGenericOpForm().useLocalScope());
    os << '\n';
  }
  return key;
}

namespace {
struct UnifyRecipes : ingot::impl::UnifyRecipesBase<UnifyRecipes> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::map<std::string, weights::RecipeOp> first;
    DenseMap<StringAttr, FlatSymbolRefAttr> rename;
    for (auto recipe : module.getOps<weights::RecipeOp>()) {
      composeTransposes(recipe);
      eraseDeadOps(recipe);
      auto [entry, isNew] = first.try_emplace(bodyKey(recipe), recipe);
      if (!isNew) rename[recipe.getSymNameAttr()] = FlatSymbolRefAttr::get(entry->second.getSymNameAttr());
    }
    AttrTypeReplacer replacer;
    replacer.addReplacement([&](FlatSymbolRefAttr symbol) -> std::optional<Attribute> {
      auto found = rename.find(symbol.getAttr());
      if (found == rename.end()) return std::nullopt;
      return found->second;
    });
    DenseSet<StringAttr> used;
    AttrTypeWalker uses;
    uses.addWalk([&](FlatSymbolRefAttr symbol) { used.insert(symbol.getAttr()); });
    for (auto function : module.getOps<func::FuncOp>()) {
      replacer.recursivelyReplaceElementsIn(function);
      function.walk([&](Operation *op) { uses.walk(op->getAttrDictionary()); });
    }
    for (auto recipe : llvm::make_early_inc_range(module.getOps<weights::RecipeOp>()))
      if (!used.contains(recipe.getSymNameAttr())) recipe.erase();
  }
};
} // namespace
