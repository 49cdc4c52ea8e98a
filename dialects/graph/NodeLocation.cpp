// Locations that name ONNX nodes.
#include "dialects/graph/NodeLocation.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

Location ingot::graph::nodeLocation(MLIRContext &context, StringRef node, StringRef opType) {
  Location name = NameLoc::get(StringAttr::get(&context, node));
  return FusedLoc::get(&context, {name}, StringAttr::get(&context, opType));
}

static std::string describeFused(FusedLoc fused) {
  auto opType = dyn_cast_or_null<StringAttr>(fused.getMetadata());
  if (opType && fused.getLocations().size() == 1)
    if (auto name = dyn_cast<NameLoc>(fused.getLocations()[0]))
      return ("node '" + name.getName().getValue() + "' (" + opType.getValue() + ")").str();
  for (Location part : fused.getLocations())
    if (std::string text = ingot::graph::describeNode(part); !text.empty()) return text;
  return "";
}

std::string ingot::graph::describeNode(Location location) {
  return llvm::TypeSwitch<LocationAttr, std::string>(location)
      .Case([](FusedLoc fused) { return describeFused(fused); })
      .Case([](NameLoc name) { return describeNode(name.getChildLoc()); })
      .Case([](CallSiteLoc call) { return describeNode(call.getCallee()); })
      .Default([](LocationAttr) { return std::string(); });
}
