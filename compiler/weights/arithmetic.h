// Element-wise recipe ops: cast, scale, add_scalar. They read dense values, so that a grid is dropped.
#pragma once
#include "compiler/weights/tensor.h"

namespace ingot {

TensorRef makeCast(TensorRef input, Element element);
/// input * factor (+ addend), each rounded once in f32 and then, where `element` is narrower, to that type.
TensorRef makeScale(TensorRef input, float factor, Element element);
TensorRef makeAddScalar(TensorRef input, float addend, Element element);

} // namespace ingot
