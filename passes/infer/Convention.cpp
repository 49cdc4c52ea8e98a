// Inputs, outputs and the pairing of caches.
#include "passes/infer/Convention.h"
#include "dialects/graph/NodeLocation.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

//===- inputs
//------------------------------------------------------------------------------------------------------===//

static InFlightDiagnostic refuseInput(Typing &typing, unsigned index) {
  return mlir::emitError(typing.main.getLoc()) << "input '" << argumentName(typing.main, index) << "' ";
}

/// Heads and head size of a past: the graph's static dims, else what its attention says.
static std::pair<int64_t, int64_t> pastGeometry(Value past) {
  auto type = cast<RankedTensorType>(past.getType());
  int64_t heads = type.getDimSize(1), size = type.getDimSize(3);
  for (Operation *user : past.getUsers()) {
    auto attention = dyn_cast<decoder::AttentionOp>(user);
    if (!attention) continue;
    heads = attention.getKvHeads();
    Value rows = past == attention.getPastKey() ? attention.getKey() : attention.getValue();
    int64_t columns = cast<RankedTensorType>(rows.getType()).getShape().back();
    if (ShapedType::isDynamic(size) && !ShapedType::isDynamic(columns) && heads > 0) size = columns / heads;
  }
  return {heads, size};
}

static bool setPast(Typing &typing, BlockArgument argument) {
  auto [heads, size] = pastGeometry(argument);
  if (heads < 1 || size < 1) {
    refuseInput(typing, argument.getArgNumber())
        << "has rank 4 but is no past of an attention, and its heads and head size are unknown";
    return false;
  }
  typing.setCache(argument, {Dim(), typing.dim(heads), typing.pastDim(), typing.dim(size)});
  return true;
}

static bool setIntegers(Typing &typing, BlockArgument argument, Interface &interface) {
  StringRef name = argumentName(typing.main, argument.getArgNumber());
  ExprContext &exprs = typing.exprs;
  if (name.contains("mask")) {
    typing.setClosed(argument, {Dim(), typing.totalDim()}, [&exprs](Indices) { return exprs.integer(1); });
  } else if (name.contains("position")) {
    typing.setClosed(argument, {Dim(), typing.freshDim()},
                     [&exprs](Indices at) { return exprs.add(exprs.past(), at[1]); });
  } else if (interface.tokens) {
    refuseInput(typing, argument.getArgNumber())
        << "is a second input of ids; one of input_ids, attention_mask, position_ids was expected";
    return false;
  } else {
    typing.setToken(argument, {Dim(), typing.freshDim()});
    interface.tokens = argument;
  }
  return true;
}

static bool setArgument(Typing &typing, BlockArgument argument, Interface &interface) {
  auto type = dyn_cast<RankedTensorType>(argument.getType());
  bool floats = type && isa<FloatType>(type.getElementType()), integers = type && type.getElementType().isIntOrIndex();
  if (floats && type.getRank() == 4) return setPast(typing, argument);
  if (integers && type.getRank() == 2) return setIntegers(typing, argument, interface);
  if (floats && type.getRank() == 3)
    refuseInput(typing, argument.getArgNumber())
        << "brings embeddings; export the model with input_ids and its embedding table";
  else
    refuseInput(typing, argument.getArgNumber())
        << "of type " << argument.getType()
        << " is not part of the calling convention: ids, mask and positions [B, S], pasts [B, heads, P, d]";
  return false;
}

FailureOr<Interface> ingot::infer::applyConvention(Typing &typing) {
  Interface interface;
  bool good = true;
  for (BlockArgument argument : typing.main.getArguments()) {
    if (setArgument(typing, argument, interface)) continue;
    typing.setUnknown(argument);
    good = false;
  }
  if (good && !interface.tokens) {
    mlir::emitError(typing.main.getLoc()) << "no input of token ids [B, S] was found";
    good = false;
  }
  if (!good) return failure();
  return interface;
}

//===- outputs
//-----------------------------------------------------------------------------------------------------===//

static Operation *terminator(Typing &typing) { return typing.main.getBody().front().getTerminator(); }

Value ingot::infer::findLogits(Typing &typing) {
  Value found;
  bool named = false;
  for (OpOperand &operand : terminator(typing)->getOpOperands()) {
    Value value = operand.get();
    if (typing[value].kind == AbstractValue::Kind::Cache || isa<BlockArgument>(value)) continue;
    if (isa_and_nonnull<decoder::AttentionOp>(value.getDefiningOp()) && value != value.getDefiningOp()->getResult(0))
      continue;
    StringRef name = resultName(typing.main, operand.getOperandNumber());
    if (name == "logits") found = value, named = true;
    if (named) continue;
    if (found) {
      mlir::emitError(typing.main.getLoc())
          << "output '" << name << "' is neither the logits nor a present of an attention";
      return {};
    }
    found = value;
  }
  if (!found) mlir::emitError(typing.main.getLoc()) << "no output of logits [B, S, vocabulary] was found";
  return found;
}

