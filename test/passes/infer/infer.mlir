// A Llama layer as the onnxruntime-genai importer writes it becomes @body and @head: seqlens, total and positions are
// proved and gone, the tables are a closed form, the cut lies behind the last residual add, unused weights are dropped.
// RUN: ingot-opt %s -recognise-activations -infer -verify-infer | FileCheck %s

// CHECK-NOT: @src.unused
// CHECK: decoder.cache_group @g0 {key_dim = 4 : i64, kv_heads = 2 : i64, layers = 1 : i64, type = f32, value_dim = 4 : i64}
// CHECK: decoder.limits {max_context = 4 : i64, relaxations = []}
// CHECK-LABEL: func.func @body(
// CHECK-SAME: %[[TOK:.*]]: tensor<?xi32>, %[[POS:.*]]: tensor<?xi32>) -> tensor<?x16xf32>
// CHECK: %[[X:.*]] = decoder.embed %[[TOK]], @embed
// CHECK: %[[N:.*]] = decoder.norm rms %[[X]]
// CHECK: %[[QKV:.*]] = decoder.linear %[[N]], @qkv : (tensor<?x16xf32>) -> tensor<?x32xf32>
// CHECK: %[[S:.*]]:3 = decoder.split %[[QKV]] [16, 8, 8]
// CHECK: %[[A:.*]] = decoder.angles %[[POS]] {freq = array<f32: 1.000000e+00, 0.00999999977>} : (tensor<?xi32>) -> tensor<?x4xf32>
// CHECK: %[[Q:.*]] = decoder.rope %[[S]]#0, %[[A]] {heads = 4 : i64}
// CHECK: %[[K:.*]] = decoder.rope %[[S]]#1, %[[A]] {heads = 2 : i64}
// CHECK: %[[O:.*]] = decoder.attention %[[Q]], %[[K]], %[[S]]#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64
// CHECK: %[[P:.*]] = decoder.linear %[[O]], @out
// CHECK: %[[Y:.*]] = decoder.add %[[X]], %[[P]]
// CHECK: %[[M:.*]] = decoder.norm rms %[[Y]]
// CHECK: %[[G:.*]] = decoder.linear %[[M]], @gate
// CHECK: %[[U:.*]] = decoder.linear %[[M]], @up
// CHECK-NOT: sigmoid
// CHECK: %[[ACT:.*]] = decoder.act silu %[[G]]
// CHECK: %[[H:.*]] = decoder.mul %[[ACT]], %[[U]]
// CHECK: %[[D:.*]] = decoder.linear %[[H]], @down {accuracy_level = 4 : i64}
// CHECK: %[[Z:.*]] = decoder.add %[[Y]], %[[D]]
// CHECK: return %[[Z]]
// CHECK-LABEL: func.func @head(
// CHECK-SAME: %[[IN:.*]]: tensor<?x16xf32>) -> tensor<?x32xf32>
// CHECK: %[[R:.*]] = decoder.take_rows %[[IN]]
// CHECK: %[[F:.*]] = decoder.norm rms %[[R]]
// CHECK: %[[L:.*]] = decoder.linear %[[F]], @embed
// CHECK: return %[[L]]

weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.gain {file = "w", offset = 0, length = 64} : tensor<16xf32>
weights.recipe @gain { %0 = weights.load @src.gain : tensor<16xf32> weights.yield %0 : tensor<16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.out {file = "w", offset = 0, length = 1024} : tensor<16x16xf32>
weights.recipe @out { %0 = weights.load @src.out : tensor<16x16xf32> weights.yield %0 : tensor<16x16xf32> }
weights.source @src.gate {file = "w", offset = 0, length = 1536} : tensor<24x16xf32>
weights.recipe @gate { %0 = weights.load @src.gate : tensor<24x16xf32> weights.yield %0 : tensor<24x16xf32> }
weights.source @src.up {file = "w", offset = 0, length = 1536} : tensor<24x16xf32>
weights.recipe @up { %0 = weights.load @src.up : tensor<24x16xf32> weights.yield %0 : tensor<24x16xf32> }
weights.source @src.down {file = "w", offset = 0, length = 1536} : tensor<16x24xf32>
weights.recipe @down { %0 = weights.load @src.down : tensor<16x24xf32> weights.yield %0 : tensor<16x24xf32> }
weights.source @src.unused {file = "w", offset = 0, length = 4} : tensor<1xf32>
weights.recipe @cos {
  %0 = weights.constant dense<[[1.0, 1.0], [0.540302277, 0.999949992], [-0.416146845, 0.999800026], [-0.989992499, 0.999550045]]> : tensor<4x2xf32>
  weights.yield %0 : tensor<4x2xf32>
}
weights.recipe @sin {
  %0 = weights.constant dense<[[0.0, 0.0], [0.841470957, 0.00999983307], [0.909297407, 0.0199986659], [0.141120002, 0.0299954992]]> : tensor<4x2xf32>
  weights.yield %0 : tensor<4x2xf32>
}

func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.key"}, %pv0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.value"})
    -> (tensor<?x?x32xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %one = graph.constant dense<1> : tensor<1xi64>
  %sum = graph.reduce sum %mask [1] : (tensor<?x?xi64>) -> tensor<?xi64>
  %last = graph.binary sub %sum, %one : (tensor<?xi64>, tensor<1xi64>) -> tensor<?xi64>
  %seqlens = graph.cast %last : (tensor<?xi64>) -> tensor<?xi32>
  %dims = graph.shape %mask {start = 0 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<2xi64>
  %axis = graph.constant dense<1> : tensor<i64>
  %width = graph.gather %dims, %axis {axis = 0 : i64} : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %total = graph.cast %width : (tensor<i64>) -> tensor<i32>
  %count = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %column = graph.constant dense<[-1, 1]> : tensor<2xi64>
  %first0 = graph.reshape %sum, %column : (tensor<?xi64>, tensor<2xi64>) -> tensor<?x1xi64>
  %first = graph.binary sub %first0, %count : (tensor<?x1xi64>, tensor<1xi64>) -> tensor<?x1xi64>
  %none = graph.constant dense<> : tensor<0xi64>
  %scalar = graph.reshape %count, %none : (tensor<1xi64>, tensor<0xi64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %steps = graph.range %zero, %scalar, %axis : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %positions = graph.binary add %first, %steps : (tensor<?x1xi64>, tensor<?xi64>) -> tensor<?x?xi64>
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %n = decoder.norm rms %x {eps = 1.0e-5 : f32, gain = @gain} : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %n, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %angles = decoder.angles %positions {cos = @cos, sin = @sin} : (tensor<?x?xi64>) -> tensor<?x?x4xf32>
  %qr = decoder.rope %q, %angles {heads = 4 : i64} : (tensor<?x?x16xf32>, tensor<?x?x4xf32>) -> tensor<?x?x16xf32>
  %kr = decoder.rope %k, %angles {heads = 2 : i64} : (tensor<?x?x8xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
  %o0, %nk0, %nv0 = decoder.attention %qr, %kr, %v past %pk0, %pv0 seqlens %seqlens total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  %p = decoder.linear %o0, @out : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %y = graph.binary add %x, %p : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %m = decoder.norm rms %y {eps = 1.0e-5 : f32, gain = @gain} : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %g = decoder.linear %m, @gate : (tensor<?x?x16xf32>) -> tensor<?x?x24xf32>
  %u = decoder.linear %m, @up : (tensor<?x?x16xf32>) -> tensor<?x?x24xf32>
  %s = graph.unary sigmoid %g : (tensor<?x?x24xf32>) -> tensor<?x?x24xf32>
  %a = graph.binary mul %g, %s : (tensor<?x?x24xf32>, tensor<?x?x24xf32>) -> tensor<?x?x24xf32>
  %h = graph.binary mul %a, %u : (tensor<?x?x24xf32>, tensor<?x?x24xf32>) -> tensor<?x?x24xf32>
  %d = decoder.linear %h, @down {accuracy_level = 4 : i64} : (tensor<?x?x24xf32>) -> tensor<?x?x16xf32>
  %z = graph.binary add %y, %d : (tensor<?x?x16xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %f = decoder.norm rms %z {eps = 1.0e-5 : f32, gain = @gain} : (tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  %logits = decoder.linear %f, @embed : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  return %logits, %nk0, %nv0 : tensor<?x?x32xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}
