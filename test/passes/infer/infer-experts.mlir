// Experts spelled one by one: rows picked where the router's index is theirs, results added up by token, become one expert
// linear over stacked weights.
// RUN: ingot-opt %s -infer="max-context=8" -verify-infer | FileCheck %s

// CHECK: weights.concat {{.*}} -> tensor<8x4xf32>
// CHECK: %[[R:.*]]:2 = decoder.rows
// CHECK: decoder.expert_linear %{{.*}}, %[[R]]#1, @{{.*}} {experts = 2 : i64} : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
// CHECK-NOT: graph.scatter_nd
weights.source @r {file = "w", offset = 0, length = 32} : tensor<4x2xf32>
weights.source @w0 {file = "w", offset = 32, length = 64} : tensor<4x4xf32>
weights.source @w1 {file = "w", offset = 96, length = 64} : tensor<4x4xf32>
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x4xf32> weights.yield %0 : tensor<32x4xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}) -> (tensor<?x?x4xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x4xf32>
  %two = graph.constant dense<[-1, 4]> : tensor<2xi64>
  %flat = graph.reshape %x, %two : (tensor<?x?x4xf32>, tensor<2xi64>) -> tensor<?x4xf32>
  %router = graph.weight @r : tensor<4x2xf32>
  %s = graph.matmul %flat, %router : (tensor<?x4xf32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  %one = graph.constant dense<1> : tensor<1xi64>
  %v, %i = graph.topk %s, %one {axis = 1 : i64, largest = true} : (tensor<?x2xf32>, tensor<1xi64>) -> (tensor<?x1xf32>, tensor<?x1xi64>)
  %zero = graph.constant dense<0> : tensor<i64>
  %dims = graph.shape %flat {start = 0 : i64, end = 2 : i64} : (tensor<?x4xf32>) -> tensor<2xi64>
  %nothing = graph.constant dense<0.0> : tensor<f32>
  %none = graph.fill %dims, %nothing : (tensor<2xi64>, tensor<f32>) -> tensor<?x4xf32>
  %e0 = graph.constant dense<0> : tensor<i64>
  %hit0 = graph.compare eq %i, %e0 : (tensor<?x1xi64>, tensor<i64>) -> tensor<?x1xi1>
  %where0 = graph.nonzero %hit0 : (tensor<?x1xi1>) -> tensor<2x?xi64>
  %t0 = graph.gather %where0, %zero {axis = 0 : i64} : (tensor<2x?xi64>, tensor<i64>) -> tensor<?xi64>
  %x0 = graph.gather %flat, %t0 {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  %w0 = graph.weight @w0 : tensor<4x4xf32>
  %y0 = graph.matmul %x0, %w0 : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %p0 = graph.gather %v, %t0 {axis = 0 : i64} : (tensor<?x1xf32>, tensor<?xi64>) -> tensor<?x1xf32>
  %q0 = graph.binary mul %y0, %p0 : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %u0 = graph.unsqueeze %t0 [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %r0 = graph.scatter_nd %none, %u0, %q0 {reduction = #graph<scatter_reduction add>} : (tensor<?x4xf32>, tensor<?x1xi64>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %e1 = graph.constant dense<1> : tensor<i64>
  %hit1 = graph.compare eq %i, %e1 : (tensor<?x1xi64>, tensor<i64>) -> tensor<?x1xi1>
  %where1 = graph.nonzero %hit1 : (tensor<?x1xi1>) -> tensor<2x?xi64>
  %t1 = graph.gather %where1, %zero {axis = 0 : i64} : (tensor<2x?xi64>, tensor<i64>) -> tensor<?xi64>
  %x1 = graph.gather %flat, %t1 {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  %w1 = graph.weight @w1 : tensor<4x4xf32>
  %y1 = graph.matmul %x1, %w1 : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %p1 = graph.gather %v, %t1 {axis = 0 : i64} : (tensor<?x1xf32>, tensor<?xi64>) -> tensor<?x1xf32>
  %q1 = graph.binary mul %y1, %p1 : (tensor<?x4xf32>, tensor<?x1xf32>) -> tensor<?x4xf32>
  %u1 = graph.unsqueeze %t1 [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %r1 = graph.scatter_nd %r0, %u1, %q1 {reduction = #graph<scatter_reduction add>} : (tensor<?x4xf32>, tensor<?x1xi64>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %out = graph.unsqueeze %r1 [0] : (tensor<?x4xf32>) -> tensor<?x?x4xf32>
  return %out : tensor<?x?x4xf32>
}
