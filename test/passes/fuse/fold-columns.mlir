// Rows that pick columns of a linear become linears of picked weight rows; an op that computes keeps its linear.
// RUN: ingot-opt %s -fold-columns -split-input-file | FileCheck %s

// Two heads of 3 columns each for query, key, value side by side: head h's key is columns 9 h + 3 .. 9 h + 5.
// CHECK: weights.recipe @{{.*}}columns
// CHECK: weights.slice %{{.*}} {axis = 0 : i64, begin = 3 : i64} : (tensor<18x4xf32>) -> tensor<12x4xf32>
// CHECK: weights.permute_rows %{{.*}} {extents = array<i64: 2, 3>, strides = array<i64: 9, 1>} : (tensor<12x4xf32>) -> tensor<6x4xf32>
// CHECK-LABEL: func.func @interleaved
// CHECK-COUNT-2: decoder.linear %arg0
// CHECK-NOT: decoder.rows
weights.recipe @w { %0 = weights.constant dense<1.0> : tensor<18x4xf32> weights.yield %0 : tensor<18x4xf32> }
func.func @interleaved(%x: tensor<?x4xf32>) -> (tensor<?x6xf32>, tensor<?x6xf32>) {
  %y = decoder.linear %x, @w : (tensor<?x4xf32>) -> tensor<?x18xf32>
  %q = decoder.rows (%y : tensor<?x18xf32>) -> (tensor<?x6xf32>) {
  ^bb0(%i: tensor<1x2x9xf32>):
    %s = graph.constant dense<0> : tensor<1xi64>
    %e = graph.constant dense<3> : tensor<1xi64>
    %p = graph.slice %i, %s, %e {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<1x2x9xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<1x2x3xf32>
    decoder.yield %p : tensor<1x2x3xf32>
  }
  %k = decoder.rows (%y : tensor<?x18xf32>) -> (tensor<?x6xf32>) {
  ^bb0(%i: tensor<2x3x3xf32>):
    %one = graph.constant dense<1> : tensor<i64>
    %p = graph.gather %i, %one {axis = 1 : i64} : (tensor<2x3x3xf32>, tensor<i64>) -> tensor<2x3xf32>
    decoder.yield %p : tensor<2x3xf32>
  }
  return %q, %k : tensor<?x6xf32>, tensor<?x6xf32>
}

// -----

// CHECK-LABEL: func.func @computed
// CHECK: decoder.linear %arg0, @w
// CHECK: decoder.rows
weights.recipe @w { %0 = weights.constant dense<1.0> : tensor<6x4xf32> weights.yield %0 : tensor<6x4xf32> }
func.func @computed(%x: tensor<?x4xf32>) -> tensor<?x6xf32> {
  %y = decoder.linear %x, @w : (tensor<?x4xf32>) -> tensor<?x6xf32>
  %q = decoder.rows (%y : tensor<?x6xf32>) -> (tensor<?x6xf32>) {
  ^bb0(%i: tensor<2x3xf32>):
    %t = graph.transpose %i [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>
    %p = graph.unary exp %t : (tensor<3x2xf32>) -> tensor<3x2xf32>
    decoder.yield %p : tensor<3x2xf32>
  }
  return %q : tensor<?x6xf32>
}
