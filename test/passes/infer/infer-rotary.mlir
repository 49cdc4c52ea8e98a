// Rotary embedding spelled in primitives becomes decoder.rope, whatever the spelling: half-split and interleaved pairs,
// a passing rest, scaled cosines, heads before or behind the tokens.
// RUN: ingot-opt %s -split-input-file -infer='max-context=64' -verify-infer | FileCheck %s

// x * cos + concat(-x2, x1) * sin over [1, heads, S, d].
// CHECK-LABEL: func.func @body
// CHECK: %[[x:.*]] = decoder.embed
// CHECK: %[[a:.*]] = decoder.angles %arg1 {freq = array<f32: 1.000000e+00, 2.500000e-01>, scale = 1.500000e+00 : f32}
// CHECK: decoder.rope %[[x]], %[[a]] {heads = 2 : i64} : (tensor<?x8xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
// CHECK-NOT: decoder.rows
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
  %turned = graph.concat %n2, %x1 {axis = 3 : i64} : (tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32>) -> tensor<?x2x?x4xf32>
  %a = graph.binary mul %x, %cos : (tensor<?x2x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x2x?x4xf32>
  %b = graph.binary mul %turned, %sin : (tensor<?x2x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x2x?x4xf32>
  %y = graph.binary add %a, %b : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// -----

// Interleaved pairs, x1 and x2 by stride 2, stacked and flattened; the last two columns of each head pass.
// CHECK-LABEL: func.func @body
// CHECK: decoder.angles %arg1 {freq = array<f32: 5.000000e-01, 2.500000e-01>}
// CHECK: decoder.rope %{{.*}}, %{{.*}} {heads = 2 : i64, interleaved = true}
// CHECK-NOT: decoder.rows
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x12xf32> weights.yield %0 : tensor<32x12xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %positions: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x?x2x6xf32> {graph.name = "logits"}) {
  %e = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x12xf32>
  %by_head = graph.constant dense<[0, 0, 2, 6]> : tensor<4xi64>
  %x = graph.reshape %e, %by_head : (tensor<?x?x12xf32>, tensor<4xi64>) -> tensor<?x?x2x6xf32>
  %f = graph.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %p1 = graph.unsqueeze %positions [2, 3] : (tensor<?x?xi64>) -> tensor<?x?x1x1xi64>
  %p = graph.cast %p1 : (tensor<?x?x1x1xi64>) -> tensor<?x?x1x1xf32>
  %angle = graph.binary mul %p, %f : (tensor<?x?x1x1xf32>, tensor<2xf32>) -> tensor<?x?x1x2xf32>
  %cos = graph.unary cos %angle : (tensor<?x?x1x2xf32>) -> tensor<?x?x1x2xf32>
  %sin = graph.unary sin %angle : (tensor<?x?x1x2xf32>) -> tensor<?x?x1x2xf32>
  %i0 = graph.constant dense<0> : tensor<1xi64>
  %i1 = graph.constant dense<1> : tensor<1xi64>
  %i2 = graph.constant dense<2> : tensor<1xi64>
  %i4 = graph.constant dense<4> : tensor<1xi64>
  %i6 = graph.constant dense<6> : tensor<1xi64>
  %x1 = graph.slice %x, %i0, %i4 {axes = array<i64: 3>, steps = array<i64: 2>} : (tensor<?x?x2x6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x2xf32>
  %x2 = graph.slice %x, %i1, %i4 {axes = array<i64: 3>, steps = array<i64: 2>} : (tensor<?x?x2x6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x2xf32>
  %rest = graph.slice %x, %i4, %i6 {axes = array<i64: 3>, steps = array<i64: 1>} : (tensor<?x?x2x6xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2x2xf32>
  %a = graph.binary mul %x1, %cos : (tensor<?x?x2x2xf32>, tensor<?x?x1x2xf32>) -> tensor<?x?x2x2xf32>
  %b = graph.binary mul %x2, %sin : (tensor<?x?x2x2xf32>, tensor<?x?x1x2xf32>) -> tensor<?x?x2x2xf32>
  %c = graph.binary mul %x2, %cos : (tensor<?x?x2x2xf32>, tensor<?x?x1x2xf32>) -> tensor<?x?x2x2xf32>
  %d = graph.binary mul %x1, %sin : (tensor<?x?x2x2xf32>, tensor<?x?x1x2xf32>) -> tensor<?x?x2x2xf32>
  %y1 = graph.binary sub %a, %b : (tensor<?x?x2x2xf32>, tensor<?x?x2x2xf32>) -> tensor<?x?x2x2xf32>
  %y2 = graph.binary add %c, %d : (tensor<?x?x2x2xf32>, tensor<?x?x2x2xf32>) -> tensor<?x?x2x2xf32>
  %z1 = graph.unsqueeze %y1 [4] : (tensor<?x?x2x2xf32>) -> tensor<?x?x2x2x1xf32>
  %z2 = graph.unsqueeze %y2 [4] : (tensor<?x?x2x2xf32>) -> tensor<?x?x2x2x1xf32>
  %stacked = graph.concat %z1, %z2 {axis = 4 : i64} : (tensor<?x?x2x2x1xf32>, tensor<?x?x2x2x1xf32>) -> tensor<?x?x2x2x2xf32>
  %flat = graph.constant dense<[0, 0, 2, 4]> : tensor<4xi64>
  %y = graph.reshape %stacked, %flat : (tensor<?x?x2x2x2xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %whole = graph.concat %y, %rest {axis = 3 : i64} : (tensor<?x?x2x4xf32>, tensor<?x?x2x2xf32>) -> tensor<?x?x2x6xf32>
  return %whole : tensor<?x?x2x6xf32>
}
