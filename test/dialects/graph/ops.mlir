// RUN: ingot-opt %s | ingot-opt | FileCheck %s
// Every op of the dialect parses and prints.

weights.source @w {file = "", offset = 0 : i64, length = 64 : i64} : tensor<4x4xf32>

// CHECK-LABEL: func.func @elementwise
func.func @elementwise(%x: tensor<?x4xf32>, %y: tensor<4xf32>) -> tensor<?x4xf16> {
  // CHECK: graph.unary sigmoid %{{.*}} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %0 = graph.unary sigmoid %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: graph.binary mul
  %1 = graph.binary mul %0, %y : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  // CHECK: graph.compare lt
  %2 = graph.compare lt %1, %y : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xi1>
  // CHECK: graph.select
  %3 = graph.select %2, %x, %y : (tensor<?x4xi1>, tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  // CHECK: graph.cast
  %4 = graph.cast %3 : (tensor<?x4xf32>) -> tensor<?x4xf16>
  return %4 : tensor<?x4xf16>
}

// CHECK-LABEL: func.func @movement
func.func @movement(%x: tensor<?x4xf32>, %i: tensor<3xi64>) -> tensor<3x?x1xf32> {
  // CHECK: graph.weight @w
  %w = graph.weight @w : tensor<4x4xf32>
  // CHECK: graph.constant dense<[-1, 2, 2]>
  %shape = graph.constant dense<[-1, 2, 2]> : tensor<3xi64>
  // CHECK: graph.reshape {{.*}} -> tensor<?x2x2xf32>
  %0 = graph.reshape %x, %shape : (tensor<?x4xf32>, tensor<3xi64>) -> tensor<?x2x2xf32>
  // CHECK: graph.transpose %{{.*}} [2, 0, 1]
  %1 = graph.transpose %0 [2, 0, 1] : (tensor<?x2x2xf32>) -> tensor<2x?x2xf32>
  %dims = graph.shape %1 {start = 1 : i64, end = 3 : i64} : (tensor<2x?x2xf32>) -> tensor<2xi64>
  %zero = graph.constant dense<0> : tensor<1xi64>
  %one = graph.constant dense<1> : tensor<1xi64>
  // CHECK: graph.slice {{.*}} -> tensor<1x?x2xf32>
  %2 = graph.slice %1, %zero, %one {axes = array<i64: 0>, steps = array<i64: 1>} : (tensor<2x?x2xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x?x2xf32>
  // CHECK: graph.squeeze %{{.*}} [0]
  %3 = graph.squeeze %2 [0] : (tensor<1x?x2xf32>) -> tensor<?x2xf32>
  // CHECK: graph.unsqueeze %{{.*}} [2]
  %4 = graph.unsqueeze %3 [2] : (tensor<?x2xf32>) -> tensor<?x2x1xf32>
  // CHECK: graph.concat
  %5 = graph.concat %4, %4 {axis = 1 : i64} : (tensor<?x2x1xf32>, tensor<?x2x1xf32>) -> tensor<?x4x1xf32>
  %6 = graph.transpose %5 [1, 0, 2] : (tensor<?x4x1xf32>) -> tensor<4x?x1xf32>
  // CHECK: graph.gather
  %7 = graph.gather %6, %i {axis = 0 : i64} : (tensor<4x?x1xf32>, tensor<3xi64>) -> tensor<3x?x1xf32>
  return %7 : tensor<3x?x1xf32>
}

// CHECK-LABEL: func.func @contraction
func.func @contraction(%x: tensor<?x4xf32>, %w: tensor<4x8xf32>, %c: tensor<i1>) -> tensor<?xf32> {
  // CHECK: graph.matmul
  %0 = graph.matmul %x, %w : (tensor<?x4xf32>, tensor<4x8xf32>) -> tensor<?x8xf32>
  // CHECK: graph.softmax
  %1 = graph.softmax %0 {axis = 1 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: graph.reduce max %{{.*}} [1]
  %2 = graph.reduce max %1 [1] : (tensor<?x8xf32>) -> tensor<?xf32>
  // CHECK: graph.dynamic_quant
  %q, %s, %z = graph.dynamic_quant %2 : (tensor<?xf32>) -> (tensor<?xui8>, tensor<f32>, tensor<ui8>)
  // CHECK: graph.dequant
  %3 = graph.dequant %q, %s, %z {axis = 0 : i64, block = 0 : i64} : (tensor<?xui8>, tensor<f32>, tensor<ui8>) -> tensor<?xf32>
  // CHECK: graph.if
  %4 = graph.if %c : (tensor<i1>) -> tensor<?xf32> {
    graph.yield %2 : tensor<?xf32>
  } else {
    graph.yield %3 : tensor<?xf32>
  }
  return %4 : tensor<?xf32>
}
