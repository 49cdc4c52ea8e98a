// Mutations of an ONNX model that leave it a model: what reaches the operators' handlers and infer, where changed bytes
// end in the parser.
#pragma once
#include "onnx.pb.h"
#include <cstdint>

/// Changes one or two things of `model`: nodes rewired, retyped, copied or dropped, attributes, tensors, types of
/// inputs. The same seed makes the same changes.
void mutateModel(onnx::ModelProto &model, uint32_t seed);
