// The graph dialect: a closed set of tensor primitives; every ONNX opset's spelling becomes one of these at import.
#ifndef INGOT_DIALECTS_GRAPH_OPS
#define INGOT_DIALECTS_GRAPH_OPS

include "dialects/graph/GraphElementwise.td"
include "dialects/graph/GraphMovement.td"
include "dialects/graph/GraphContraction.td"
include "dialects/graph/GraphQuant.td"
include "dialects/graph/GraphControl.td"

#endif
