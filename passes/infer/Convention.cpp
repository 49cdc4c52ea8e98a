// Inputs, and which output the logits are.
#include "passes/infer/Convention.h"
#include "dialects/graph/Graph.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

static InFlightDiagnostic refuseInput(Typing &typing, unsigned index) {
  return mlir::emitError(typing.main.getLoc()) << "input '" << argumentName(typing.main, index) << "' ";
}

static RankedTensorType typeOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

//===- pasts
//-------------------------------------------------------------------------------------------------------===//

/// A float input of rank 3 to 5 that holds rows of cached tokens; embeddings [B, S, n] are none.
static bool isPast(Typing &typing, BlockArgument argument) {
  RankedTensorType type = typeOf(argument);
  if (!type || !isa<FloatType>(type.getElementType()) || type.getRank() < 3 || type.getRank() > 5) return false;
  if (type.getRank() > 3) return true;
  StringRef name = argumentName(typing.main, argument.getArgNumber());
  return name.contains("past") || name.contains("cache") || name.contains("key") || name.contains("value");
}

/// The axis that a concatenation lengthens, else the usual one, else the only open one behind the batch.
static size_t lengthAxis(BlockArgument past) {
  RankedTensorType type = typeOf(past);
  for (Operation *user : past.getUsers())
    if (auto concat = dyn_cast<graph::ConcatOp>(user))
      if (typeOf(concat.getResult()).getRank() == type.getRank()) return concat.getAxis();
  size_t usual = type.getRank() - 2;
  if (type.isDynamicDim(usual)) return usual;
  for (size_t k = type.getRank(); k-- > 1;)
    if (type.isDynamicDim(k)) return k;
  return usual;
}

static bool setPast(Typing &typing, BlockArgument argument, const LearntSizes &learnt) {
  RankedTensorType type = typeOf(argument);
  ExprContext &exprs = typing.exprs;
  size_t length = lengthAxis(argument), batch = type.getRank() == 5 ? 1 : 0;
  if (length >= size_t(type.getRank()) || !type.isDynamicDim(length)) {
    refuseInput(typing, argument.getArgNumber())
        << "of type " << type << " has no axis that grows with the cached tokens; export it with a symbolic length";
    return false;
  }
  Shape shape;
  for (size_t k = 0; k < size_t(type.getRank()); ++k) {
    auto known = learnt.find({argument.getArgNumber(), unsigned(k)});
    if (k == length) {
      shape.push_back(typing.pastDim());
    } else if (!type.isDynamicDim(k)) {
      shape.push_back(typing.dim(type.getDimSize(k)));
    } else if (known != learnt.end()) {
      shape.push_back(typing.dim(known->second));
    } else if (k == batch && type.getRank() > 3) {
      shape.push_back(Dim());
    } else {
      Variable size = exprs.newVariable("n");
      typing.attention.openSizes[size] = {argument.getArgNumber(), unsigned(k)};
      shape.push_back(Dim(exprs, exprs.variable(size)));
    }
  }
  unsigned origin = exprs.newOrigin("past");
  typing.attention.pasts[origin] = {argument};
  typing.setHistory(argument, shape, [&exprs, shape, origin](Indices at) -> Expr {
    auto place = rowPlace(exprs, shape, at);
    return place ? exprs.read(origin, {place->column, place->token}) : Expr();
  });
  return true;
}

//===- integers
//----------------------------------------------------------------------------------------------------===//

static bool isCacheSwitch(StringRef name) { return name.contains("use_cache"); }

bool ingot::infer::hasCacheSwitch(func::FuncOp main) {
  for (unsigned k = 0; k < main.getNumArguments(); ++k)
    if (isCacheSwitch(argumentName(main, k))) return true;
  return false;
}

/// Inputs whose every element is a number by the convention: C3, C4, C6. Null: it is none of them.
static ClosedForm knownIntegers(Typing &typing, StringRef name, bool boolean) {
  bool cached = typing.exprs.remembersPast();
  ExprContext &exprs = typing.exprs;
  auto literal = [&exprs, boolean](int64_t value) -> ClosedForm {
    return [&exprs, boolean, value](Indices) { return boolean ? exprs.boolean(value) : exprs.integer(value); };
  };
  if (name.contains("mask")) return literal(1);
  if (isCacheSwitch(name)) return literal(cached);
  if (name.contains("logits_to_keep") || name.contains("token_type")) return literal(0);
  if (name.contains("nonpad_kv_seqlen")) return [&exprs](Indices) { return exprs.total(); };
  if (name.contains("write_indices")) return [&exprs](Indices) { return exprs.past(); };
  if (name.contains("position"))
    return [&exprs](Indices at) { return exprs.add(exprs.past(), at.empty() ? exprs.integer(0) : at.back()); };
  return {};
}