//===- caches
//------------------------------------------------------------------------------------------------------===//

/// The last run of digits: "past_key_values.3.key" -> 3.
static std::optional<unsigned> layerNumber(StringRef name) {
  size_t end = name.find_last_of("0123456789");
  if (end == StringRef::npos) return std::nullopt;
  size_t begin = end;
  while (begin > 0 && llvm::isDigit(name[begin - 1])) --begin;
  unsigned number;
  if (name.slice(begin, end + 1).getAsInteger(10, number)) return std::nullopt;
  return number;
}

/// K2. Empty if the names agree.
static std::string contradiction(StringRef past, StringRef present) {
  auto from = layerNumber(past), to = layerNumber(present);
  bool swapped =
      (past.contains("key") && !past.contains("value") && present.contains("value") && !present.contains("key")) ||
      (past.ends_with("value") && present.ends_with("key")) || (past.ends_with("key") && present.ends_with("value"));
  if ((from && to && from != to) || swapped)
    return ("reads the past '" + past + "' but its result is the present '" + present + "', another cache").str();
  return "";
}

static std::optional<unsigned> outputOf(Operation *terminator, Value present) {
  if (present)
    for (OpOperand &use : present.getUses())
      if (use.getOwner() == terminator) return use.getOperandNumber();
  return std::nullopt;
}

/// K1 and K2 for one half of one attention. Empty if paired.
static std::string pair(Typing &typing, Value past, Value present, llvm::DenseMap<Value, Operation *> &owners,
                        Operation *op) {
  auto argument = dyn_cast<BlockArgument>(past);
  if (!argument) return "has a past that is no graph input";
  StringRef name = argumentName(typing.main, argument.getArgNumber());
  auto [owner, first] = owners.insert({past, op});
  if (!first)
    return ("reads the past '" + name + "', which belongs to " +
            (owner->second == op ? std::string("its other half") : graph::describeNode(owner->second->getLoc())) +
            " already")
        .str();
  auto output = outputOf(terminator(typing), present);
  if (!output)
    return ("reads the past '" + name + "' but its present is no output, so the next step would miss it").str();
  return contradiction(name, resultName(typing.main, *output));
}

static Type cacheType(Value past) { return cast<RankedTensorType>(past.getType()).getElementType(); }

/// K3.
static CachePlace placeLayer(decoder::AttentionOp op, Typing &typing, SmallVectorImpl<decoder::CacheGroupOp> &groups,
                             OpBuilder &builder) {
  ArrayRef<Dim> key = typing.shape(op.getPastKey()), value = typing.shape(op.getPastValue());
  int64_t keySize = *key.back().constant(), valueSize = *value.back().constant(), window = op.getMask().getWindow();
  Type type = cacheType(op.getPastKey());
  for (decoder::CacheGroupOp group : groups)
    if (int64_t(group.getKvHeads()) == int64_t(op.getKvHeads()) && int64_t(group.getKeyDim()) == keySize &&
        int64_t(group.getValueDim()) == valueSize && group.getType() == type && int64_t(group.getWindow()) == window) {
      int64_t layer = group.getLayers();
      group.setLayers(layer + 1);
      return {FlatSymbolRefAttr::get(group.getSymNameAttr()), layer};
    }
  auto made = builder.create<decoder::CacheGroupOp>(op.getLoc(), "g" + std::to_string(groups.size()), 1,
                                                    op.getKvHeads(), keySize, valueSize, type, window);
  groups.push_back(made);
  return {FlatSymbolRefAttr::get(made.getSymNameAttr()), 0};
}

CachePlaces ingot::infer::placeCaches(Typing &typing, OpBuilder &builder) {
  CachePlaces places;
  llvm::DenseMap<Value, Operation *> owners;
  SmallVector<decoder::CacheGroupOp> groups;
  for (auto op : typing.main.getOps<decoder::AttentionOp>()) {
    places[op] = {};
    if (!op.getPastKey() || typing[op.getResult()].poisoned || typing.isReported(op)) continue;
    std::string problem = pair(typing, op.getPastKey(), op.getPresentKey(), owners, op);
    if (problem.empty()) problem = pair(typing, op.getPastValue(), op.getPresentValue(), owners, op);
    if (problem.empty() && cacheType(op.getPastKey()) != cacheType(op.getPastValue()))
      problem = "has key and value caches of different types";
    if (!problem.empty()) {
      typing.complain(op, problem);
      continue;
    }
    places[op] = placeLayer(op, typing, groups, builder);
  }
  return places;
}
