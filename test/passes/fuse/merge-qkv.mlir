// RUN: ingot-opt %s -pass-pipeline='builtin.module(func.func(merge-qkv))' | FileCheck %s

// Heads of 24: the unit is lcm(16, 24) = 48, so the query's 72 rows are padded to 96, key and value from 24 to 48.
decoder.cache_group @g0 {layers = 1, kv_heads = 1, key_dim = 24, value_dim = 24, type = f32}
weights.source @a {file = "w", offset = 0, length = 3840} : tensor<120x8xf32>
weights.recipe @packed { %0 = weights.load @a : tensor<120x8xf32> weights.yield %0 : tensor<120x8xf32> }
// CHECK-LABEL: weights.recipe @packed_qkv
// CHECK: weights.slice {{.*}}begin = 0 {{.*}} -> tensor<72x8xf32>
// CHECK: weights.pad_rows {{.*}} -> tensor<96x8xf32>
// CHECK: weights.slice {{.*}}begin = 72 {{.*}} -> tensor<24x8xf32>
// CHECK: weights.concat {{.*}} -> tensor<192x8xf32>
// CHECK-LABEL: func.func @body
// CHECK: decoder.linear {{.*}}, @packed_qkv : (tensor<?x8xf32>) -> tensor<?x192xf32>
// CHECK: decoder.split {{.*}} [72, 24, 24] {align = 48 : i64}
// CHECK-NOT: decoder.linear
func.func @body(%x: tensor<?x8xf32>, %a: tensor<?x24xf32>) -> tensor<?x72xf32> {
  %p = decoder.linear %x, @packed : (tensor<?x8xf32>) -> tensor<?x120xf32>
  %q, %k, %v = decoder.split %p [72, 24, 24] : (tensor<?x120xf32>) -> (tensor<?x72xf32>, tensor<?x24xf32>, tensor<?x24xf32>)
  %qr = decoder.rope %q, %a {heads = 3} : (tensor<?x72xf32>, tensor<?x24xf32>) -> tensor<?x72xf32>
  %kr = decoder.rope %k, %a {heads = 1} : (tensor<?x24xf32>, tensor<?x24xf32>) -> tensor<?x24xf32>
  %o = decoder.attention %qr, %kr, %v {cache = @g0, layer = 0, heads = 3, kv_heads = 1, scale = 0.2 : f32, mask = #decoder.mask<causal>} : (tensor<?x72xf32>, tensor<?x24xf32>, tensor<?x24xf32>) -> tensor<?x72xf32>
  return %o : tensor<?x72xf32>
}
