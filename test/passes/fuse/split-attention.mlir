// RUN: ingot-opt %s -pass-pipeline='builtin.module(func.func(split-attention))' | FileCheck %s

decoder.cache_group @g0 {layers = 4, kv_heads = 1, key_dim = 16, value_dim = 16, type = f32}
// CHECK: decoder.append %arg1, %arg2 {cache = @g0, layer = 3 : i64}
// CHECK: decoder.attend %arg0 {{.*}}heads = 2 : i64, layer = 3 : i64, mask = #decoder.mask<causal, window = 8>{{.*}}softcap = 5
func.func @body(%q: tensor<?x32xf32>, %k: tensor<?x16xf32>, %v: tensor<?x16xf32>) -> tensor<?x32xf32> {
  %o = decoder.attention %q, %k, %v {cache = @g0, layer = 3, heads = 2, kv_heads = 1, scale = 0.25 : f32, softcap = 5.0 : f32, mask = #decoder.mask<causal, window = 8>} : (tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x32xf32>
  return %o : tensor<?x32xf32>
}

// Slopes and sinks go along; specialize packs the sinks as plain f32.
weights.recipe @sinks { %0 = weights.constant dense<[0.5, -1.0]> : tensor<2xf16> weights.yield %0 : tensor<2xf16> }
// CHECK: decoder.attend %arg0 {alibi = array<f32: 5.000000e-01, 2.500000e-01>{{.*}}sinks = @sinks}
func.func @slopes(%q: tensor<?x32xf32>, %k: tensor<?x16xf32>, %v: tensor<?x16xf32>) -> tensor<?x32xf32> {
  %o = decoder.attention %q, %k, %v {alibi = array<f32: 0.5, 0.25>, cache = @g0, layer = 2, heads = 2, kv_heads = 1, scale = 0.25 : f32, mask = #decoder.mask<causal>, sinks = @sinks} : (tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x32xf32>
  return %o : tensor<?x32xf32>
}
