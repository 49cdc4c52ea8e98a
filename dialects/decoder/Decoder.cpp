// Registration, verifiers and the launch op's syntax.
#include "dialects/decoder/Decoder.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ingot::decoder;

#include "dialects/decoder/DecoderEnums.cpp.inc"

#include "dialects/decoder/DecoderDialect.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/decoder/DecoderAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/decoder/DecoderOps.cpp.inc"

void DecoderDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/decoder/DecoderAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/decoder/DecoderOps.cpp.inc"
      >();
}

SmallVector<FlatSymbolRefAttr> ingot::decoder::weightSymbols(Operation *op) {
  SmallVector<FlatSymbolRefAttr> symbols;
  for (NamedAttribute attribute : op->getAttrDictionary()) {
    if (attribute.getName() == "cache") continue;
    if (auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute.getValue())) symbols.push_back(symbol);
    if (auto list = dyn_cast<ArrayAttr>(attribute.getValue()))
      for (Attribute element : list)
        if (auto symbol = dyn_cast<FlatSymbolRefAttr>(element)) symbols.push_back(symbol);
  }
  return symbols;
}

LogicalResult AnglesOp::verify() {
  if (getCos().has_value() != getSin().has_value() || getCos().has_value() == getFreq().has_value())
    return emitOpError("needs either `freq` or both `cos` and `sin`");
  return success();
}

LogicalResult SplitOp::verify() {
  if (getSizes().size() != getNumResults())
    return emitOpError("has ") << getSizes().size() << " sizes for " << getNumResults() << " results";
  return success();
}

// Rules: 1. past and present come together; 2. cache and layer come together; 3. a cached form has no past; 4. heads
// are a multiple of kv_heads; 5. alibi has a slope a head.
LogicalResult AttentionOp::verify() {
  if (bool(getPastKey()) != bool(getPastValue())) return emitOpError("needs both past_key and past_value");
  if (getCache().has_value() != getLayer().has_value()) return emitOpError("needs both `cache` and `layer`");
  if (getCache() && (getPastKey() || getSeqlens() || getTotal())) return emitOpError("with a cache takes no past");
  if (getHeads() <= 0 || getKvHeads() <= 0 || getHeads() % getKvHeads())
    return emitOpError("heads must be a multiple of kv_heads");
  if (getAlibi() && getAlibi()->size() != size_t(getHeads()))
    return emitOpError("has ") << getAlibi()->size() << " alibi slopes for " << getHeads() << " heads";
  return success();
}

// Rules: 1. slots are static and at least one; 2. the result's columns divide by them; 3. there is an expert.
LogicalResult ExpertLinearOp::verify() {
  auto columns = [](Value v) { return cast<RankedTensorType>(v.getType()).getShape().back(); };
  for (Value value : {getInput(), getIndices(), getResult()})
    if (cast<RankedTensorType>(value.getType()).getRank() < 1 || ShapedType::isDynamic(columns(value)))
      return emitOpError("needs static last axes");
  if (columns(getIndices()) < 1 || columns(getResult()) % columns(getIndices()))
    return emitOpError("has ") << columns(getResult()) << " columns for " << columns(getIndices()) << " slots";
  return int64_t(getExperts()) >= 1 ? success() : emitOpError("has no experts");
}

//===- rows -------------------------------------------------------------------------------------------------------===//

/// The elements of one row: all but the leading dim.
static int64_t rowElements(Type type) {
  auto rows = cast<RankedTensorType>(type);
  int64_t count = 1;
  for (int64_t size : rows.getShape().drop_front()) count *= size;
  return count;
}

static bool isRowOf(Type inside, Type rows) {
  auto row = dyn_cast<RankedTensorType>(inside);
  return row && row.hasStaticShape() && cast<RankedTensorType>(rows).getRank() >= 1 &&
         row.getNumElements() == rowElements(rows) &&
         row.getElementType() == cast<RankedTensorType>(rows).getElementType();
}

// Rules: 1. arguments are a row of each input, then each weight whole; 2. decoder.yield gives a row of each result;
// 3. every type inside is static.
LogicalResult RowsOp::verify() {
  Block &block = getBody().front();
  size_t inputs = getInputs().size();
  if (block.getNumArguments() != inputs + getWeights().size())
    return emitOpError("has ") << block.getNumArguments() << " block arguments for " << inputs << " inputs and "
                               << getWeights().size() << " weights";
  for (auto [argument, input] : llvm::zip(block.getArguments(), getInputs()))
    if (!isRowOf(argument.getType(), input.getType()))
      return emitOpError("has an argument ") << argument.getType() << " that is no row of " << input.getType();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getValues().size() != getNumResults()) return emitOpError("must yield a row a result");
  for (auto [value, result] : llvm::zip(yield.getValues(), getResultTypes()))
    if (!isRowOf(value.getType(), result))
      return emitOpError("yields ") << value.getType() << ", which is no row of " << result;
  for (Operation &op : block.without_terminator())
    for (Type type : op.getResultTypes())
      if (auto tensor = dyn_cast<RankedTensorType>(type); !tensor || !tensor.hasStaticShape())
        return op.emitOpError("has a result of no static shape in decoder.rows");
  return success();
}

