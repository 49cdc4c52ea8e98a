// The whole fuse phase on a layer of a Llama whose q, k, v, gate and up come as separate linears.
// RUN: ingot-opt %s -pass-pipeline='builtin.module(unify-recipes,func.func(merge-qkv,merge-gate),unify-recipes,func.func(split-attention,outline-launches),verify-fuse)' | FileCheck %s

decoder.cache_group @g0 {layers = 1, kv_heads = 2, key_dim = 16, value_dim = 16, type = f16}
decoder.limits {max_context = 512, relaxations = []}
weights.source @embed_s {file = "w", offset = 0, length = 65536} : tensor<256x64xf32>
weights.source @wq_s {file = "w", offset = 65536, length = 16384} : tensor<64x64xf32>
weights.source @wk_s {file = "w", offset = 81920, length = 8192} : tensor<64x32xf32>
weights.source @wv_s {file = "w", offset = 90112, length = 8192} : tensor<64x32xf32>
weights.source @wo_s {file = "w", offset = 98304, length = 16384} : tensor<64x64xf32>
weights.source @gate_s {file = "w", offset = 200000, length = 10240} : tensor<64x40xf32>
weights.source @up_s {file = "w", offset = 300000, length = 10240} : tensor<64x40xf32>
weights.source @down_s {file = "w", offset = 400000, length = 10240} : tensor<40x64xf32>
weights.source @norm_s {file = "w", offset = 500000, length = 256} : tensor<64xf32>
weights.recipe @embed { %0 = weights.load @embed_s : tensor<256x64xf32>  weights.yield %0 : tensor<256x64xf32> }
weights.recipe @head_w {
  %0 = weights.load @embed_s : tensor<256x64xf32>
  %1 = weights.transpose %0 [1, 0] : (tensor<256x64xf32>) -> tensor<64x256xf32>
  %2 = weights.transpose %1 [1, 0] : (tensor<64x256xf32>) -> tensor<256x64xf32>
  weights.yield %2 : tensor<256x64xf32>
}
weights.recipe @wq { %0 = weights.load @wq_s : tensor<64x64xf32> %1 = weights.transpose %0 [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32> weights.yield %1 : tensor<64x64xf32> }
weights.recipe @wk { %0 = weights.load @wk_s : tensor<64x32xf32> %1 = weights.transpose %0 [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32> weights.yield %1 : tensor<32x64xf32> }
weights.recipe @wv { %0 = weights.load @wv_s : tensor<64x32xf32> %1 = weights.transpose %0 [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32> weights.yield %1 : tensor<32x64xf32> }
weights.recipe @wo { %0 = weights.load @wo_s : tensor<64x64xf32> %1 = weights.transpose %0 [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32> weights.yield %1 : tensor<64x64xf32> }
weights.recipe @gate { %0 = weights.load @gate_s : tensor<64x40xf32> %1 = weights.transpose %0 [1, 0] : (tensor<64x40xf32>) -> tensor<40x64xf32> weights.yield %1 : tensor<40x64xf32> }
weights.recipe @up { %0 = weights.load @up_s : tensor<64x40xf32> %1 = weights.transpose %0 [1, 0] : (tensor<64x40xf32>) -> tensor<40x64xf32> weights.yield %1 : tensor<40x64xf32> }
weights.recipe @down { %0 = weights.load @down_s : tensor<40x64xf32> %1 = weights.transpose %0 [1, 0] : (tensor<40x64xf32>) -> tensor<64x40xf32> weights.yield %1 : tensor<64x40xf32> }
weights.recipe @g { %0 = weights.load @norm_s : tensor<64xf32> weights.yield %0 : tensor<64xf32> }

func.func @body(%tok: tensor<?xi32>, %pos: tensor<?xi32>) -> tensor<?x64xf32> {
  %x = decoder.embed %tok, @embed : (tensor<?xi32>) -> tensor<?x64xf32>
  %a = decoder.angles %pos {freq = array<f32: 1.0, 0.5, 0.25, 0.125, 0.1, 0.01, 0.02, 0.03>} : (tensor<?xi32>) -> tensor<?x16xf32>
  %n = decoder.norm rms %x {gain = @g, eps = 1.0e-6 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %q = decoder.linear %n, @wq : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %k = decoder.linear %n, @wk : (tensor<?x64xf32>) -> tensor<?x32xf32>
  %v = decoder.linear %n, @wv : (tensor<?x64xf32>) -> tensor<?x32xf32>
  %qr = decoder.rope %q, %a {heads = 4} : (tensor<?x64xf32>, tensor<?x16xf32>) -> tensor<?x64xf32>
  %kr = decoder.rope %k, %a {heads = 2} : (tensor<?x32xf32>, tensor<?x16xf32>) -> tensor<?x32xf32>
  %o = decoder.attention %qr, %kr, %v {cache = @g0, layer = 0, heads = 4, kv_heads = 2, scale = 0.25 : f32, mask = #decoder.mask<causal>} : (tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x64xf32>
  %p = decoder.linear %o, @wo : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %y = decoder.add %x, %p : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %n2 = decoder.norm rms %y {gain = @g, eps = 1.0e-6 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %ga = decoder.linear %n2, @gate : (tensor<?x64xf32>) -> tensor<?x40xf32>
  %u = decoder.linear %n2, @up : (tensor<?x64xf32>) -> tensor<?x40xf32>
  %s = decoder.act silu %ga : (tensor<?x40xf32>) -> tensor<?x40xf32>
  %h = decoder.mul %s, %u : (tensor<?x40xf32>, tensor<?x40xf32>) -> tensor<?x40xf32>
  %d = decoder.linear %h, @down : (tensor<?x40xf32>) -> tensor<?x64xf32>
  %z = decoder.add %y, %d : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}
func.func @head(%z: tensor<?x64xf32>) -> tensor<?x256xf32> {
  %r = decoder.take_rows %z : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %n = decoder.norm rms %r {gain = @g, eps = 1.0e-6 : f32} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %l = decoder.linear %n, @head_w : (tensor<?x64xf32>) -> tensor<?x256xf32>
  return %l : tensor<?x256xf32>
}

// CHECK-LABEL: weights.recipe @wq_qkv
// CHECK: weights.concat {{.*}} -> tensor<128x64xf32>
// CHECK-LABEL: weights.recipe @gate_and_up
// CHECK: weights.pad_rows {{.*}} -> tensor<48x64xf32>
// CHECK: weights.permute_rows {{.*}}extents = array<i64: 3, 2, 16>, strides = array<i64: 16, 48, 1>
// CHECK-LABEL: func.func @body
// CHECK: decoder.launch @embed
// CHECK: decoder.embed {{.*}}, @embed :
// CHECK: decoder.launch @attn_in
// CHECK-NEXT: decoder.norm
// CHECK-NEXT: decoder.linear {{.*}}, @wq_qkv
// CHECK-NEXT: decoder.split {{.*}} [64, 32, 32] {align = 16 : i64}
// CHECK-NEXT: decoder.rope
// CHECK-NEXT: decoder.rope
// CHECK-NEXT: decoder.append
// CHECK-NEXT: decoder.yield
// CHECK: decoder.launch @attend
// CHECK: decoder.launch @attn_out
// CHECK-NEXT: decoder.linear
// CHECK-NEXT: decoder.add
// CHECK: decoder.launch @mlp_in
// CHECK-NEXT: decoder.norm
// CHECK-NEXT: decoder.linear {{.*}}, @gate_and_up
// CHECK-NEXT: decoder.gate {{.*}}block = 16
// CHECK: decoder.launch @mlp_out
// CHECK-LABEL: func.func @head
// CHECK: decoder.launch @take_rows
// CHECK: decoder.launch @lm_head
// CHECK-NEXT: decoder.norm
// CHECK-NEXT: decoder.linear {{.*}}, @embed :
