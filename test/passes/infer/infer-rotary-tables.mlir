// Cosines and sines as tables of the model, looked up by position and as wide as a head (both halves equal): columns are
// compared by content. No closed form gives these, so half of each table is kept; its length bounds the context.
// RUN: ingot-opt %s -infer -verify-infer | FileCheck %s
// CHECK: weights.slice
// CHECK: decoder.limits {max_context = 4 : i64
// CHECK-LABEL: func.func @body
// CHECK: %[[x:.*]] = decoder.embed
// CHECK: %[[a:.*]] = decoder.angles %arg1 {cos = @{{.*}}, sin = @{{.*}}} : (tensor<?xi32>) -> tensor<?x4xf32>
// CHECK: decoder.rope %[[x]], %[[a]] {heads = 1 : i64}
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x4xf32> weights.yield %0 : tensor<32x4xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %positions: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x?x4xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x4xf32>
  %cos_table = graph.constant dense<[[1.0, 1.0, 1.0, 1.0], [0.5, 0.75, 0.5, 0.75], [0.25, 0.5, 0.25, 0.5], [0.0, 0.25, 0.0, 0.25]]> : tensor<4x4xf32>
  %sin_table = graph.constant dense<[[0.0, 0.0, 0.0, 0.0], [0.5, 0.25, 0.5, 0.25], [0.75, 0.5, 0.75, 0.5], [1.0, 0.75, 1.0, 0.75]]> : tensor<4x4xf32>
  %cos = graph.gather %cos_table, %positions {axis = 0 : i64} : (tensor<4x4xf32>, tensor<?x?xi64>) -> tensor<?x?x4xf32>
  %sin = graph.gather %sin_table, %positions {axis = 0 : i64} : (tensor<4x4xf32>, tensor<?x?xi64>) -> tensor<?x?x4xf32>
  %i0 = graph.constant dense<0> : tensor<1xi64>
  %i2 = graph.constant dense<2> : tensor<1xi64>
  %i4 = graph.constant dense<4> : tensor<1xi64>
  %x1 = graph.slice %x, %i0, %i2 {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x?x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2xf32>
  %x2 = graph.slice %x, %i2, %i4 {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x?x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x2xf32>
  %n2 = graph.unary neg %x2 : (tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
  %turned = graph.concat %n2, %x1 {axis = 2 : i64} : (tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x4xf32>
  %a = graph.binary mul %x, %cos : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %b = graph.binary mul %turned, %sin : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %y = graph.binary add %a, %b : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}