static bool setIntegers(Typing &typing, BlockArgument argument, Interface &interface) {
  StringRef name = argumentName(typing.main, argument.getArgNumber());
  RankedTensorType type = typeOf(argument);
  ClosedForm known = knownIntegers(typing, name, type.getElementType().isInteger(1));
  bool scalar = type.getRank() == 0 || name.contains("seqlen") || name.contains("write_indices") ||
                (known && type.getShape().back() == 1) || isCacheSwitch(name) || name.contains("logits_to_keep");
  Shape shape(type.getRank());
  if (!scalar && !shape.empty()) shape.back() = name.contains("mask") ? typing.totalDim() : typing.freshDim();
  if (known) {
    typing.setClosed(argument, shape, known);
  } else if (type.getRank() != 2 || interface.tokens) {
    refuseInput(typing, argument.getArgNumber())
        << (interface.tokens ? "is a second input of ids; " : "is no part of the calling convention; ")
        << "one of input_ids, attention_mask, position_ids was expected";
    return false;
  } else {
    typing.setToken(argument, shape);
    interface.tokens = argument;
  }
  return true;
}

//===- all inputs
//--------------------------------------------------------------------------------------------------===//

static bool setArgument(Typing &typing, BlockArgument argument, Interface &interface, const LearntSizes &learnt) {
  RankedTensorType type = typeOf(argument);
  if (isPast(typing, argument)) {
    if (typing.exprs.remembersPast()) return setPast(typing, argument, learnt);
    return typing.setUnknown(argument), true; // not read by the branch without a past
  }
  bool embeddings = type && isa<FloatType>(type.getElementType()) && type.getRank() == 3;
  bool used =
      llvm::any_of(argument.getUsers(), [](Operation *user) { return !user->hasTrait<OpTrait::IsTerminator>(); });
  if (!used && !embeddings) return typing.setUnknown(argument), true; // handed through, or nothing at all
  if (type && type.getElementType().isIntOrIndex() && type.getRank() <= 2)
    return setIntegers(typing, argument, interface);
  if (embeddings)
    refuseInput(typing, argument.getArgNumber())
        << "brings embeddings; export the model with input_ids and its embedding table";
  else
    refuseInput(typing, argument.getArgNumber())
        << "of type " << argument.getType()
        << " is not part of the calling convention: ids, mask and positions [B, S], pasts [B, heads, P, d]";
  return false;
}

FailureOr<Interface> ingot::infer::applyConvention(Typing &typing, const LearntSizes &learnt, bool promptOnly) {
  Interface interface;
  bool good = true;
  bool cached = llvm::any_of(typing.main.getArguments(), [&](BlockArgument past) { return isPast(typing, past); });
  if (promptOnly || !cached) typing.exprs.forgetPast();
  for (BlockArgument argument : typing.main.getArguments()) {
    if (setArgument(typing, argument, interface, learnt)) continue;
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

Value ingot::infer::findLogits(Typing &typing) {
  SmallVector<unsigned> candidates;
  Operation *end = typing.main.getBody().front().getTerminator();
  for (OpOperand &operand : end->getOpOperands()) {
    Value value = operand.get();
    if (resultName(typing.main, operand.getOperandNumber()) == "logits") return value;
    if (!isa<BlockArgument>(value) && (typing[value].isToken() || typing[value].poisoned) &&
        typing.shape(value).size() <= 3)
      candidates.push_back(operand.getOperandNumber());
  }
  if (candidates.size() == 1) return end->getOperand(candidates[0]);
  if (candidates.empty())
    mlir::emitError(typing.main.getLoc()) << "no output of logits [B, S, vocabulary] was found";
  else
    mlir::emitError(typing.main.getLoc()) << "output '" << resultName(typing.main, candidates[1])
                                          << "' is neither the logits nor a present of an attention";
  return {};
}
