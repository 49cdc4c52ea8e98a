// Which operators import knows: (domain, name, opset range) -> handler. One file an operator family fills it.
#pragma once
#include "compiler/import/NodeImporter.h"
#include <climits>
#include <functional>
#include <map>
#include <string>

namespace ingot {

using OpHandler = std::function<void(NodeImporter &)>;

class OpTable {
public:
  static constexpr int64_t oldest = 7;  ///< the first with today's broadcasting
  static constexpr int64_t newest = 27; ///< the newest ONNX opset whose changes have been read

  /// `handler` reads the operator of `domain` from opset `since` to opset `until`, both included.
  void add(llvm::StringRef domain, llvm::StringRef name, OpHandler handler, int64_t since = 1,
           int64_t until = INT64_MAX);

  /// An operator that is known and has no place here: `why` is told wherever one stands, whatever its operands.
  void refuse(llvm::StringRef domain, llvm::StringRef name, llvm::StringRef why);

  /// Null, with the reason in `why`, if there is no handler for this operator at this opset.
  const OpHandler *find(llvm::StringRef domain, llvm::StringRef name, int64_t opset, std::string &why) const;

private:
  struct Entry {
    int64_t since, until;
    OpHandler handler;  // null: refused
    std::string reason; // why, then
  };
  std::map<std::pair<std::string, std::string>, std::vector<Entry>> entries;
};

/// All families, made once.
const OpTable &operatorTable();

void addElementwiseOps(OpTable &table);
void addActivationOps(OpTable &table);
void addShapeOps(OpTable &table);
void addControlOps(OpTable &table);
void addSequenceOps(OpTable &table);
void addMovementOps(OpTable &table);
void addIndexedOps(OpTable &table);
void addReductionOps(OpTable &table);
void addLinearOps(OpTable &table);
void addEinsumOps(OpTable &table);
void addRareNormOps(OpTable &table);
void addEmbedOps(OpTable &table);
void addNormOps(OpTable &table);
void addAttentionOps(OpTable &table);
void addStandardAttentionOps(OpTable &table);
void addContribAttentionOps(OpTable &table);
void addRotaryOps(OpTable &table);
void addQuantOps(OpTable &table);
void addQuantLinearOps(OpTable &table);

} // namespace ingot
