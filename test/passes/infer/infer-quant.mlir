// Quantised weights keep their grid through layout ops; quantised activations are rows; a dynamic scale is a row's own.
// RUN: ingot-opt %s -infer='max-context=16' -verify-infer -split-input-file 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=TOLD < %t

// Blocks along K of a [K, N] weight, transposed by the product: groups of the [N, K] recipe. The tied table is the same
// recipe as the head's weight.
// CHECK-LABEL: weights.recipe @src.q.recipe
// CHECK: %[[Q:.*]] = weights.load @src.q
// CHECK: weights.dequant %[[Q]], %{{.*}} {bits = 4 : i64, block = 16 : i64}
// CHECK-SAME: #weights.grid<bits = 4, group = 16, zero = symmetric, scale = f32>
// CHECK-NOT: weights.recipe
// CHECK: func.func @body
// CHECK: decoder.embed %{{.*}}, @src.q.recipe
// CHECK: func.func @head
// CHECK: decoder.linear %{{.*}}, @src.q.recipe
weights.source @src.q {file = "w", offset = 0, length = 256} : tensor<16x32xi4>
weights.source @src.s {file = "w", offset = 256, length = 128} : tensor<16x2xf32>
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}) -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %q = graph.weight @src.q : tensor<16x32xi4>
  %s = graph.weight @src.s : tensor<16x2xf32>
  %w = graph.dequant %q, %s {axis = 1 : i64, block = 16 : i64} : (tensor<16x32xi4>, tensor<16x2xf32>) -> tensor<16x32xf32>
  %x = graph.gather %w, %ids {axis = 0 : i64} : (tensor<16x32xf32>, tensor<?x?xi64>) -> tensor<?x?x32xf32>
  %t = graph.transpose %w [1, 0] : (tensor<16x32xf32>) -> tensor<32x16xf32>
  %y = graph.matmul %x, %t : (tensor<?x?x32xf32>, tensor<32x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// MatMulInteger: the weight's integers less their zero points, by 1.
// TOLD: warning: read under the relaxation 'dynamic-quant-per-row'
// CHECK-LABEL: weights.recipe @src.w.recipe
// CHECK: #weights.grid<bits = 8, group = 32, zero = zero_point, scale = f32>
// CHECK: decoder.limits {{.*}}relaxations = ["dynamic-quant-per-row"]
// CHECK: decoder.rows
// CHECK: graph.reduce min
// CHECK: graph.reduce max
// CHECK: graph.quantise
// CHECK: decoder.linear %{{.*}}, @src.w.recipe
weights.source @src.e {file = "w", offset = 0, length = 2048} : tensor<16x32xf32>
weights.recipe @embed { %0 = weights.load @src.e : tensor<16x32xf32> weights.yield %0 : tensor<16x32xf32> }
weights.source @src.w {file = "w", offset = 2048, length = 512} : tensor<32x16xui8>
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}) -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x32xf32>
  %w = graph.weight @src.w : tensor<32x16xui8>
  %wz = graph.constant dense<3> : tensor<ui8>
  %ws = graph.constant dense<0.5> : tensor<16xf32>
  %q, %s, %z = graph.dynamic_quant %x : (tensor<?x?x32xf32>) -> (tensor<?x?x32xui8>, tensor<f32>, tensor<ui8>)
  %qi = graph.cast %q : (tensor<?x?x32xui8>) -> tensor<?x?x32xi32>
  %zi = graph.cast %z : (tensor<ui8>) -> tensor<i32>
  %a = graph.binary sub %qi, %zi : (tensor<?x?x32xi32>, tensor<i32>) -> tensor<?x?x32xi32>
  %wi = graph.cast %w : (tensor<32x16xui8>) -> tensor<32x16xi32>
  %wzi = graph.cast %wz : (tensor<ui8>) -> tensor<i32>
  %b = graph.binary sub %wi, %wzi : (tensor<32x16xi32>, tensor<i32>) -> tensor<32x16xi32>
  %p = graph.matmul %a, %b : (tensor<?x?x32xi32>, tensor<32x16xi32>) -> tensor<?x?x16xi32>
  %f = graph.cast %p : (tensor<?x?x16xi32>) -> tensor<?x?x16xf32>
  %c = graph.binary mul %s, %ws : (tensor<f32>, tensor<16xf32>) -> tensor<16xf32>
  %y = graph.binary mul %f, %c : (tensor<?x?x16xf32>, tensor<16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}
