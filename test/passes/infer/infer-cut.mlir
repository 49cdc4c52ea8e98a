// A norm behind the last residual add that attention needs as well is computed in both functions.
// RUN: ingot-opt %s -infer='max-context=64' -verify-infer | FileCheck %s

// CHECK-LABEL: func.func @body
// CHECK: %[[X:.*]] = decoder.embed
// CHECK: %[[N:.*]] = decoder.norm rms %[[X]]
// CHECK: decoder.attention %[[N]], %[[N]], %[[N]]
// CHECK: return %[[X]]
// CHECK-LABEL: func.func @head
// CHECK: %[[R:.*]] = decoder.take_rows
// CHECK: %[[M:.*]] = decoder.norm rms %[[R]]
// CHECK: decoder.linear %[[M]], @embed
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x8xf32> weights.yield %0 : tensor<32x8xf32> }

func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"},
    %pk: tensor<?x1x?x8xf32> {graph.name = "past.0.key"}, %pv: tensor<?x1x?x8xf32> {graph.name = "past.0.value"})
    -> (tensor<?x?x32xf32> {graph.name = "logits"}, tensor<?x1x?x8xf32> {graph.name = "present.0.key"}, tensor<?x1x?x8xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %n = decoder.norm rms %x {eps = 1.0e-5 : f32} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %o, %nk, %nv = decoder.attention %n, %n, %n past %pk, %pv {heads = 1 : i64, kv_heads = 1 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x?x8xf32> present tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>
  %l = decoder.linear %n, @embed : (tensor<?x?x8xf32>) -> tensor<?x?x32xf32>
  return %l, %nk, %nv : tensor<?x?x32xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>
}
