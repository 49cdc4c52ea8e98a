// Layers of one geometry share a cache group in program order; a window makes a group of its own; a head size that the
// file only names (dim_param) comes from the attention.
// RUN: ingot-opt %s -infer='max-context=64' -verify-infer | FileCheck %s

// CHECK-DAG: decoder.cache_group @g0 {key_dim = 4 : i64, kv_heads = 1 : i64, layers = 2 : i64, type = f16, value_dim = 4 : i64}
// CHECK-DAG: decoder.cache_group @g1 {key_dim = 4 : i64, kv_heads = 1 : i64, layers = 1 : i64, type = f16, value_dim = 4 : i64, window = 8 : i64}
// CHECK: cache = @g0, heads = 2 : i64, kv_heads = 1 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32, softcap = 5.000000e+01 : f32
// CHECK: cache = @g1, heads = 2 : i64, kv_heads = 1 : i64, layer = 0 : i64, mask = #decoder.mask<causal, window = 8>
// CHECK: cache = @g0, heads = 2 : i64, kv_heads = 1 : i64, layer = 1 : i64
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x8xf16> weights.yield %0 : tensor<32x8xf16> }
weights.recipe @narrow { %0 = weights.constant dense<0.5> : tensor<4x8xf16> weights.yield %0 : tensor<4x8xf16> }

func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"},
    %pk0: tensor<?x1x?x?xf16> {graph.dims = ["B", "", "P", "kv_cache_dim"], graph.name = "past.0.key"}, %pv0: tensor<?x1x?x?xf16> {graph.name = "past.0.value"},
    %pk1: tensor<?x1x?x?xf16> {graph.name = "past.1.key"}, %pv1: tensor<?x1x?x?xf16> {graph.name = "past.1.value"},
    %pk2: tensor<?x1x?x?xf16> {graph.name = "past.2.key"}, %pv2: tensor<?x1x?x?xf16> {graph.name = "past.2.value"})
    -> (tensor<?x?x8xf16> {graph.name = "logits"},
        tensor<?x1x?x4xf16> {graph.name = "present.0.key"}, tensor<?x1x?x4xf16> {graph.name = "present.0.value"},
        tensor<?x1x?x4xf16> {graph.name = "present.1.key"}, tensor<?x1x?x4xf16> {graph.name = "present.1.value"},
        tensor<?x1x?x4xf16> {graph.name = "present.2.key"}, tensor<?x1x?x4xf16> {graph.name = "present.2.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x8xf16>
  %k = decoder.linear %x, @narrow : (tensor<?x?x8xf16>) -> tensor<?x?x4xf16>
  %o0, %nk0, %nv0 = decoder.attention %x, %k, %k past %pk0, %pv0 {heads = 2 : i64, kv_heads = 1 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32, softcap = 50.0 : f32} : (tensor<?x?x8xf16>, tensor<?x?x4xf16>, tensor<?x?x4xf16>, tensor<?x1x?x?xf16>, tensor<?x1x?x?xf16>) -> tensor<?x?x8xf16> present tensor<?x1x?x4xf16>, tensor<?x1x?x4xf16>
  %o1, %nk1, %nv1 = decoder.attention %o0, %k, %k past %pk1, %pv1 {heads = 2 : i64, kv_heads = 1 : i64, mask = #decoder.mask<causal, window = 8>, scale = 0.5 : f32} : (tensor<?x?x8xf16>, tensor<?x?x4xf16>, tensor<?x?x4xf16>, tensor<?x1x?x?xf16>, tensor<?x1x?x?xf16>) -> tensor<?x?x8xf16> present tensor<?x1x?x4xf16>, tensor<?x1x?x4xf16>
  %o2, %nk2, %nv2 = decoder.attention %o1, %k, %k past %pk2, %pv2 {heads = 2 : i64, kv_heads = 1 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x8xf16>, tensor<?x?x4xf16>, tensor<?x?x4xf16>, tensor<?x1x?x?xf16>, tensor<?x1x?x?xf16>) -> tensor<?x?x8xf16> present tensor<?x1x?x4xf16>, tensor<?x1x?x4xf16>
  return %o2, %nk0, %nv0, %nk1, %nv1, %nk2, %nv2 : tensor<?x?x8xf16>, tensor<?x1x?x4xf16>, tensor<?x1x?x4xf16>, tensor<?x1x?x4xf16>, tensor<?x1x?x4xf16>, tensor<?x1x?x4xf16>, tensor<?x1x?x4xf16>
}
