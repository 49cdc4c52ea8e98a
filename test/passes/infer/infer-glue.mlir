// Glue of many kinds has closed forms: here all of it comes down to the positions, so that rotary angles are frequencies
// and learned positions are rows of their table.
// RUN: ingot-opt %s -infer -verify-infer | FileCheck %s

// CHECK: decoder.limits {max_context = 6 : i64
// CHECK-LABEL: func.func @body
// CHECK-DAG: decoder.lookup_rows %arg1, @{{.*}} {offset = 2 : i64}
// CHECK-DAG: decoder.angles %arg1 {freq = array<f32: 5.000000e-01>}
// CHECK: decoder.rope
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x2xf32> weights.yield %0 : tensor<32x2xf32> }
weights.recipe @learned {
  %0 = weights.constant dense<[[0.0, 1.0], [1.0, 0.5], [2.0, 1.5], [3.0, 0.25], [4.0, 0.75], [5.0, 2.0], [6.0, 2.5], [7.0, 3.0]]> : tensor<8x2xf32>
  weights.yield %0 : tensor<8x2xf32>
}
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"})
    -> (tensor<?x?x2xf32> {graph.name = "logits"}) {
  // Positions as the running sum of the mask, less one, where the mask is not 0; the mask's sum is the length.
  %sum = graph.cumsum %mask {axis = 1 : i64} : (tensor<?x?xi64>) -> tensor<?x?xi64>
  %one = graph.constant dense<1> : tensor<i64>
  %two = graph.constant dense<2> : tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %all = graph.binary sub %sum, %one : (tensor<?x?xi64>, tensor<i64>) -> tensor<?x?xi64>
  %dead = graph.compare eq %mask, %zero : (tensor<?x?xi64>, tensor<i64>) -> tensor<?x?xi1>
  %alive = "graph.select"(%dead, %one, %all) : (tensor<?x?xi1>, tensor<i64>, tensor<?x?xi64>) -> tensor<?x?xi64>
  // Added to zeros at a whole grid of indices: nothing but itself.
  %shape = graph.shape %ids {start = 0 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<2xi64>
  %blank = graph.fill %shape, %zero : (tensor<2xi64>, tensor<i64>) -> tensor<?x?xi64>
  %columns = graph.iota %shape {axis = 1 : i64} : (tensor<2xi64>) -> tensor<?x?xi64>
  %placed = graph.scatter_elements %blank, %columns, %alive {axis = 1 : i64, reduction = #graph<scatter_reduction add>} : (tensor<?x?xi64>, tensor<?x?xi64>, tensor<?x?xi64>) -> tensor<?x?xi64>
  %learned_at = graph.binary add %placed, %two : (tensor<?x?xi64>, tensor<i64>) -> tensor<?x?xi64>
  %x0 = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x2xf32>
  %p = decoder.embed %learned_at, @learned : (tensor<?x?xi64>) -> tensor<?x?x2xf32>
  %x = graph.binary add %x0, %p : (tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
  // 1 / 4 ** (arange(2, 0, -2) / 4), as a matrix product with the positions.
  %f2 = graph.constant dense<2.0> : tensor<f32>
  %f0 = graph.constant dense<0.0> : tensor<f32>
  %fm2 = graph.constant dense<-2.0> : tensor<f32>
  %exponents = graph.range %f2, %f0, %fm2 : (tensor<f32>, tensor<f32>, tensor<f32>) -> tensor<?xf32>
  %f4 = graph.constant dense<4.0> : tensor<f32>
  %fraction = graph.binary div %exponents, %f4 : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
  %power = graph.binary pow %f4, %fraction : (tensor<f32>, tensor<?xf32>) -> tensor<?xf32>
  %inverse = graph.unary reciprocal %power : (tensor<?xf32>) -> tensor<?xf32>
  %row = graph.unsqueeze %inverse [0] : (tensor<?xf32>) -> tensor<1x?xf32>
  %real = graph.cast %placed : (tensor<?x?xi64>) -> tensor<?x?xf32>
  %column = graph.unsqueeze %real [2] : (tensor<?x?xf32>) -> tensor<?x?x1xf32>
  %angle = graph.matmul %column, %row : (tensor<?x?x1xf32>, tensor<1x?xf32>) -> tensor<?x?x?xf32>
  %cos = graph.unary cos %angle : (tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
  %sin = graph.unary sin %angle : (tensor<?x?x?xf32>) -> tensor<?x?x?xf32>
  %both = graph.concat %cos, %sin {axis = 2 : i64} : (tensor<?x?x?xf32>, tensor<?x?x?xf32>) -> tensor<?x?x2xf32>
  %y = decoder.rope %x, %both {heads = 1 : i64} : (tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
  return %y : tensor<?x?x2xf32>
}
