// What only looks like a rotary embedding stays what it is: here both sines have one sign, which is no rotation.
// RUN: ingot-opt %s -infer='max-context=64' -verify-infer | FileCheck %s
// CHECK-LABEL: func.func @body
// CHECK-NOT: decoder.rope
// CHECK: decoder.rows
// CHECK-NOT: decoder.rope
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x8xf32> weights.yield %0 : tensor<32x8xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %positions: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x2x?x4xf32> {graph.name = "logits"}) {
  %e = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %by_head = graph.constant dense<[0, 0, 2, 4]> : tensor<4xi64>
  %r = graph.reshape %e, %by_head : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %x = graph.transpose %r [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %f = graph.constant dense<[1.0, 0.25]> : tensor<2xf32>
  %p1 = graph.unsqueeze %positions [2] : (tensor<?x?xi64>) -> tensor<?x?x1xi64>
  %p = graph.cast %p1 : (tensor<?x?x1xi64>) -> tensor<?x?x1xf32>
  %half = graph.binary mul %p, %f : (tensor<?x?x1xf32>, tensor<2xf32>) -> tensor<?x?x2xf32>
  %angle = graph.concat %half, %half {axis = 2 : i64} : (tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x4xf32>
  %c = graph.constant dense<1.5> : tensor<f32>
  %cos0 = graph.unary cos %angle : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %cos1 = graph.binary mul %cos0, %c : (tensor<?x?x4xf32>, tensor<f32>) -> tensor<?x?x4xf32>
  %cos = graph.unsqueeze %cos1 [1] : (tensor<?x?x4xf32>) -> tensor<?x1x?x4xf32>
  %sin0 = graph.unary sin %angle : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %sin1 = graph.binary mul %sin0, %c : (tensor<?x?x4xf32>, tensor<f32>) -> tensor<?x?x4xf32>
  %sin = graph.unsqueeze %sin1 [1] : (tensor<?x?x4xf32>) -> tensor<?x1x?x4xf32>
  %i0 = graph.constant dense<0> : tensor<1xi64>
  %i2 = graph.constant dense<2> : tensor<1xi64>
  %i9 = graph.constant dense<9223372036854775807> : tensor<1xi64>
  %x1 = graph.slice %x, %i0, %i2 {axes = array<i64: 3>, steps = array<i64: 1>} : (tensor<?x2x?x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x?x2xf32>
  %x2 = graph.slice %x, %i2, %i9 {axes = array<i64: 3>, steps = array<i64: 1>} : (tensor<?x2x?x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x2x?x2xf32>
  %n2 = graph.unary neg %x2 : (tensor<?x2x?x2xf32>) -> tensor<?x2x?x2xf32>
  %turned = graph.concat %x2, %x1 {axis = 3 : i64} : (tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32>) -> tensor<?x2x?x4xf32>
  %a = graph.binary mul %x, %cos : (tensor<?x2x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x2x?x4xf32>
  %b = graph.binary mul %turned, %sin : (tensor<?x2x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x2x?x4xf32>
  %y = graph.binary sub %a, %b : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

