// The nodes of a graph, of a branch, or of a function's body: in an order that works, only those that are needed, each
// by its operator's handler or, where the model defines the operator as a function, by that function's body.
#pragma once
#include "compiler/import/NodeImporter.h"

namespace onnx {
class ModelProto;
} // namespace onnx

namespace ingot {

/// Imports the nodes that `results` depend on.
void importNodes(GraphScope &scope, const onnx::GraphProto &graph);

/// The results of a branch of `n`, imported into `block`; empty, and `n` failed, if something in it has a gap. All gaps
/// are told, also when `n` has failed before.
llvm::SmallVector<mlir::Value> importBranch(NodeImporter &n, const onnx::GraphProto &branch, mlir::Block &block);

/// Makes the model's own functions known; a function that is defined twice is an error.
void declareFunctions(ModelContext &model, const onnx::ModelProto &proto);

/// The function that a node calls; null if the model does not define the operator.
const onnx::FunctionProto *functionOf(const ModelContext &model, const onnx::NodeProto &node);

/// The body of `function` in place of the call `n`. Recursion and too deep nesting are gaps.
void inlineFunction(NodeImporter &n, const onnx::NodeProto &node, const onnx::FunctionProto &function);

/// ai.onnx is another name of the default domain.
std::string canonicalDomain(const std::string &domain);

} // namespace ingot
