// The identity of a launch region: its ops, types and attributes, with the names of weights replaced by what they hold
// and `layer` left out, so that the equal layers of a model share their kernels.
#include "compiler/kernels/cpu/LaunchFrame.h"
#include "compiler/kernels/cpu/LaunchKernels.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace ingot::cpu {
namespace {

// Writes a text that two regions share exactly when one set of kernels serves both.
class Fingerprint {
public:
  explicit Fingerprint(decoder::LaunchOp launch) : launch(launch), stream(text) {}

  uint64_t hash() {
    for (auto [argument, input] : llvm::zip(launch.getBody().getArguments(), launch.getInputs())) {
      define(argument);
      auto own = dyn_cast<BlockArgument>(input); // ids and positions have no slot: which of the two counts
      if (own && !cast<RankedTensorType>(own.getType()).getElementType().isF32()) stream << own.getArgNumber();
    }
    if (auto num = launch.getNum()) stream << *num;
    for (Operation &op : launch.getBody().front()) write(&op);
    for (OpResult result : launch.getResults()) // logits rows have another stride
      stream << (llvm::any_of(result.getUsers(), [](Operation *user) { return isa<func::ReturnOp>(user); }) ? 'R'
                                                                                                            : 'B');
    return llvm::xxh3_64bits(stream.str());
  }

private:
  void define(mlir::Value value) {
    numbers.insert({value, numbers.size()});
    stream << value.getType() << ';';
  }

  void write(Operation *op) {
    stream << op->getName().getStringRef() << '(';
    for (mlir::Value operand : op->getOperands()) stream << numbers.lookup(operand) << ',';
    stream << ')';
    for (NamedAttribute attribute : op->getAttrDictionary()) write(op, attribute);
    for (Region &region : op->getRegions()) {
      for (BlockArgument argument : region.getArguments()) define(argument);
      for (Operation &inner : region.front()) write(&inner);
    }
    for (mlir::Value result : op->getResults()) define(result);
  }

  void write(Operation *op, NamedAttribute attribute) {
    if (attribute.getName() == "layer") return;
    stream << attribute.getName().getValue() << '=';
    auto list = dyn_cast<ArrayAttr>(attribute.getValue());
    if (auto symbol = dyn_cast<FlatSymbolRefAttr>(attribute.getValue()))
      reference(symbol);
    else if (list && !list.empty() && llvm::all_of(list, llvm::IsaPred<FlatSymbolRefAttr>))
      for (Attribute element : list) reference(cast<FlatSymbolRefAttr>(element));
    else
      stream << attribute.getValue();
    stream << ' ';
  }

  // A weight: which of the launch's weights it is, its type and layout. A cache group: its place and geometry.
  void reference(FlatSymbolRefAttr symbol) {
    Operation *target = SymbolTable::lookupNearestSymbolFrom(launch, symbol);
    if (auto recipe = dyn_cast_or_null<weights::RecipeOp>(target)) {
      weights.insert({symbol.getAttr(), weights.size()});
      stream << '#' << weights.lookup(symbol.getAttr()) << recipe.getResultType();
      if (auto pack = recipe.getResult().getDefiningOp<weights::PackOp>()) stream << int(pack.getLayout());
    } else {
      stream << symbol;
      if (target) stream << target->getAttrDictionary();
    }
  }

  decoder::LaunchOp launch;
  std::string text;
  llvm::raw_string_ostream stream;
  llvm::DenseMap<mlir::Value, unsigned> numbers;
  llvm::DenseMap<Attribute, unsigned> weights;
};

} // namespace

uint64_t hashLaunch(decoder::LaunchOp launch) { return Fingerprint(launch).hash(); }

} // namespace ingot::cpu
