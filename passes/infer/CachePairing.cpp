// Rules K1-K3 of Convention.h: which output continues which past, and where every attention's cache lies.
#include "dialects/graph/NodeLocation.h"
#include "passes/infer/Convention.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace ingot;
using namespace ingot::infer;

static Operation *terminator(Typing &typing) { return typing.main.getBody().front().getTerminator(); }

//===- names
//-------------------------------------------------------------------------------------------------------===//

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

/// K2. Empty if the names agree, or the output's is none (an exporter's 'cat_17').
static std::string contradiction(StringRef past, StringRef present) {
  bool meant = llvm::any_of(ArrayRef<StringRef>{"present", "past", "key", "value", "cache"},
                            [&](StringRef word) { return present.contains(word); });
  if (!meant) return "";
  auto from = layerNumber(past), to = layerNumber(present);
  bool swapped =
      (past.contains("key") && !past.contains("value") && present.contains("value") && !present.contains("key")) ||
      (past.ends_with("value") && present.ends_with("key")) || (past.ends_with("key") && present.ends_with("value"));
  if ((from && to && from != to) || swapped)
    return ("reads the past '" + past + "' but its result is the present '" + present + "', another cache").str();
  return "";
}

//===- presents
//----------------------------------------------------------------------------------------------------===//

namespace {
/// An output that is all rows of a past and of this step.
struct Present {
  BlockArgument past;
  unsigned output;
  llvm::SmallDenseSet<unsigned, 2> caches; ///< the parts it is made of
};
} // namespace

/// The part of the output that begins at `index`, whose last constant factor is variable: the cache and the column in
/// the past. nullopt if it is none.
static std::optional<std::pair<unsigned, Expr>> cachedColumn(Typing &typing, Value output, Indices index) {
  Expr e = typing.at(output, index);
  if (!e || e->op != ExprOp::Read || e->operands.size() != 2) return std::nullopt;
  auto part = typing.attention.caches.find(e->code);
  if (part == typing.attention.caches.end() || !part->second.past) return std::nullopt;
  if (e->operands[1] != typing.exprs.variable(typing.scores().j)) return std::nullopt;
  return std::pair(e->code, typing.exprs.add(e->operands[0], typing.exprs.integer(part->second.offset)));
}

/// K1 by form: column c of the output is column c of one past and its new rows, for all columns.
static std::optional<Present> presentOf(Typing &typing, Value output, unsigned number) {
  ExprContext &exprs = typing.exprs;
  if (!typing[output].isHistory() || typing[output].poisoned) return std::nullopt;
  Shape shape(typing.shape(output));
  int64_t columns = 1, last = 1;
  for (const Dim &dim : shape)
    for (Expr factor : dim.factors())
      if (auto size = factor.asInteger()) columns *= *size, last = *size;
  Present present{{}, number, {}};
  Expr token = exprs.variable(typing.scores().j), c = exprs.variable(exprs.newVariable("c", exprs.integer(last)));
  for (int64_t first = 0; first < columns; first += last) {
    SmallVector<Expr, 4> index = rowIndex(exprs, shape, first, token);
    for (size_t k = shape.size(); k-- > 0;) // the digit of the last constant factor varies
      if (!shape[k].isOne() && shape[k].factors().back().asInteger()) {
        index[k] = exprs.add(index[k], c);
        break;
      } else if (shape[k].factors().size() > 1) {
        return std::nullopt;
      }
    auto column = cachedColumn(typing, output, index);
    if (!column || column->second != exprs.add(c, exprs.integer(first))) return std::nullopt;
    BlockArgument past = typing.attention.caches[column->first].past;
    if (present.past && present.past != past) return std::nullopt;
    present.past = past;
    present.caches.insert(column->first);
  }
  if (columns != columnsOf(typing.shape(present.past))) return std::nullopt;
  return present;
}

//===- pairing
//-----------------------------------------------------------------------------------------------------===//

