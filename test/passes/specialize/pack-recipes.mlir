// RUN: ingot-opt %s -pack-recipes -unify-recipes | FileCheck %s

weights.source @e {file = "w", offset = 0, length = 2048} : tensor<16x64xf16>
weights.source @b {file = "w", offset = 2048, length = 128} : tensor<64xf16>
weights.recipe @table { %0 = weights.load @e : tensor<16x64xf16> weights.yield %0 : tensor<16x64xf16> }
weights.recipe @gain { %0 = weights.load @b : tensor<64xf16> weights.yield %0 : tensor<64xf16> }
// Matrices keep f16 in blocks of 16 rows; vectors become f32 rows; a matrix that is looked up by rows is made a second time.
// CHECK: weights.pack {{.*}} r16 : (tensor<16x64xf16>)
// CHECK: weights.cast {{.*}} -> tensor<64xf32>
// CHECK-NEXT: weights.pack {{.*}} rows : (tensor<64xf32>)
// CHECK: weights.pack {{.*}} rows : (tensor<16x64xf32>)
func.func @body(%tok: tensor<?xi32>, %pos: tensor<?xi32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %x = decoder.embed %tok, @table : (tensor<?xi32>) -> tensor<?x64xf32>
  %n = decoder.norm rms %x {gain = @gain, eps = 1.0e-6 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %p = decoder.lookup_rows %pos, @table : (tensor<?xi32>) -> tensor<?x64xf32>
  return %n, %p : tensor<?x64xf32>, tensor<?x64xf32>
}

// bf16 stays bf16 where kernels read it.
// CHECK: weights.pack {{.*}} r16 : (tensor<16x64xbf16>)
weights.source @h {file = "w", offset = 4096, length = 2048} : tensor<16x64xbf16>
weights.recipe @brain { %0 = weights.load @h : tensor<16x64xbf16> weights.yield %0 : tensor<16x64xbf16> }
func.func @project(%x: tensor<?x64xf32>) -> tensor<?x16xf32> {
  %y = decoder.linear %x, @brain : (tensor<?x64xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// Sinks are one plain f32 a head.
// CHECK: weights.pack {{.*}} rows : (tensor<2xf32>)
decoder.cache_group @g0 {layers = 1, kv_heads = 1, key_dim = 32, value_dim = 32, type = f32}
weights.recipe @sinks { %0 = weights.constant dense<[0.5, -1.0]> : tensor<2xf16> weights.yield %0 : tensor<2xf16> }
func.func @attend(%q: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = decoder.attend %q {cache = @g0, layer = 0, heads = 2, scale = 0.25 : f32, mask = #decoder.mask<causal>, sinks = @sinks} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
