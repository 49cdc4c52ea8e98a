// Attention that breaks the calling convention or the chunk law is refused where it does, with the closed form found.
// RUN: ingot-opt %s -infer -split-input-file -verify-diagnostics

// The last key is not at P+S.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
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
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %wrong = graph.cast %sum : (tensor<?xi64>) -> tensor<?xi32>
  // expected-error@+1 {{seqlens is P+S but must be P+S-1, the index of the last key}}
  %o0, %nk0, %nv0 = decoder.attention %q, %k, %v past %pk0, %pv0 seqlens %wrong total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o0, %nk0, %nv0 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// The number of keys is not the number of new tokens.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
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
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %z = graph.constant dense<0> : tensor<i64>
  %new = graph.gather %idims, %z {axis = 0 : i64} : (tensor<1xi64>, tensor<i64>) -> tensor<i64>
  %wrong = graph.cast %new : (tensor<i64>) -> tensor<i32>
  // expected-error@+1 {{total is S but must be P+S, the number of keys}}
  %o0, %nk0, %nv0 = decoder.attention %q, %k, %v past %pk0, %pv0 seqlens %seqlens total %wrong {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o0, %nk0, %nv0 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// A mask that does not count every key once.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
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
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %twice = graph.binary add %mask, %mask : (tensor<?x?xi64>, tensor<?x?xi64>) -> tensor<?x?xi64>
  %sum2 = graph.reduce sum %twice [1] : (tensor<?x?xi64>) -> tensor<?xi64>
  %wrong = graph.cast %sum2 : (tensor<?xi64>) -> tensor<?xi32>
  // expected-error@+1 {{seqlens is 2*P+2*S but must be P+S-1}}
  %o0, %nk0, %nv0 = decoder.attention %q, %k, %v past %pk0, %pv0 seqlens %wrong total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o0, %nk0, %nv0 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Attention that forgets the past.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.key"}, %pv0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  // expected-error@+1 {{attends to the S new tokens only}}
  %o0, %nk0, %nv0 = decoder.attention %q, %k, %v {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o0, %nk0, %nv0 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// The past of another layer; both attentions are told.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.key"}, %pv0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.value"},
    %pk1: tensor<?x2x?x4xf32> {graph.name = "past_key_values.1.key"}, %pv1: tensor<?x2x?x4xf32> {graph.name = "past_key_values.1.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}, tensor<?x2x?x4xf32> {graph.name = "present.1.key"}, tensor<?x2x?x4xf32> {graph.name = "present.1.value"}) {
  %one = graph.constant dense<1> : tensor<1xi64>
  %sum = graph.reduce sum %mask [1] : (tensor<?x?xi64>) -> tensor<?xi64>
  %last = graph.binary sub %sum, %one : (tensor<?xi64>, tensor<1xi64>) -> tensor<?xi64>
  %seqlens = graph.cast %last : (tensor<?xi64>) -> tensor<?xi32>
  %dims = graph.shape %mask {start = 0 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<2xi64>
  %axis = graph.constant dense<1> : tensor<i64>
  %width = graph.gather %dims, %axis {axis = 0 : i64} : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %total = graph.cast %width : (tensor<i64>) -> tensor<i32>
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  // expected-error@+1 {{reads the past 'past_key_values.1.key' but its result is the present 'present.0.key', another cache}}
  %o0, %nk0, %nv0 = decoder.attention %q, %k, %v past %pk1, %pv1 seqlens %seqlens total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  %qkv1 = decoder.linear %o0, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q1, %k1, %v1 = decoder.split %qkv1 [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  // expected-error@+1 {{reads the past 'past_key_values.0.key' but its result is the present 'present.1.key', another cache}}
  %o1, %nk1, %nv1 = decoder.attention %q1, %k1, %v1 past %pk0, %pv0 seqlens %seqlens total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o1, %nk0, %nv0, %nk1, %nv1 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// One past for two layers.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.key"}, %pv0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}, tensor<?x2x?x4xf32> {graph.name = "present.1.key"}, tensor<?x2x?x4xf32> {graph.name = "present.1.value"}) {
  %one = graph.constant dense<1> : tensor<1xi64>
  %sum = graph.reduce sum %mask [1] : (tensor<?x?xi64>) -> tensor<?xi64>
  %last = graph.binary sub %sum, %one : (tensor<?xi64>, tensor<1xi64>) -> tensor<?xi64>
  %seqlens = graph.cast %last : (tensor<?xi64>) -> tensor<?xi32>
  %dims = graph.shape %mask {start = 0 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<2xi64>
  %axis = graph.constant dense<1> : tensor<i64>
  %width = graph.gather %dims, %axis {axis = 0 : i64} : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %total = graph.cast %width : (tensor<i64>) -> tensor<i32>
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %o0, %nk0, %nv0 = decoder.attention %q, %k, %v past %pk0, %pv0 seqlens %seqlens total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  %qkv1 = decoder.linear %o0, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q1, %k1, %v1 = decoder.split %qkv1 [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  // expected-error@+1 {{reads the past 'past_key_values.0.key', which belongs to}}
  %o1, %nk1, %nv1 = decoder.attention %q1, %k1, %v1 past %pk0, %pv0 seqlens %seqlens total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o1, %nk0, %nv0, %nk1, %nv1 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Keys and values exchanged.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
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
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  // expected-error@+1 {{reads the past 'past_key_values.0.value' but its result is the present 'present.0.key', another cache}}
  %o0, %nk0, %nv0 = decoder.attention %q, %k, %v past %pv0, %pk0 seqlens %seqlens total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o0, %nk0, %nv0 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// A present that is thrown away.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.key"}, %pv0: tensor<?x2x?x4xf32> {graph.name = "past_key_values.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}) {
  %one = graph.constant dense<1> : tensor<1xi64>
  %sum = graph.reduce sum %mask [1] : (tensor<?x?xi64>) -> tensor<?xi64>
  %last = graph.binary sub %sum, %one : (tensor<?xi64>, tensor<1xi64>) -> tensor<?xi64>
  %seqlens = graph.cast %last : (tensor<?xi64>) -> tensor<?xi32>
  %dims = graph.shape %mask {start = 0 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<2xi64>
  %axis = graph.constant dense<1> : tensor<i64>
  %width = graph.gather %dims, %axis {axis = 0 : i64} : (tensor<2xi64>, tensor<i64>) -> tensor<i64>
  %total = graph.cast %width : (tensor<i64>) -> tensor<i32>
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  // expected-error@+1 {{reads the past 'past_key_values.0.value' but its present is no output}}
  %o0, %nk0, %nv0 = decoder.attention %q, %k, %v past %pk0, %pv0 seqlens %seqlens total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o0, %nk0 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>
}

// -----

// The cache read by other operators.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
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
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q, %k, %v = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %copy = graph.unary neg %pk0 : (tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  // expected-error@+1 {{that is no graph input [1, 2, P, d]; it must come straight from the input}}
  %o0, %nk0, %nv0 = decoder.attention %q, %k, %v past %copy, %pv0 seqlens %seqlens total %total {heads = 4 : i64, kv_heads = 2 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?xi32>, tensor<i32>) -> tensor<?x?x16xf32> present tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  return %o0, %nk0, %nv0 : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}
