#include "compiler/weights/arithmetic.h"

using namespace llvm;

namespace ingot {
namespace {

class Cast final : public Tensor {
public:
  Cast(TensorRef input, Element element) : Tensor(input->shape, element), input(std::move(input)) {}

  Error read(const Box &box, uint8_t *out) const override {
    int64_t count = box.elements();
    ByteBuffer from = allocate(input->element, count);
    if (Error error = input->read(box, from.get())) return error;
    convertElements(input->element, from.get(), element, out, size_t(count));
    return Error::success();
  }

private:
  TensorRef input;
};

template <typename Operation> class Elementwise final : public Tensor {
public:
  Elementwise(TensorRef input, Element element, Operation operation)
      : Tensor(input->shape, element), input(std::move(input)), operation(operation) {}

  Error read(const Box &box, uint8_t *out) const override {
    int64_t count = box.elements();
    auto values = std::make_unique_for_overwrite<float[]>(size_t(count));
    if (Error error = readFloats(*input, box, values.get())) return error;
    for (int64_t i = 0; i < count; ++i) values[i] = operation(values[i]);
    convertElements(Element::f32, values.get(), element, out, size_t(count));
    return Error::success();
  }

private:
  TensorRef input;
  Operation operation;
};

template <typename Operation> TensorRef elementwise(TensorRef input, Element element, Operation operation) {
  return std::make_shared<Elementwise<Operation>>(std::move(input), element, operation);
}

} // namespace

TensorRef makeCast(TensorRef input, Element element) { return std::make_shared<Cast>(std::move(input), element); }
TensorRef makeScale(TensorRef input, float factor, Element element) {
  return elementwise(std::move(input), element, [factor](float value) { return value * factor; });
}
TensorRef makeAddScalar(TensorRef input, float addend, Element element) {
  return elementwise(std::move(input), element, [addend](float value) { return value + addend; });
}

} // namespace ingot
