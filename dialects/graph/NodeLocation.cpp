// Locations that name ONNX nodes.
#include "dialects/graph/NodeLocation.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

Location ingot::graph::nodeLocation(MLIRContext &context, StringRef node, StringRef opType) {
  Location name = NameLoc::get(StringAttr::get(&context, node));
  return FusedLoc::get(&context, {name}, StringAttr::get(&context, opType));
}

using ingot::graph::Node;

static Node nodeOfFused(FusedLoc fused) {
  auto opType = dyn_cast_or_null<StringAttr>(fused.getMetadata());
  if (opType && fused.getLocations().size() == 1)
    if (auto name = dyn_cast<NameLoc>(fused.getLocations()[0])) return {name.getName().str(), opType.str()};
  for (Location part : fused.getLocations())
    if (Node node = ingot::graph::nodeOf(part); !node.opType.empty()) return node;
  return {};
}

Node ingot::graph::nodeOf(Location location) {
  return llvm::TypeSwitch<LocationAttr, Node>(location)
      .Case([](FusedLoc fused) { return nodeOfFused(fused); })
      .Case([](NameLoc name) { return nodeOf(name.getChildLoc()); })
      .Case([](CallSiteLoc call) { return nodeOf(call.getCallee()); })
      .Default([](LocationAttr) { return Node(); });
}

std::string ingot::graph::describeNode(Location location) {
  Node node = nodeOf(location);
  return node.opType.empty() ? "" : "node '" + node.name + "' (" + node.opType + ")";
}
