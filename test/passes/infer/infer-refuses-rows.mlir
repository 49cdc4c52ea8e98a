// Inputs and row-wise parts that break the calling convention or the chunk law are refused at the op that does.
// RUN: ingot-opt %s -infer -split-input-file -verify-diagnostics

// Positions that start anew with every chunk.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
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
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %one = graph.constant dense<1> : tensor<1xi64>
  %sum = graph.reduce sum %mask [1] : (tensor<?x?xi64>) -> tensor<?xi64>
  %last = graph.binary sub %sum, %one : (tensor<?xi64>, tensor<1xi64>) -> tensor<?xi64>
  %seqlens = graph.cast %last : (tensor<?xi64>) -> tensor<?xi32>
  %dims = graph.shape %mask {start = 0 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<2xi64>
  %axis = graph.constant dense<1> : tensor<i64>
  %width = graph.gather %dims, %axis {axis = 0 : i64} : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %total = graph.cast %width : (tensor<i64>) -> tensor<i32>
  %count = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %none = graph.constant dense<> : tensor<0xi64>
  %scalar = graph.reshape %count, %none : (tensor<1xi64>, tensor<0xi64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %steps = graph.range %zero, %scalar, %axis : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %zeros = graph.constant dense<0> : tensor<1x1xi64>
  %positions = graph.binary add %zeros, %steps : (tensor<1x1xi64>, tensor<?xi64>) -> tensor<?x?xi64>
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %angles = decoder.angles %positions {cos = @cos, sin = @sin} : (tensor<?x?xi64>) -> tensor<?x?x4xf32>
  // expected-error@+1 {{rotates by angles that are no closed form or table row at the token's position q = P+i}}
  %qr = decoder.rope %q, %angles {heads = 4 : i64} : (tensor<?x?x16xf32>, tensor<?x?x4xf32>) -> tensor<?x?x16xf32>
  %o0, %nk0, %nv0 = decoder.attention %qr, %k, %v past %pk0, %pv0 seqlens %seqlens total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o0, %nk0, %nv0 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// A mean over tokens; what follows is not reported again.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  // expected-error@+1 {{combines tokens along the axis of length S; only attention may}}
  %mean = graph.reduce mean %x [1] {keepdims} : (tensor<?x?x16xf32>) -> tensor<?x1x16xf32>
  %y = graph.binary sub %x, %mean : (tensor<?x?x16xf32>, tensor<?x1x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// Tokens against tokens.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %t = graph.transpose %x [0, 2, 1] : (tensor<?x?x16xf32>) -> tensor<?x16x?xf32>
  %s = graph.matmul %x, %t : (tensor<?x?x16xf32>, tensor<?x16x?xf32>) -> tensor<?x?x?xf32>
  // expected-error@+1 {{contracts over all tokens, but its left operand is no softmax over all keys}}
  %y = graph.matmul %s, %x : (tensor<?x?x?xf32>, tensor<?x?x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// A reshape that moves the token axis.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %shape = graph.constant dense<[1, 16, -1]> : tensor<3xi64>
  // expected-error@+1 {{which does not keep the symbolic axes whole}}
  %r = graph.reshape %x, %shape : (tensor<?x?x16xf32>, tensor<3xi64>) -> tensor<1x16x?xf32>
  %y = graph.transpose %r [0, 2, 1] : (tensor<1x16x?xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// One row instead of all; a cut that only a shape reads is no error.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %zero1 = graph.constant dense<0> : tensor<1xi64>
  %one1 = graph.constant dense<1> : tensor<1xi64>
  %dead = graph.slice %x, %zero1, %one1 {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x?x16xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1x16xf32>
  %n = graph.shape %dead {start = 1 : i64, end = 2 : i64} : (tensor<?x1x16xf32>) -> tensor<1xi64>
  %zeros1 = graph.binary sub %n, %one1 : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi64>
  // expected-error@+1 {{cuts 1 rows out of the token axis of length S}}
  %row = graph.slice %x, %zeros1, %one1 {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x?x16xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x1x16xf32>
  %y = graph.binary add %x, %row : (tensor<?x?x16xf32>, tensor<?x1x16xf32>) -> tensor<?x?x16xf32>
  return %y : tensor<?x?x16xf32>
}

// -----

// Embeddings instead of ids.
// expected-error@+1 {{input 'inputs_embeds' brings embeddings; export the model with input_ids}}
func.func @main(%x: tensor<?x?x16xf32> {graph.name = "inputs_embeds"}) -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  return %x : tensor<?x?x16xf32>
}

// -----

// No hint how long a context may be.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
// expected-error@+1 {{the graph does not tell how many positions it is made for: give --max-context}}
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  return %x : tensor<?x?x16xf32>
}

// -----

// A range whose length may be negative has no shape.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.recipe @cos {
  %0 = weights.constant dense<[[1.0, 1.0], [0.540302277, 0.999949992], [-0.416146845, 0.999800026], [-0.989992499, 0.999550045]]> : tensor<4x2xf32>
  weights.yield %0 : tensor<4x2xf32>
}
weights.recipe @sin {
  %0 = weights.constant dense<[[0.0, 0.0], [0.841470957, 0.00999983307], [0.909297407, 0.0199986659], [0.141120002, 0.0299954992]]> : tensor<4x2xf32>
  weights.yield %0 : tensor<4x2xf32>
}
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"})
    -> (tensor<1x?x16xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %s1 = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %t1 = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %p1 = graph.binary sub %t1, %s1 : (tensor<1xi64>, tensor<1xi64>) -> tensor<1xi64>
  %none = graph.constant dense<> : tensor<0xi64>
  %s = graph.reshape %s1, %none : (tensor<1xi64>, tensor<0xi64>) -> tensor<i64>
  %p = graph.reshape %p1, %none : (tensor<1xi64>, tensor<0xi64>) -> tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  // expected-error@+1 {{goes from S to 0 in steps of 1; the number of steps must be known and not negative}}
  %r = graph.range %s, %p, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %n = graph.shape %r {start = 0 : i64, end = 1 : i64} : (tensor<?xi64>) -> tensor<1xi64>
  %c1 = graph.constant dense<1> : tensor<1xi64>
  %c16 = graph.constant dense<16> : tensor<1xi64>
  %shape = graph.concat %c1, %n, %c16 {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<3xi64>
  %y = graph.reshape %x, %shape : (tensor<?x?x16xf32>, tensor<3xi64>) -> tensor<1x?x16xf32>
  return %y : tensor<1x?x16xf32>
}
