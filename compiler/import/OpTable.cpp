// Look-up by name, then by opset.
#include "compiler/import/OpTable.h"

using namespace ingot;

void OpTable::add(llvm::StringRef domain, llvm::StringRef name, OpHandler handler, int64_t since, int64_t until) {
  entries[{domain.str(), name.str()}].push_back({since, until, std::move(handler), ""});
}

void OpTable::refuse(llvm::StringRef domain, llvm::StringRef name, llvm::StringRef why) {
  entries[{domain.str(), name.str()}].push_back({1, INT64_MAX, nullptr, why.str()});
}

const OpHandler *OpTable::find(llvm::StringRef domain, llvm::StringRef name, int64_t opset, std::string &why) const {
  auto found = entries.find({domain.str(), name.str()});
  if (found == entries.end()) {
    why = "the operator is not supported";
    return nullptr;
  }
  for (const Entry &entry : found->second) {
    if (opset < entry.since || opset > entry.until) continue;
    why = entry.reason;
    return entry.handler ? &entry.handler : nullptr;
  }
  why = "the operator is not supported as of opset " + std::to_string(opset);
  return nullptr;
}

const OpTable &ingot::operatorTable() {
  static const OpTable table = [] {
    OpTable table;
    for (auto add : {addElementwiseOps, addActivationOps, addShapeOps, addControlOps, addSequenceOps, addMovementOps,
                     addIndexedOps, addReductionOps, addLinearOps, addEinsumOps, addRareNormOps, addEmbedOps,
                     addNormOps, addAttentionOps, addStandardAttentionOps, addContribAttentionOps, addRotaryOps,
                     addQuantOps, addQuantLinearOps})
      add(table);
    return table;
  }();
  return table;
}
