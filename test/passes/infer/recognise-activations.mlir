// One activation, many spellings: operand order, factors, constants of any shape, tanh by sigmoid, x^3 by mul or pow.
// RUN: ingot-opt %s -split-input-file -recognise-activations | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = graph.unary gelu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %root = graph.constant dense<1.41421354> : tensor<f32>
  %one = graph.constant dense<1.0> : tensor<1xf32>
  %half = graph.constant dense<0.5> : tensor<1x1x8xf32>
  %0 = graph.binary div %x, %root : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %1 = graph.unary erf %0 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %2 = graph.binary add %1, %one : (tensor<?x?x8xf32>, tensor<1xf32>) -> tensor<?x?x8xf32>
  %3 = graph.binary mul %x, %2 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %4 = graph.binary mul %half, %3 : (tensor<1x1x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %4 : tensor<?x?x8xf32>
}
// -----
// The half is in front, and the argument is negative: erf is odd.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = graph.unary gelu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<?x8xf16>) -> tensor<?x8xf16> {
  %root = graph.constant dense<-0.7070> : tensor<f16>
  %one = graph.constant dense<1.0> : tensor<f16>
  %half = graph.constant dense<0.5> : tensor<f16>
  %0 = graph.binary mul %root, %x : (tensor<f16>, tensor<?x8xf16>) -> tensor<?x8xf16>
  %1 = graph.unary erf %0 : (tensor<?x8xf16>) -> tensor<?x8xf16>
  %2 = graph.binary sub %one, %1 : (tensor<f16>, tensor<?x8xf16>) -> tensor<?x8xf16>
  %3 = graph.binary mul %x, %half : (tensor<?x8xf16>, tensor<f16>) -> tensor<?x8xf16>
  %4 = graph.binary mul %2, %3 : (tensor<?x8xf16>, tensor<?x8xf16>) -> tensor<?x8xf16>
  return %4 : tensor<?x8xf16>
}
// -----
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = graph.unary gelu_tanh %arg0
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %three = graph.constant dense<3.0> : tensor<f32>
  %c = graph.constant dense<4.471500e-02> : tensor<f32>
  %root = graph.constant dense<0.797884583> : tensor<f32>
  %one = graph.constant dense<1.0> : tensor<f32>
  %half = graph.constant dense<0.5> : tensor<f32>
  %0 = graph.binary pow %x, %three : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %1 = graph.binary mul %0, %c : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %2 = graph.binary add %x, %1 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %3 = graph.binary mul %2, %root : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %4 = graph.unary tanh %3 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %5 = graph.binary add %4, %one : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %6 = graph.binary mul %x, %half : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %7 = graph.binary mul %6, %5 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %7 : tensor<?x?x8xf32>
}
// -----
// x sqrt(2/pi) (1 + 0.044715 x x), and 0.5 + 0.5 tanh.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = graph.unary gelu_tanh %arg0
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %c = graph.constant dense<4.471500e-02> : tensor<f32>
  %root = graph.constant dense<0.797884583> : tensor<f32>
  %one = graph.constant dense<1.0> : tensor<f32>
  %half = graph.constant dense<0.5> : tensor<f32>
  %0 = graph.binary mul %x, %c : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %1 = graph.binary mul %x, %0 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %2 = graph.binary add %one, %1 : (tensor<f32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %3 = graph.binary mul %x, %root : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %4 = graph.binary mul %3, %2 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %5 = graph.unary tanh %4 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %6 = graph.binary mul %half, %5 : (tensor<f32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %7 = graph.binary add %6, %half : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %8 = graph.binary mul %7, %x : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %8 : tensor<?x?x8xf32>
}
// -----
// silu beside its up projection; f32 arithmetic in an f16 graph.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = decoder.act silu %arg0 : (tensor<?x?x8xf16>) -> tensor<?x?x8xf16>
// CHECK-NEXT: %[[Z:.*]] = graph.binary mul %[[Y]], %arg1
// CHECK-NEXT: return %[[Z]]
func.func @main(%x: tensor<?x?x8xf16>, %up: tensor<?x?x8xf16>) -> tensor<?x?x8xf16> {
  %wide = graph.cast %x : (tensor<?x?x8xf16>) -> tensor<?x?x8xf32>
  %0 = graph.unary sigmoid %wide : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = graph.binary mul %wide, %0 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %2 = graph.cast %1 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf16>
  %3 = graph.binary mul %2, %up : (tensor<?x?x8xf16>, tensor<?x?x8xf16>) -> tensor<?x?x8xf16>
  return %3 : tensor<?x?x8xf16>
}
// -----
// x / (1 + exp(-x))
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]] = decoder.act silu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %one = graph.constant dense<1.0> : tensor<f32>
  %0 = graph.unary neg %x : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = graph.unary exp %0 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %2 = graph.binary add %1, %one : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %3 = graph.binary div %x, %2 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %3 : tensor<?x?x8xf32>
}
// -----
// CHECK-LABEL: func.func @main
// CHECK: %[[Q:.*]] = decoder.act quick_gelu %arg0
// CHECK: %[[R:.*]] = decoder.act relu_squared %arg0
// CHECK: %[[M:.*]] = graph.binary max
// CHECK: %[[N:.*]] = decoder.act relu_squared %arg0
// CHECK: return %[[Q]], %[[R]], %[[M]], %[[N]]
func.func @main(%x: tensor<?x?x8xf32>)
    -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
  %c = graph.constant dense<1.702> : tensor<f32>
  %two = graph.constant dense<2> : tensor<i64>
  %zero = graph.constant dense<0.0> : tensor<f32>
  %0 = graph.binary mul %c, %x : (tensor<f32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = graph.unary sigmoid %0 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %2 = graph.binary mul %x, %1 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %3 = graph.unary relu %x : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %4 = graph.binary pow %3, %two : (tensor<?x?x8xf32>, tensor<i64>) -> tensor<?x?x8xf32>
  %5 = graph.binary max %zero, %x : (tensor<f32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %6 = graph.binary mul %5, %5 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %2, %4, %5, %6 : tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>
}
// -----
// Near misses stay: another constant; sqrt(x^2) is |x|; x / x has a pole; a gate that is broadcast.
// CHECK-LABEL: func.func @main
// CHECK-NOT: decoder.act
// CHECK: return
func.func @main(%x: tensor<?x?x8xf32>, %y: tensor<?x?x1xf32>)
    -> (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) {
  %c = graph.constant dense<1.71> : tensor<f32>
  %two = graph.constant dense<2.0> : tensor<f32>
  %0 = graph.binary mul %c, %x : (tensor<f32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = graph.unary sigmoid %0 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %2 = graph.binary mul %x, %1 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %3 = graph.binary pow %x, %two : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %4 = graph.unary sqrt %3 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %5 = graph.unary sigmoid %x : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %6 = graph.binary mul %4, %5 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %7 = graph.binary div %x, %x : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %8 = graph.binary mul %5, %7 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %9 = graph.binary mul %x, %8 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %10 = graph.unary sigmoid %y : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %11 = graph.binary mul %x, %10 : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  return %2, %6, %9, %11 : tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>
}