namespace {
class Pairing {
public:
  explicit Pairing(Typing &typing) : typing(typing) {
    for (OpOperand &operand : terminator(typing)->getOpOperands())
      if (auto present = presentOf(typing, operand.get(), operand.getOperandNumber())) presents.push_back(*present);
  }

  /// K1 and K2 for one half of one attention. Empty if paired.
  std::string pair(Operation *op, unsigned cache) {
    const CachePart &part = typing.attention.caches[cache];
    std::string name = part.past ? ("the past '" + argumentName(typing.main, part.past.getArgNumber()) + "'").str()
                                 : std::string("a cache");
    auto place =
        part.past ? std::pair(int64_t(part.past.getArgNumber()), part.offset) : std::pair(int64_t(-1), int64_t(cache));
    auto [owner, first] = owners.insert({place, op});
    if (!first)
      return "reads " + name + ", which belongs to " +
             (owner->second == op ? std::string("its other half") : graph::describeNode(owner->second->getLoc())) +
             " already";
    if (!part.past) return "";
    for (const Present &present : presents)
      if (present.past == part.past && present.caches.contains(cache))
        return contradiction(argumentName(typing.main, part.past.getArgNumber()),
                             resultName(typing.main, present.output));
    return "reads " + name + " but its present is no output, so the next step would miss it";
  }

private:
  Typing &typing;
  SmallVector<Present> presents;
  llvm::DenseMap<std::pair<int64_t, int64_t>, Operation *> owners; ///< by past input and column, else by added cache
};
} // namespace

/// K3.
static CachePlace placeLayer(Operation *op, const AttentionForm &form, Typing &typing,
                             SmallVectorImpl<decoder::CacheGroupOp> &groups, OpBuilder &builder) {
  const CachePart &keys = typing.attention.caches[form.keys], &values = typing.attention.caches[form.values];
  int64_t keySize = keys.columns / form.kvHeads, valueSize = values.columns / form.kvHeads;
  for (decoder::CacheGroupOp group : groups)
    if (int64_t(group.getKvHeads()) == form.kvHeads && int64_t(group.getKeyDim()) == keySize &&
        int64_t(group.getValueDim()) == valueSize && group.getType() == keys.type &&
        int64_t(group.getWindow()) == form.window) {
      int64_t layer = group.getLayers();
      group.setLayers(layer + 1);
      return {FlatSymbolRefAttr::get(group.getSymNameAttr()), layer};
    }
  auto made = builder.create<decoder::CacheGroupOp>(op->getLoc(), "g" + std::to_string(groups.size()), 1, form.kvHeads,
                                                    keySize, valueSize, keys.type, form.window);
  groups.push_back(made);
  return {FlatSymbolRefAttr::get(made.getSymNameAttr()), 0};
}

SmallVector<Value> ingot::infer::rootsOf(Typing &typing, Value logits) {
  SmallVector<Value> roots{logits};
  for (auto attention : typing.main.getOps<decoder::AttentionOp>()) roots.push_back(attention.getResult());
  return roots;
}

CachePlaces ingot::infer::placeCaches(Typing &typing, Value logits, OpBuilder &builder) {
  CachePlaces places;
  Pairing pairing(typing);
  SmallVector<decoder::CacheGroupOp> groups;
  llvm::DenseSet<Operation *> live = liveOps(typing, rootsOf(typing, logits));
  for (auto &[op, form] : typing.attention.forms) {
    places[op] = {};
    if (!live.contains(op) || typing[op->getResult(0)].poisoned || typing.isReported(op)) continue;
    std::string problem = pairing.pair(op, form.keys);
    if (problem.empty()) problem = pairing.pair(op, form.values);
    if (problem.empty() && typing.attention.caches[form.keys].type != typing.attention.caches[form.values].type)
      problem = "has key and value caches of different types";
    if (!problem.empty()) {
      typing.complain(op, problem);
      continue;
    }
    places[op] = placeLayer(op, form, typing, groups, builder);
  }
  return places;
}
