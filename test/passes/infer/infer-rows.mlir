// Row-wise spellings: regrouped heads, moved token axes and float casts vanish; a norm over heads gets groups; slices are
// parts of a split; biases join their linear; cap * tanh(x / cap) is softcap; learned positions are looked up.
// RUN: ingot-opt %s -infer -verify-infer | FileCheck %s

weights.source @w {file = "w", offset = 0, length = 1024} : tensor<16x32xf16>
weights.source @table {file = "w", offset = 0, length = 640} : tensor<10x16xf32>
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x16xf16> weights.yield %0 : tensor<32x16xf16> }
weights.recipe @gain { %0 = weights.constant dense<1.0> : tensor<4xf32> weights.yield %0 : tensor<4xf32> }

// The weight's recipe is transposed to [out, in]; the table keeps its rows.
// CHECK-DAG: weights.transpose %{{.*}} [1, 0] : (tensor<16x32xf16>) -> tensor<32x16xf16>
// CHECK: decoder.limits {max_context = 8
// CHECK-LABEL: func.func @body(
// CHECK-SAME: %[[TOK:.*]]: tensor<?xi32>, %[[POS:.*]]: tensor<?xi32>)
// CHECK: %[[E:.*]] = decoder.embed %[[TOK]], @embed : (tensor<?xi32>) -> tensor<?x16xf32>
// CHECK: %[[L:.*]] = decoder.lookup_rows %[[POS]], @[[TABLE:.*]] {offset = 2 : i64} : (tensor<?xi32>) -> tensor<?x16xf32>
// CHECK: %[[X:.*]] = decoder.add %[[E]], %[[L]]
// CHECK: %[[N:.*]] = decoder.norm rms %[[X]] {eps = 9.99999974E-6 : f32, gain = @gain, groups = 4 : i64}
// CHECK: %[[Y:.*]] = decoder.linear %[[N]], @{{.*}} {bias = @{{.*}}} : (tensor<?x16xf32>) -> tensor<?x32xf32>
// CHECK: %[[P:.*]]:2 = decoder.split %[[Y]] [16, 16]
// CHECK: %[[Q:.*]]:2 = decoder.split %[[Y]] [16, 16]
// CHECK: %[[A:.*]] = decoder.act gelu %[[P]]#0
// CHECK: %[[M:.*]] = decoder.mul %[[A]], %[[Q]]#1
// CHECK: return %[[M]]
// CHECK-LABEL: func.func @head
// CHECK: take_rows
// CHECK: decoder.softcap %{{.*}} {cap = 3.000000e+01 : f32}
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %positions: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %e = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf16>
  %wide = graph.cast %e : (tensor<?x?x16xf16>) -> tensor<?x?x16xf32>
  %two = graph.constant dense<2> : tensor<i64>
  %row = graph.binary add %positions, %two : (tensor<?x?xi64>, tensor<i64>) -> tensor<?x?xi64>
  %table = graph.weight @table : tensor<10x16xf32>
  %learned = graph.gather %table, %row {axis = 0 : i64} : (tensor<10x16xf32>, tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %x = graph.binary add %wide, %learned : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %heads = graph.constant dense<[0, -1, 4, 4]> : tensor<4xi64>
  %h = graph.reshape %x, %heads : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %moved = graph.transpose %h [0, 2, 1, 3] : (tensor<?x?x4x4xf32>) -> tensor<?x4x?x4xf32>
  %n = decoder.norm rms %moved {eps = 1.0e-5 : f32, gain = @gain} : (tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %back = graph.transpose %n [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %flat = graph.constant dense<[0, 0, 16]> : tensor<3xi64>
  %r = graph.reshape %back, %flat : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  %w = graph.weight @w : tensor<16x32xf16>
  %narrow = graph.cast %r : (tensor<?x?x16xf32>) -> tensor<?x?x16xf16>
  %y0 = graph.matmul %narrow, %w : (tensor<?x?x16xf16>, tensor<16x32xf16>) -> tensor<?x?x32xf16>
  %bias = graph.constant dense<[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]> : tensor<32xf16>
  %y1 = graph.binary add %bias, %y0 : (tensor<32xf16>, tensor<?x?x32xf16>) -> tensor<?x?x32xf16>
  %y = graph.cast %y1 : (tensor<?x?x32xf16>) -> tensor<?x?x32xf32>
  %c0 = graph.constant dense<0> : tensor<1xi64>
  %c16 = graph.constant dense<16> : tensor<1xi64>
  %end = graph.constant dense<9223372036854775807> : tensor<1xi64>
  %gate = graph.slice %y, %c0, %c16 {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x?x32xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x16xf32>
  %up = graph.slice %y, %c16, %end {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x?x32xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?x16xf32>
  %a = graph.unary gelu %gate : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %m = graph.binary mul %a, %up : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %cap = graph.constant dense<30.0> : tensor<f32>
  %s = graph.binary div %m, %cap : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  %t = graph.unary tanh %s : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %logits = graph.binary mul %t, %cap : (tensor<?x?x16xf32>, tensor<f32>) -> tensor<?x?x16xf32>
  return %logits : tensor<?x?x16xf32>
}
