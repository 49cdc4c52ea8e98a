// Neighbouring rows are one region; numbers do not cross as f32 what is one op now.
// RUN: ingot-opt %s -pass-pipeline='builtin.module(func.func(merge-rows))' -split-input-file | FileCheck %s

// CHECK-LABEL: func.func @chain
// CHECK: decoder.rows (%arg0 : tensor<?x4xf32>) -> tensor<?x8xf32>
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<2x2xf32>):
// CHECK: %[[I:.*]] = graph.cast %[[A]] : (tensor<2x2xf32>) -> tensor<2x2xi64>
// CHECK-NOT: graph.cast
// CHECK: %[[R:.*]] = graph.reshape %[[I]]
// CHECK: %[[C:.*]] = graph.concat %[[R]], %[[R]]
// CHECK-NEXT: %[[F:.*]] = graph.cast %[[C]]
// CHECK-NEXT: decoder.yield %[[F]]
// CHECK-NOT: decoder.rows
func.func @chain(%x: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %a = decoder.rows (%x : tensor<?x4xf32>) -> (tensor<?x4xf32>) {
  ^bb0(%i: tensor<2x2xf32>):
    %n = graph.cast %i : (tensor<2x2xf32>) -> tensor<2x2xi64>
    %f = graph.cast %n : (tensor<2x2xi64>) -> tensor<2x2xf32>
    decoder.yield %f : tensor<2x2xf32>
  }
  %b = decoder.rows (%a : tensor<?x4xf32>) -> (tensor<?x8xf32>) {
  ^bb0(%i: tensor<4xf32>):
    %n = graph.cast %i : (tensor<4xf32>) -> tensor<4xi64>
    %c = graph.concat %n, %n {axis = 0 : i64} : (tensor<4xi64>, tensor<4xi64>) -> tensor<8xi64>
    %f = graph.cast %c : (tensor<8xi64>) -> tensor<8xf32>
    decoder.yield %f : tensor<8xf32>
  }
  return %b : tensor<?x8xf32>
}

// -----

// A result that others read, too, stays one; a dead one goes.
// CHECK-LABEL: func.func @shared
// CHECK: %[[R:.*]]:2 = decoder.rows (%arg0 : tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
// CHECK-NOT: graph.unary exp
// CHECK: decoder.add %[[R]]#0, %[[R]]#1
func.func @shared(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a, %dead = decoder.rows (%x : tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  ^bb0(%i: tensor<4xf32>):
    %n = graph.unary neg %i : (tensor<4xf32>) -> tensor<4xf32>
    %e = graph.unary exp %i : (tensor<4xf32>) -> tensor<4xf32>
    decoder.yield %n, %e : tensor<4xf32>, tensor<4xf32>
  }
  %b = decoder.rows (%a : tensor<?x4xf32>) -> (tensor<?x4xf32>) {
  ^bb0(%i: tensor<4xf32>):
    %n = graph.unary abs %i : (tensor<4xf32>) -> tensor<4xf32>
    decoder.yield %n : tensor<4xf32>
  }
  %y = decoder.add %a, %b : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// What depends on the position alone is computed once for all its readers.
// CHECK-LABEL: func.func @positions
// CHECK: %[[P:.*]] = decoder.rows (%arg1 : tensor<?xi32>)
// CHECK: decoder.rows (%arg0 : tensor<?x1xf32>, %[[P]] : tensor<?x1xf32>)
// CHECK: decoder.rows (%{{.*}} : tensor<?x1xf32>, %[[P]] : tensor<?x1xf32>)
func.func @positions(%x: tensor<?x1xf32>, %pos: tensor<?xi32>) -> tensor<?x1xf32> {
  %p = decoder.rows (%pos : tensor<?xi32>) -> (tensor<?x1xf32>) {
  ^bb0(%i: tensor<1xi32>):
    %f = graph.cast %i : (tensor<1xi32>) -> tensor<1xf32>
    decoder.yield %f : tensor<1xf32>
  }
  %a = decoder.rows (%x : tensor<?x1xf32>, %p : tensor<?x1xf32>) -> (tensor<?x1xf32>) {
  ^bb0(%i: tensor<1xf32>, %j: tensor<1xf32>):
    %m = graph.binary mul %i, %j : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
    decoder.yield %m : tensor<1xf32>
  }
  %n = decoder.norm rms %a {eps = 1.0e-5 : f32} : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %b = decoder.rows (%n : tensor<?x1xf32>, %p : tensor<?x1xf32>) -> (tensor<?x1xf32>) {
  ^bb0(%i: tensor<1xf32>, %j: tensor<1xf32>):
    %m = graph.binary add %i, %j : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
    decoder.yield %m : tensor<1xf32>
  }
  return %b : tensor<?x1xf32>
}
