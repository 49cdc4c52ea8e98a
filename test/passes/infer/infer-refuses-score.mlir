// Scores that are not causal, or nothing that decoder.attention computes, are refused with the closed form found.
// RUN: ingot-opt %s -infer=config-context=64 -split-input-file -verify-diagnostics

// Traced at S = 1: no mask at all.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q0, %k0, %v0 = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %qshape = graph.constant dense<[0, -1, 4, 4]> : tensor<4xi64>
  %kshape = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %q1 = graph.reshape %q0, %qshape : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %k1 = graph.reshape %k0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %v1 = graph.reshape %v0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %q1 [0, 2, 1, 3] : (tensor<?x?x4x4xf32>) -> tensor<?x4x?x4xf32>
  %knew = graph.transpose %k1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %vnew = graph.transpose %v1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %kall = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vall = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %group = graph.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %repeated = graph.constant dense<[1, 4, -1, 4]> : tensor<4xi64>
  %k2 = graph.unsqueeze %kall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %k3 = graph.expand %k2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %k4 = graph.reshape %k3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %v2 = graph.unsqueeze %vall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %v3 = graph.expand %v2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %v4 = graph.reshape %v3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %kt = graph.transpose %k4 [0, 1, 3, 2] : (tensor<1x4x?x4xf32>) -> tensor<1x4x4x?xf32>
  %dot = graph.matmul %q, %kt : (tensor<?x4x?x4xf32>, tensor<1x4x4x?xf32>) -> tensor<?x4x?x?xf32>
  %half = graph.constant dense<0.5> : tensor<f32>
  %s = graph.binary mul %dot, %half : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %j = graph.range %zero, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %i = graph.range %P, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %qpos = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %m = graph.binary add %s, %half : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  // expected-error@+1 {{is not causal: keys j > q stay visible}}
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// The mask counts queries from 0, whatever is cached.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q0, %k0, %v0 = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %qshape = graph.constant dense<[0, -1, 4, 4]> : tensor<4xi64>
  %kshape = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %q1 = graph.reshape %q0, %qshape : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %k1 = graph.reshape %k0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %v1 = graph.reshape %v0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %q1 [0, 2, 1, 3] : (tensor<?x?x4x4xf32>) -> tensor<?x4x?x4xf32>
  %knew = graph.transpose %k1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %vnew = graph.transpose %v1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %kall = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vall = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %group = graph.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %repeated = graph.constant dense<[1, 4, -1, 4]> : tensor<4xi64>
  %k2 = graph.unsqueeze %kall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %k3 = graph.expand %k2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %k4 = graph.reshape %k3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %v2 = graph.unsqueeze %vall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %v3 = graph.expand %v2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %v4 = graph.reshape %v3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %kt = graph.transpose %k4 [0, 1, 3, 2] : (tensor<1x4x?x4xf32>) -> tensor<1x4x4x?xf32>
  %dot = graph.matmul %q, %kt : (tensor<?x4x?x4xf32>, tensor<1x4x4x?xf32>) -> tensor<?x4x?x?xf32>
  %half = graph.constant dense<0.5> : tensor<f32>
  %s = graph.binary mul %dot, %half : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %j = graph.range %zero, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %i = graph.range %P, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %qpos = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %i0 = graph.range %zero, %S, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %q0pos = graph.unsqueeze %i0 [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %sees = graph.compare le %j, %q0pos : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  %m = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  // expected-error@+1 {{depends on how the sequence is cut into steps}}
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// A mask that only weighs less: 100 below is no mask.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q0, %k0, %v0 = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %qshape = graph.constant dense<[0, -1, 4, 4]> : tensor<4xi64>
  %kshape = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %q1 = graph.reshape %q0, %qshape : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %k1 = graph.reshape %k0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %v1 = graph.reshape %v0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %q1 [0, 2, 1, 3] : (tensor<?x?x4x4xf32>) -> tensor<?x4x?x4xf32>
  %knew = graph.transpose %k1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %vnew = graph.transpose %v1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %kall = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vall = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %group = graph.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %repeated = graph.constant dense<[1, 4, -1, 4]> : tensor<4xi64>
  %k2 = graph.unsqueeze %kall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %k3 = graph.expand %k2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %k4 = graph.reshape %k3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %v2 = graph.unsqueeze %vall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %v3 = graph.expand %v2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %v4 = graph.reshape %v3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %kt = graph.transpose %k4 [0, 1, 3, 2] : (tensor<1x4x?x4xf32>) -> tensor<1x4x4x?xf32>
  %dot = graph.matmul %q, %kt : (tensor<?x4x?x4xf32>, tensor<1x4x4x?xf32>) -> tensor<?x4x?x?xf32>
  %half = graph.constant dense<0.5> : tensor<f32>
  %s = graph.binary mul %dot, %half : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %j = graph.range %zero, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %i = graph.range %P, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %qpos = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %sees = graph.compare le %j, %qpos : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  %some = graph.constant dense<-100.0> : tensor<f32>
  %nil = graph.constant dense<0.0> : tensor<f32>
  %bias = graph.select %sees, %nil, %some : (tensor<?x?xi1>, tensor<f32>, tensor<f32>) -> tensor<?x?xf32>
  %m = graph.binary add %s, %bias : (tensor<?x4x?x?xf32>, tensor<?x?xf32>) -> tensor<?x4x?x?xf32>
  // expected-error@+1 {{is not causal}}
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Masked before the cap: tanh lifts it again.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q0, %k0, %v0 = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %qshape = graph.constant dense<[0, -1, 4, 4]> : tensor<4xi64>
  %kshape = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %q1 = graph.reshape %q0, %qshape : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %k1 = graph.reshape %k0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %v1 = graph.reshape %v0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %q1 [0, 2, 1, 3] : (tensor<?x?x4x4xf32>) -> tensor<?x4x?x4xf32>
  %knew = graph.transpose %k1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %vnew = graph.transpose %v1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %kall = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vall = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %group = graph.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %repeated = graph.constant dense<[1, 4, -1, 4]> : tensor<4xi64>
  %k2 = graph.unsqueeze %kall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %k3 = graph.expand %k2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %k4 = graph.reshape %k3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %v2 = graph.unsqueeze %vall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %v3 = graph.expand %v2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %v4 = graph.reshape %v3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %kt = graph.transpose %k4 [0, 1, 3, 2] : (tensor<1x4x?x4xf32>) -> tensor<1x4x4x?xf32>
  %dot = graph.matmul %q, %kt : (tensor<?x4x?x4xf32>, tensor<1x4x4x?xf32>) -> tensor<?x4x?x?xf32>
  %half = graph.constant dense<0.5> : tensor<f32>
  %s = graph.binary mul %dot, %half : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %j = graph.range %zero, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %i = graph.range %P, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %qpos = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %sees = graph.compare le %j, %qpos : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  %m0 = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %c1 = graph.unary tanh %m0 : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %cap = graph.constant dense<30.0> : tensor<f32>
  %m = graph.binary mul %c1, %cap : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  // expected-error@+1 {{is not causal}}
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Every other key is hidden.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q0, %k0, %v0 = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %qshape = graph.constant dense<[0, -1, 4, 4]> : tensor<4xi64>
  %kshape = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %q1 = graph.reshape %q0, %qshape : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %k1 = graph.reshape %k0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %v1 = graph.reshape %v0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %q1 [0, 2, 1, 3] : (tensor<?x?x4x4xf32>) -> tensor<?x4x?x4xf32>
  %knew = graph.transpose %k1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %vnew = graph.transpose %v1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %kall = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vall = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %group = graph.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %repeated = graph.constant dense<[1, 4, -1, 4]> : tensor<4xi64>
  %k2 = graph.unsqueeze %kall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %k3 = graph.expand %k2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %k4 = graph.reshape %k3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %v2 = graph.unsqueeze %vall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %v3 = graph.expand %v2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %v4 = graph.reshape %v3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %kt = graph.transpose %k4 [0, 1, 3, 2] : (tensor<1x4x?x4xf32>) -> tensor<1x4x4x?xf32>
  %dot = graph.matmul %q, %kt : (tensor<?x4x?x4xf32>, tensor<1x4x4x?xf32>) -> tensor<?x4x?x?xf32>
  %half = graph.constant dense<0.5> : tensor<f32>
  %s = graph.binary mul %dot, %half : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %j = graph.range %zero, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %i = graph.range %P, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %qpos = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %sees = graph.compare le %j, %qpos : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  %two = graph.constant dense<2> : tensor<i64>
  %odd = graph.binary mod %j, %two : (tensor<?xi64>, tensor<i64>) -> tensor<?xi64>
  %even = graph.compare eq %odd, %zero : (tensor<?xi64>, tensor<i64>) -> tensor<?xi1>
  %both = graph.binary logical_and %sees, %even : (tensor<?x?xi1>, tensor<?xi1>) -> tensor<?x?xi1>
  %m = graph.select %both, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  // expected-error@+1 {{is no scaled product with cap, alibi and a causal mask}}
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Heads in another order than groups side by side.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q0, %k0, %v0 = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %qshape = graph.constant dense<[0, -1, 4, 4]> : tensor<4xi64>
  %kshape = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %q1 = graph.reshape %q0, %qshape : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %k1 = graph.reshape %k0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %v1 = graph.reshape %v0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %q1 [0, 2, 1, 3] : (tensor<?x?x4x4xf32>) -> tensor<?x4x?x4xf32>
  %knew = graph.transpose %k1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %vnew = graph.transpose %v1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %kall = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vall = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %group = graph.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %repeated = graph.constant dense<[1, 4, -1, 4]> : tensor<4xi64>
  %k2 = graph.unsqueeze %kall [1] : (tensor<?x2x?x4xf32>) -> tensor<?x1x2x?x4xf32>
  %tile = graph.constant dense<[1, 2, 1, 1, 1]> : tensor<5xi64>
  %k3 = graph.expand %k2, %tile : (tensor<?x1x2x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %k4 = graph.reshape %k3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %v2 = graph.unsqueeze %vall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %v3 = graph.expand %v2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %v4 = graph.reshape %v3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %kt = graph.transpose %k4 [0, 1, 3, 2] : (tensor<1x4x?x4xf32>) -> tensor<1x4x4x?xf32>
  // expected-error@+1 {{pairs heads with cached heads in another way}}
  %dot = graph.matmul %q, %kt : (tensor<?x4x?x4xf32>, tensor<1x4x4x?xf32>) -> tensor<?x4x?x?xf32>
  %half = graph.constant dense<0.5> : tensor<f32>
  %s = graph.binary mul %dot, %half : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %j = graph.range %zero, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %i = graph.range %P, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %qpos = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %sees = graph.compare le %j, %qpos : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  %m = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Everything is hidden alike: the visible keys drown in the least number, too.
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x16xf32>
  %qkv = decoder.linear %x, @qkv : (tensor<?x?x16xf32>) -> tensor<?x?x32xf32>
  %q0, %k0, %v0 = decoder.split %qkv [16, 8, 8] : (tensor<?x?x32xf32>) -> (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
  %qshape = graph.constant dense<[0, -1, 4, 4]> : tensor<4xi64>
  %kshape = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %q1 = graph.reshape %q0, %qshape : (tensor<?x?x16xf32>, tensor<4xi64>) -> tensor<?x?x4x4xf32>
  %k1 = graph.reshape %k0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %v1 = graph.reshape %v0, %kshape : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %q1 [0, 2, 1, 3] : (tensor<?x?x4x4xf32>) -> tensor<?x4x?x4xf32>
  %knew = graph.transpose %k1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %vnew = graph.transpose %v1 [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %kall = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vall = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %group = graph.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %repeated = graph.constant dense<[1, 4, -1, 4]> : tensor<4xi64>
  %k2 = graph.unsqueeze %kall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %k3 = graph.expand %k2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %k4 = graph.reshape %k3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %v2 = graph.unsqueeze %vall [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %v3 = graph.expand %v2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %v4 = graph.reshape %v3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %kt = graph.transpose %k4 [0, 1, 3, 2] : (tensor<1x4x?x4xf32>) -> tensor<1x4x4x?xf32>
  %dot = graph.matmul %q, %kt : (tensor<?x4x?x4xf32>, tensor<1x4x4x?xf32>) -> tensor<?x4x?x?xf32>
  %half = graph.constant dense<0.5> : tensor<f32>
  %s = graph.binary mul %dot, %half : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %j = graph.range %zero, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %i = graph.range %P, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %qpos = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %m = graph.binary add %s, %least : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  // expected-error@+1 {{is no scaled product with cap, alibi and a causal mask}}
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}
