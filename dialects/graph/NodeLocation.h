// Where an op came from: the ONNX node's name and operator, kept as the op's location so that every diagnostic of
// every phase can name the node.
#pragma once
#include "mlir/IR/Location.h"
#include <string>

namespace ingot::graph {

/// NameLoc(node) fused with the operator's name as metadata.
mlir::Location nodeLocation(mlir::MLIRContext &context, llvm::StringRef node, llvm::StringRef opType);

struct Node {
  std::string name, opType;
};

/// The node of a location made by nodeLocation, found also inside fused and call-site locations; empty if none.
Node nodeOf(mlir::Location location);

/// The same as text: "node 'x' (MatMul)", or "" if none.
std::string describeNode(mlir::Location location);

} // namespace ingot::graph
