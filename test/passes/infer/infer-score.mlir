// Attention in graph primitives becomes decoder.attention, whatever spells mask, bias, cap and sink.
// RUN: ingot-opt %s -infer=config-context=64 -verify-infer -split-input-file | FileCheck %s

// Where(j <= q, score, least), keys repeated for grouped heads.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32}
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
  %m = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// An additive mask, (1 - visible) * least.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32}
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
  %seesf = graph.cast %sees : (tensor<?x?xi1>) -> tensor<?x?xf32>
  %onef = graph.constant dense<1.0> : tensor<f32>
  %hidden = graph.binary sub %onef, %seesf : (tensor<f32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  %bias = graph.binary mul %hidden, %least : (tensor<?x?xf32>, tensor<f32>) -> tensor<?x?xf32>
  %m = graph.binary add %s, %bias : (tensor<?x4x?x?xf32>, tensor<?x?xf32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// A window of 8 keys, also of padding: all of the mask is ones.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal, window = 8>, scale = 5.000000e-01 : f32}
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
  %eight = graph.constant dense<8> : tensor<i64>
  %from = graph.binary sub %qpos, %eight : (tensor<?x1xi64>, tensor<i64>) -> tensor<?x1xi64>
  %near = graph.compare gt %j, %from : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
  %both = graph.binary logical_and %sees, %near : (tensor<?x?xi1>, tensor<?x?xi1>) -> tensor<?x?xi1>
  %pad = graph.cast %mask : (tensor<?x?xi64>) -> tensor<?x?xi1>
  %all = graph.binary logical_and %both, %pad : (tensor<?x?xi1>, tensor<?x?xi1>) -> tensor<?x?xi1>
  %m = graph.select %all, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Soft-capped before the mask.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32, softcap = 3.000000e+01 : f32}
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
  %cap = graph.constant dense<30.0> : tensor<f32>
  %c0 = graph.binary div %s, %cap : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %c1 = graph.unary tanh %c0 : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %c2 = graph.binary mul %c1, %cap : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %m = graph.select %sees, %c2, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Slopes times j - T + 1: what is the same for all keys drops out of a softmax.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {alibi = array<f32: 5.000000e-01, 2.500000e-01, 1.250000e-01, 6.250000e-02>, cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32}
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
  %slopes = graph.constant dense<[[[0.5]], [[0.25]], [[0.125]], [[0.0625]]]> : tensor<4x1x1xf32>
  %back = graph.binary sub %j, %T : (tensor<?xi64>, tensor<i64>) -> tensor<?xi64>
  %back1 = graph.binary add %back, %one : (tensor<?xi64>, tensor<i64>) -> tensor<?xi64>
  %backf = graph.cast %back1 : (tensor<?xi64>) -> tensor<?xf32>
  %alibi = graph.binary mul %slopes, %backf : (tensor<4x1x1xf32>, tensor<?xf32>) -> tensor<4x1x?xf32>
  %a = graph.binary add %s, %alibi : (tensor<?x4x?x?xf32>, tensor<4x1x?xf32>) -> tensor<?x4x?x?xf32>
  %m = graph.select %sees, %a, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// A sink a head, less the maximum of the row, NaN guarded.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32, sinks = @{{.*}}}
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
  %logits = graph.constant dense<[[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]]> : tensor<1x4x1x1xf32>
  %four = graph.constant dense<4> : tensor<1xi64>
  %o1s = graph.constant dense<1> : tensor<1xi64>
  %sshape = graph.concat %o1s, %four, %idims, %o1s {axis = 0 : i64} : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<4xi64>
  %sinks = graph.expand %logits, %sshape : (tensor<1x4x1x1xf32>, tensor<4xi64>) -> tensor<1x4x?x1xf32>
  %with = graph.concat %m0, %sinks {axis = 3 : i64} : (tensor<?x4x?x?xf32>, tensor<1x4x?x1xf32>) -> tensor<1x4x?x?xf32>
  %most = graph.reduce max %with [3] {keepdims} : (tensor<1x4x?x?xf32>) -> tensor<1x4x?x1xf32>
  %m = graph.binary sub %with, %most : (tensor<1x4x?x?xf32>, tensor<1x4x?x1xf32>) -> tensor<1x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<1x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %begin = graph.constant dense<0> : tensor<1xi64>
  %end = graph.constant dense<-1> : tensor<1xi64>
  %p1 = graph.slice %p, %begin, %end {axes = array<i64: 3>, steps = array<i64: 1>} : (tensor<?x4x?x?xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4x?x?xf32>
  %nan = graph.unary is_nan %p1 : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xi1>
  %nought = graph.constant dense<0.0> : tensor<f32>
  %p2 = graph.select %nan, %nought, %p1 : (tensor<?x4x?x?xi1>, tensor<f32>, tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p2, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// A constant table of the mask, cut to this step: it limits the context.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32}
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
  %table = graph.constant dense<[[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]> : tensor<4x4xi1>
  %P1 = graph.unsqueeze %P [0] : (tensor<i64>) -> tensor<1xi64>
  %rows = graph.slice %table, %P1, %mdims {axes = array<i64: 0>, steps = array<i64: 1>} : (tensor<4x4xi1>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x4xi1>
  %z1 = graph.constant dense<0> : tensor<1xi64>
  %cut = graph.slice %rows, %z1, %mdims {axes = array<i64: 1>, steps = array<i64: 1>} : (tensor<?x4xi1>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?xi1>
  %m = graph.select %cut, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// max(score, least) guards overflow of the mask's sum.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32}
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
  %m = graph.binary max %m0, %least : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Heads and head size of the past are open in the file: the new rows tell them.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32}
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x?x?x?xf32> {graph.name = "past.0.key"}, %pv: tensor<?x?x?x?xf32> {graph.name = "past.0.value"})
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
  %kall = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x?x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
  %vall = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x?x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
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
  %m = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Logits of the last token only: rows are chosen at run time, the pick vanishes.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32}
// CHECK-LABEL: func.func @head
// CHECK: decoder.take_rows
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"})
    -> (tensor<?x16xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
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
  %m = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %all3 = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  %last = graph.constant dense<-1> : tensor<i64>
  %o = graph.gather %all3, %last {axis = 1 : i64} : (tensor<?x?x16xf32>, tensor<i64>) -> tensor<?x16xf32>
  return %o, %kall, %vall : tensor<?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// No cache in the graph: P is 0, a cache is added for the keys before their repetition.
// CHECK-LABEL: func.func @body
// CHECK: decoder.attention %{{.*}}#0, %{{.*}}#1, %{{.*}}#2 {cache = @g0, heads = 4 : i64, kv_heads = 2 : i64, layer = 0 : i64, mask = #decoder.mask<causal>, scale = 5.000000e-01 : f32}
weights.source @src.embed {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @embed { %0 = weights.load @src.embed : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
weights.source @src.qkv {file = "w", offset = 0, length = 2048} : tensor<32x16xf32>
weights.recipe @qkv { %0 = weights.load @src.qkv : tensor<32x16xf32> weights.yield %0 : tensor<32x16xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"})
    -> (tensor<?x?x16xf32> {graph.name = "logits"}) {
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
  %group = graph.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %repeated = graph.constant dense<[1, 4, -1, 4]> : tensor<4xi64>
  %k2 = graph.unsqueeze %knew [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
  %k3 = graph.expand %k2, %group : (tensor<?x2x1x?x4xf32>, tensor<5xi64>) -> tensor<?x2x2x?x4xf32>
  %k4 = graph.reshape %k3, %repeated : (tensor<?x2x2x?x4xf32>, tensor<4xi64>) -> tensor<1x4x?x4xf32>
  %v2 = graph.unsqueeze %vnew [2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x1x?x4xf32>
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
  %m = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o : tensor<?x?x16xf32>
}
