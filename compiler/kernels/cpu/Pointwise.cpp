// Emission of pointwise ops.
#include "compiler/kernels/cpu/Pointwise.h"
#include "compiler/kernels/cpu/MathFunctions.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace ingot::cpu {

Value emitActivation(Emitter &e, decoder::ActKind kind, Value x) {
  LaneMath a(e, x.getType());
  switch (kind) {
  case decoder::ActKind::silu:
    return math::silu(a, x);
  case decoder::ActKind::gelu:
    return math::gelu(a, x);
  case decoder::ActKind::gelu_tanh:
    return math::geluTanh(a, x);
  case decoder::ActKind::quick_gelu:
    return math::quickGelu(a, x);
  case decoder::ActKind::relu:
    return math::relu(a, x);
  case decoder::ActKind::relu_squared:
    return math::reluSquared(a, x);
  case decoder::ActKind::sigmoid:
    return math::sigmoid(a, x);
  case decoder::ActKind::tanh:
    return math::tanh(a, x);
  }
  llvm_unreachable("every kind is named above");
}

bool isPointwise(Operation *op) {
  return isa<decoder::AddOp, decoder::MulOp, decoder::ScaleOp, decoder::ActOp, decoder::SoftcapOp>(op);
}

Value emitPointwise(Emitter &e, Operation *op, ValueRange lanes) {
  auto constant = [&](llvm::APFloat value) { return e.constant(lanes[0].getType(), value.convertToFloat()); };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](decoder::AddOp) { return e.add(lanes[0], lanes[1]); })
      .Case([&](decoder::MulOp) { return e.mul(lanes[0], lanes[1]); })
      .Case([&](decoder::ScaleOp scale) { return e.mul(lanes[0], constant(scale.getFactor())); })
      .Case([&](decoder::ActOp act) { return emitActivation(e, act.getKind(), lanes[0]); })
      .Case([&](decoder::SoftcapOp softcap) {
        LaneMath a(e, lanes[0].getType());
        return math::softcap(a, lanes[0], constant(softcap.getCap()));
      });
}

} // namespace ingot::cpu
