// A constant bias of which the last P+S columns are taken: rows that are lines are slopes, and the table bounds the context.
// RUN: ingot-opt %s -infer -verify-infer | FileCheck %s
// CHECK: decoder.limits {{.*}}max_context = 8 : i64
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
  %bias = graph.constant dense<[[[-3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0]],
    [[-1.75, -1.5, -1.25, -1.0, -0.75, -0.5, -0.25, 0.0]],
    [[-0.875, -0.75, -0.625, -0.5, -0.375, -0.25, -0.125, 0.0]],
    [[-0.4375, -0.375, -0.3125, -0.25, -0.1875, -0.125, -0.0625, 0.0]]]> : tensor<4x1x8xf32>
  %eight = graph.constant dense<8> : tensor<i64>
  %from = graph.binary sub %eight, %T : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %from1 = graph.unsqueeze %from [0] : (tensor<i64>) -> tensor<1xi64>
  %end1 = graph.constant dense<9223372036854775807> : tensor<1xi64>
  %alibi = graph.slice %bias, %from1, %end1 {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<4x1x8xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<4x1x?xf32>
  %a = graph.binary add %s, %alibi : (tensor<?x4x?x?xf32>, tensor<4x1x?xf32>) -> tensor<?x4x?x?xf32>
  %m = graph.select %sees, %a, %least : (tensor<?x?xi1>, tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
  %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o0 = graph.matmul %p, %v4 : (tensor<?x4x?x?xf32>, tensor<1x4x?x4xf32>) -> tensor<?x4x?x4xf32>
  %o1 = graph.transpose %o0 [0, 2, 1, 3] : (tensor<?x4x?x4xf32>) -> tensor<?x?x4x4xf32>
  %oshape = graph.constant dense<[0, -1, 16]> : tensor<3xi64>
  %o = graph.reshape %o1, %oshape : (tensor<?x?x4x4xf32>, tensor<3xi64>) -> tensor<?x?x16xf32>
  return %o, %kall, %vall : tensor<?x?x16xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}
