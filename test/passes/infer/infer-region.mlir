// What has no decoder op becomes a decoder.rows of that op on one row; what the position alone decides is computed.
// RUN: ingot-opt %s -infer=max-context=16 -split-input-file | FileCheck %s

// Heads apart, a softmax over columns, a gather by constants, a broadcast by a head.
// CHECK-LABEL: func.func @body
// CHECK: %[[X:.*]] = decoder.embed
// CHECK: %[[S:.*]] = decoder.rows (%[[X]] : tensor<?x16xf32>) -> tensor<?x16xf32>
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<1x1x4x4xf32>):
// CHECK-NEXT: graph.softmax %[[A]] {axis = 3 : i64} : (tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32>
// CHECK: %[[G:.*]] = decoder.rows (%[[S]] : tensor<?x16xf32>) -> tensor<?x8xf32>
// CHECK: graph.constant dense<[2, 0]> : tensor<2xi64>
// CHECK: graph.gather %{{.*}}, %{{.*}} {axis = 2 : i64} : (tensor<1x1x4x4xf32>, tensor<2xi64>) -> tensor<1x1x2x4xf32>
// CHECK: decoder.rows (%[[G]] : tensor<?x8xf32>) weights (@{{.*}}) -> tensor<?x8xf32>
// CHECK: graph.binary mul %{{.*}}, %{{.*}} : (tensor<1x1x2x4xf32>, tensor<2x1xf32>) -> tensor<1x1x2x4xf32>
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.scale {file = "w", offset = 2048, length = 8} : tensor<2x1xf32>
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}) -> (tensor<?x?x8xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %split = graph.constant dense<[0, 0, 4, 4]> : tensor<4xi64>
  %h = graph.reshape %x, %split : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %s = graph.softmax %h {axis = 3 : i64} : (tensor<?x?x4x4xf32>) -> tensor<?x?x4x4xf32>
  %which = graph.constant dense<[2, 0]> : tensor<2xi64>
  %g = graph.gather %s, %which {axis = 2 : i64} : (tensor<?x?x4x4xf32>, tensor<2xi64>) -> tensor<?x?x2x4xf32>
  %w = graph.weight @src.scale : tensor<2x1xf32>
  %m = graph.binary mul %g, %w : (tensor<?x?x2x4xf32>, tensor<2x1xf32>) -> tensor<?x?x2x4xf32>
  %join = graph.constant dense<[0, 0, 8]> : tensor<3xi64>
  %y = graph.reshape %m, %join : (tensor<?x?x2x4xf32>, tensor<3xi64>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// Integers of tokens cross as f32 and are integers inside; ids are i32.
// CHECK-LABEL: func.func @body
// CHECK: decoder.rows (%arg0 : tensor<?xi32>) -> tensor<?x1xf32>
// CHECK-NEXT: ^bb0(%[[I:.*]]: tensor<1x1xi32>):
// CHECK: %[[W:.*]] = graph.cast %[[I]] : (tensor<1x1xi32>) -> tensor<1x1xi64>
// CHECK: %[[C:.*]] = graph.compare eq
// CHECK: graph.cast %[[C]] : (tensor<1x1xi1>) -> tensor<1x1xf32>
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}) -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %three = graph.constant dense<3> : tensor<i64>
  %c = graph.compare eq %ids, %three : (tensor<?x?xi64>, tensor<i64>) -> tensor<?x?xi1>
  %u = graph.unsqueeze %c [2] : (tensor<?x?xi1>) -> tensor<?x?x1xi1>
  %zero = graph.constant dense<0.0> : tensor<f32>
  %y = graph.select %u, %zero, %x : (tensor<?x?x1xi1>, tensor<f32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// A value of the position alone is computed from the step's positions.
// CHECK-LABEL: func.func @body
// CHECK: decoder.rows (%arg1 : tensor<?xi32>) -> tensor<?x1xf32>
// CHECK-NEXT: ^bb0(%[[P:.*]]: tensor<1x1xi32>):
// CHECK: %[[W:.*]] = graph.cast %[[P]] : (tensor<1x1xi32>) -> tensor<1x1xi64>
// CHECK: graph.cast %[[W]] : (tensor<1x1xi64>) -> tensor<1x1xf32>
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %pos: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %p = graph.cast %pos : (tensor<?x?xi64>) -> tensor<?x?xf32>
  %u = graph.unsqueeze %p [2] : (tensor<?x?xf32>) -> tensor<?x?x1xf32>
  %y = graph.binary mul %x, %u : (tensor<?x?x16xf32>, tensor<?x?x1xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// The columns that pass a rotation may be none: the join is what is left.
// CHECK-LABEL: func.func @body
// CHECK: %[[X:.*]] = decoder.embed
// CHECK: decoder.rows (%[[X]] : tensor<?x16xf32>) -> tensor<?x16xf32>
// CHECK: graph.concat %{{.*}} {axis = 2 : i64} : (tensor<1x1x16xf32>) -> tensor<1x1x16xf32>
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}) -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %from = graph.constant dense<16> : tensor<1xi64>
  %to = graph.constant dense<9223372036854775807> : tensor<1xi64>
  %rest = graph.slice %x, %from, %to {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x?x16xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x0xf32>
  %none = graph.unary neg %rest : (tensor<?x?x0xf32>) -> tensor<?x?x0xf32>
  %y = graph.concat %x, %none {axis = 2 : i64} : (tensor<?x?x16xf32>, tensor<?x?x0xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}
