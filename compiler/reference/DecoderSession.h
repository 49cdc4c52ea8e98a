// Runs an imported decoder graph as its users do: ids in, logits out, the cache carried from call to call. Inputs are
// found by the names that exporters give them (input_ids, attention_mask, position_ids, past...).
#pragma once
#include "compiler/reference/Evaluator.h"

namespace ingot::reference {

class DecoderSession {
public:
  /// `module` is what importOnnx made of `modelFile`.
  DecoderSession(mlir::ModuleOp module, std::string modelFile, Mode mode = Mode::plain);

  /// Logits [tokens fed, vocab] of the new tokens after all those fed before. Nothing on an error: see error().
  std::optional<Array> feed(llvm::ArrayRef<int64_t> tokens);

  int64_t length() const { return past; }
  const std::string &error() const { return message.empty() ? evaluator.error() : message; }

private:
  std::optional<Array> argument(unsigned index, llvm::ArrayRef<int64_t> tokens);
  Array emptyPast(unsigned index, mlir::RankedTensorType type);
  std::string nameOf(mlir::DictionaryAttr attributes) const;
  std::optional<unsigned> resultOf(llvm::StringRef pastName) const;

  mlir::ModuleOp module;
  Evaluator evaluator;
  std::vector<std::string> inputs, outputs;
  std::map<unsigned, Array> cache; // by argument
  int64_t past = 0;
  std::string message;
};

} // namespace ingot::reference
