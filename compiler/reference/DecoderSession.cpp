// Roles of inputs by name. A past and its present are the pair whose names agree once those two words are gone, or else
// the pasts and the outputs that are no logits go together in order.
#include "compiler/reference/DecoderSession.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::reference;

static func::FuncOp mainOf(ModuleOp module) { return module.lookupSymbol<func::FuncOp>("main"); }

std::string DecoderSession::nameOf(DictionaryAttr attributes) const {
  auto name = attributes ? attributes.getAs<StringAttr>("graph.name") : StringAttr();
  return name ? name.str() : "";
}

DecoderSession::DecoderSession(ModuleOp module, std::string modelFile, Mode mode)
    : module(module), evaluator(module, std::move(modelFile), mode) {
  func::FuncOp function = mainOf(module);
  for (unsigned i = 0; i < function.getNumArguments(); ++i) inputs.push_back(nameOf(function.getArgAttrDict(i)));
  for (unsigned i = 0; i < function.getNumResults(); ++i) outputs.push_back(nameOf(function.getResultAttrDict(i)));
}

static bool isPast(StringRef name) { return name.contains("past") || name.contains("cache_"); }

static std::string layerName(StringRef name) {
  for (StringRef word : {"past_key_values", "present_key_values", "past", "present"})
    if (name.consume_front(word)) break;
  return name.str();
}

std::optional<unsigned> DecoderSession::resultOf(StringRef pastName) const {
  for (unsigned i = 0; i < outputs.size(); ++i)
    if (StringRef(outputs[i]).starts_with("present") && layerName(outputs[i]) == layerName(pastName)) return i;
  SmallVector<unsigned> presents;
  for (unsigned i = 0; i < outputs.size(); ++i)
    if (outputs[i] != "logits") presents.push_back(i);
  size_t order = 0, pasts = 0;
  for (const std::string &input : inputs) {
    if (input == pastName) order = pasts;
    pasts += isPast(input);
  }
  return pasts == presents.size() ? std::optional(presents[order]) : std::nullopt;
}

// Dims that the past's type leaves open: what the present knows, else 0 for the one named after the past (or the last
// but one), else 1 (the batch).
Array DecoderSession::emptyPast(unsigned index, RankedTensorType type) {
  func::FuncOp function = mainOf(module);
  auto result = resultOf(inputs[index]);
  auto present = result ? cast<RankedTensorType>(function.getResultTypes()[*result]) : type;
  auto names = function.getArgAttrOfType<ArrayAttr>(index, "graph.dims");
  Shape shape;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    StringRef name = names ? cast<StringAttr>(names[i]).getValue() : "";
    bool open = present.getRank() != type.getRank() || present.isDynamicDim(i);
    bool grows = name.contains("past") || (!name.contains("batch") && i + 2 == type.getRank());
    shape.push_back(!type.isDynamicDim(i) ? type.getDimSize(i) : !open ? present.getDimSize(i) : grows ? 0 : 1);
  }
  return makeArray(type.getElementType(), shape);
}

static Array filled(Type element, ArrayRef<int64_t> shape, llvm::function_ref<int64_t(size_t)> value) {
  Array array = makeArray(element, shape);
  for (size_t i = 0; i < array.size(); ++i) {
    if (array.isReal())
      array.reals[i] = double(value(i));
    else
      array.integers[i] = value(i);
  }
  return array;
}

std::optional<Array> DecoderSession::argument(unsigned index, ArrayRef<int64_t> tokens) {
  StringRef name = inputs[index];
  auto type = cast<RankedTensorType>(mainOf(module).getArgumentTypes()[index]);
  int64_t count = int64_t(tokens.size());
  auto every = [&](ArrayRef<int64_t> shape, int64_t value) {
    return filled(type.getElementType(), shape, [=](size_t) { return value; });
  };
  if (name.contains("input_ids")) return filled(type.getElementType(), {1, count}, [&](size_t i) { return tokens[i]; });
  if (name.contains("attention_mask")) return every({1, past + count}, 1);
  if (name.contains("position_ids"))
    return filled(type.getElementType(), {1, count}, [&](size_t i) { return past + int64_t(i); });
  if (name == "use_cache_branch") return every({1}, past > 0);
  if (name == "write_indices") return every({1}, past);
  if (name == "nonpad_kv_seqlen") return every({1}, past + count);
  if (!isPast(name)) {
    message = "input '" + name.str() + "' has no known role";
    return std::nullopt;
  }
  auto known = cache.find(index);
  return known == cache.end() ? emptyPast(index, type) : known->second;
}

std::optional<Array> DecoderSession::feed(ArrayRef<int64_t> tokens) {
  message.clear();
  std::vector<Array> arguments;
  for (unsigned i = 0; i < inputs.size(); ++i) {
    auto array = argument(i, tokens);
    if (!array) return std::nullopt;
    arguments.push_back(std::move(*array));
  }
  auto results = evaluator.run("main", std::move(arguments));
  if (!results) return std::nullopt;
  for (unsigned i = 0; i < inputs.size(); ++i)
    if (isPast(inputs[i]))
      if (auto result = resultOf(inputs[i])) cache[i] = (*results)[*result];
  past += int64_t(tokens.size());
  for (unsigned i = 0; i < outputs.size(); ++i) {
    Array &logits = (*results)[i];
    if (outputs[i] != "logits" || logits.rank() != 3) continue;
    logits.shape.erase(logits.shape.begin()); // the batch of one
    return logits;
  }
  message = "the graph has no output 'logits' of three dims";
  return std::nullopt;
}