// decoder.rows (%value : type, ...) weights (@recipe, ...) -> (types) attributes {...} { ^bb0(...): body }
ParseResult RowsOp::parse(OpAsmParser &parser, OperationState &result) {
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SmallVector<Type> types;
  SmallVector<Attribute> weights;
  auto parseInput = [&]() -> ParseResult {
    return failure(parser.parseOperand(operands.emplace_back()) || parser.parseColonType(types.emplace_back()));
  };
  auto parseWeight = [&]() -> ParseResult {
    StringAttr name;
    if (parser.parseSymbolName(name)) return failure();
    weights.push_back(FlatSymbolRefAttr::get(name));
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseInput)) return failure();
  if (succeeded(parser.parseOptionalKeyword("weights")) &&
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseWeight))
    return failure();
  result.addAttribute("weights", parser.getBuilder().getArrayAttr(weights));
  if (parser.parseOptionalArrowTypeList(result.types) || parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.parseRegion(*result.addRegion()))
    return failure();
  return parser.resolveOperands(operands, types, parser.getNameLoc(), result.operands);
}

void RowsOp::print(OpAsmPrinter &printer) {
  printer << " (";
  llvm::interleaveComma(getInputs(), printer, [&](Value input) { printer << input << " : " << input.getType(); });
  printer << ')';
  if (!getWeights().empty()) {
    printer << " weights (";
    llvm::interleaveComma(getWeights().getAsRange<FlatSymbolRefAttr>(), printer,
                          [&](FlatSymbolRefAttr symbol) { printer.printSymbolName(symbol.getValue()); });
    printer << ')';
  }
  printer.printOptionalArrowTypeList(getResultTypes());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {"weights"});
  printer << ' ';
  printer.printRegion(getBody());
}

//===- launch -----------------------------------------------------------------------------------------------------===//

Operation *LaunchOp::getRoot() {
  for (Operation &op : getBody().front())
    if (isa<LinearOp, ExpertLinearOp, AttendOp>(op)) return &op;
  return nullptr;
}

// Rules: 1. ends in decoder.yield of the results' types; 2. block arguments are the inputs; 3. at most one root.
LogicalResult LaunchOp::verify() {
  Block &block = getBody().front();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield) return emitOpError("must end in decoder.yield");
  if (yield.getValues().getTypes() != getResultTypes()) return emitOpError("yields other types than its results");
  if (block.getArgumentTypes() != getInputs().getTypes()) return emitOpError("block arguments differ from inputs");
  int roots = 0;
  for (Operation &op : block) roots += isa<LinearOp, ExpertLinearOp, AttendOp>(op);
  if (roots > 1) return emitOpError("has ") << roots << " roots; at most one is allowed";
  return success();
}

// decoder.launch @name (%arg = %value : type, ...) -> (types) attributes {...} { body }
ParseResult LaunchOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<OpAsmParser::UnresolvedOperand> operands;
  SmallVector<Type> types;
  if (parser.parseSymbolName(name, "name", result.attributes)) return failure();
  auto parseInput = [&]() -> ParseResult {
    if (parser.parseArgument(arguments.emplace_back()) || parser.parseEqual() ||
        parser.parseOperand(operands.emplace_back()) || parser.parseColonType(types.emplace_back()))
      return failure();
    arguments.back().type = types.back();
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseInput)) return failure();
  if (parser.parseOptionalArrowTypeList(result.types) || parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.parseRegion(*result.addRegion(), arguments))
    return failure();
  return parser.resolveOperands(operands, types, parser.getNameLoc(), result.operands);
}

void LaunchOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getName());
  printer << " (";
  llvm::interleaveComma(llvm::zip(getBody().getArguments(), getInputs()), printer, [&](auto pair) {
    printer << std::get<0>(pair) << " = " << std::get<1>(pair) << " : " << std::get<1>(pair).getType();
  });
  printer << ')';
  printer.printOptionalArrowTypeList(getResultTypes());
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {"name"});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}
