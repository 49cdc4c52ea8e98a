// A merged decoder chooses by use_cache_branch between a branch with a past and one without. The first is taken where it is
// proved; else the second, under the relaxation prompt-branch, which people are told; what neither proves is refused.
// RUN: ingot-opt %s -infer=config-context=64 -verify-infer -split-input-file -verify-diagnostics | FileCheck %s

// Both branches are causal; the file leaves the pasts' sizes open.
// CHECK: decoder.limits {{.*}}relaxations = []
// CHECK: decoder.attention {{.*}}mask = #decoder.mask<causal>
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x8xf32> weights.yield %0 : tensor<32x8xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x?x?x?xf32> {graph.name = "past.0.key"}, %pv: tensor<?x?x?x?xf32> {graph.name = "past.0.value"},
    %branch: tensor<1xi1> {graph.name = "use_cache_branch"})
    -> (tensor<?x?x8xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %heads = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %columns = graph.reshape %x, %heads : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %columns [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %knew = graph.transpose %columns [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %values = graph.unary neg %columns : (tensor<?x?x2x4xf32>) -> tensor<?x?x2x4xf32>
  %vnew = graph.transpose %values [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %r:3 = graph.if %branch : (tensor<1xi1>) -> (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) {
    %k = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x?x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    %v = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x?x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    %kt = graph.transpose %k [0, 1, 3, 2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x4x?xf32>
    %s = graph.matmul %q, %kt : (tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32>) -> tensor<?x2x?x?xf32>
    %j = graph.range %zero, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %i = graph.range %P, %T, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %rows = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
    %sees = graph.compare le %j, %rows : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
    %m = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
    %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
    %o = graph.matmul %p, %v : (tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    graph.yield %o, %k, %v : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  } else {
    %kt = graph.transpose %knew [0, 1, 3, 2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x4x?xf32>
    %s = graph.matmul %q, %kt : (tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32>) -> tensor<?x2x?x?xf32>
    %j = graph.range %zero, %S, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %i = graph.range %zero, %S, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %rows = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
    %sees = graph.compare le %j, %rows : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
    %m = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
    %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
    %o = graph.matmul %p, %vnew : (tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    graph.yield %o, %knew, %vnew : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  }
  %back = graph.transpose %r#0 [0, 2, 1, 3] : (tensor<?x2x?x4xf32>) -> tensor<?x?x2x4xf32>
  %flat = graph.constant dense<[0, -1, 8]> : tensor<3xi64>
  %y = graph.reshape %back, %flat : (tensor<?x?x2x4xf32>, tensor<3xi64>) -> tensor<?x?x8xf32>
  return %y, %r#1, %r#2 : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// The branch with a past was traced at S = 1: it has no mask.
// CHECK: decoder.limits {{.*}}relaxations = ["prompt-branch"]
// CHECK: decoder.attention {{.*}}mask = #decoder.mask<causal>
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x8xf32> weights.yield %0 : tensor<32x8xf32> }
// expected-warning@+1 {{read under the relaxation 'prompt-branch'}}
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"},
    %branch: tensor<1xi1> {graph.name = "use_cache_branch"})
    -> (tensor<?x?x8xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %heads = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %columns = graph.reshape %x, %heads : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %columns [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %knew = graph.transpose %columns [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %values = graph.unary neg %columns : (tensor<?x?x2x4xf32>) -> tensor<?x?x2x4xf32>
  %vnew = graph.transpose %values [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %r:3 = graph.if %branch : (tensor<1xi1>) -> (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) {
    %k = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    %v = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    %kt = graph.transpose %k [0, 1, 3, 2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x4x?xf32>
    %s = graph.matmul %q, %kt : (tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32>) -> tensor<?x2x?x?xf32>
    %p = graph.softmax %s {axis = 3 : i64} : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
    %o = graph.matmul %p, %v : (tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    graph.yield %o, %k, %v : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  } else {
    %kt = graph.transpose %knew [0, 1, 3, 2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x4x?xf32>
    %s = graph.matmul %q, %kt : (tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32>) -> tensor<?x2x?x?xf32>
    %j = graph.range %zero, %S, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %i = graph.range %zero, %S, %one : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
    %rows = graph.unsqueeze %i [1] : (tensor<?xi64>) -> tensor<?x1xi64>
    %sees = graph.compare le %j, %rows : (tensor<?xi64>, tensor<?x1xi64>) -> tensor<?x?xi1>
    %m = graph.select %sees, %s, %least : (tensor<?x?xi1>, tensor<?x2x?x?xf32>, tensor<f32>) -> tensor<?x2x?x?xf32>
    %p = graph.softmax %m {axis = 3 : i64} : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
    %o = graph.matmul %p, %vnew : (tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    graph.yield %o, %knew, %vnew : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  }
  %back = graph.transpose %r#0 [0, 2, 1, 3] : (tensor<?x2x?x4xf32>) -> tensor<?x?x2x4xf32>
  %flat = graph.constant dense<[0, -1, 8]> : tensor<3xi64>
  %y = graph.reshape %back, %flat : (tensor<?x?x2x4xf32>, tensor<3xi64>) -> tensor<?x?x8xf32>
  return %y, %r#1, %r#2 : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}

// -----

// Nothing hides the future in either branch.
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x8xf32> weights.yield %0 : tensor<32x8xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %mask: tensor<?x?xi64> {graph.name = "attention_mask"},
    %pk: tensor<?x2x?x4xf32> {graph.name = "past.0.key"}, %pv: tensor<?x2x?x4xf32> {graph.name = "past.0.value"},
    %branch: tensor<1xi1> {graph.name = "use_cache_branch"})
    -> (tensor<?x?x8xf32> {graph.name = "logits"}, tensor<?x2x?x4xf32> {graph.name = "present.0.key"}, tensor<?x2x?x4xf32> {graph.name = "present.0.value"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %heads = graph.constant dense<[0, -1, 2, 4]> : tensor<4xi64>
  %columns = graph.reshape %x, %heads : (tensor<?x?x8xf32>, tensor<4xi64>) -> tensor<?x?x2x4xf32>
  %q = graph.transpose %columns [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %knew = graph.transpose %columns [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %values = graph.unary neg %columns : (tensor<?x?x2x4xf32>) -> tensor<?x?x2x4xf32>
  %vnew = graph.transpose %values [0, 2, 1, 3] : (tensor<?x?x2x4xf32>) -> tensor<?x2x?x4xf32>
  %mdims = graph.shape %mask {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %idims = graph.shape %ids {start = 1 : i64, end = 2 : i64} : (tensor<?x?xi64>) -> tensor<1xi64>
  %T = graph.squeeze %mdims [0] : (tensor<1xi64>) -> tensor<i64>
  %S = graph.squeeze %idims [0] : (tensor<1xi64>) -> tensor<i64>
  %P = graph.binary sub %T, %S : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %zero = graph.constant dense<0> : tensor<i64>
  %one = graph.constant dense<1> : tensor<i64>
  %least = graph.constant dense<-3.40282347E+38> : tensor<f32>
  %r:3 = graph.if %branch : (tensor<1xi1>) -> (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) {
    %k = graph.concat %pk, %knew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    %v = graph.concat %pv, %vnew {axis = 2 : i64} : (tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    %kt = graph.transpose %k [0, 1, 3, 2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x4x?xf32>
    %s = graph.matmul %q, %kt : (tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32>) -> tensor<?x2x?x?xf32>
    %p = graph.softmax %s {axis = 3 : i64} : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
    %o = graph.matmul %p, %v : (tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    graph.yield %o, %k, %v : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  } else {
    %kt = graph.transpose %knew [0, 1, 3, 2] : (tensor<?x2x?x4xf32>) -> tensor<?x2x4x?xf32>
    %s = graph.matmul %q, %kt : (tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32>) -> tensor<?x2x?x?xf32>
    // expected-error@+1 {{is not causal: keys j > q stay visible}}
    %p = graph.softmax %s {axis = 3 : i64} : (tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32>
    %o = graph.matmul %p, %vnew : (tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32>
    graph.yield %o, %knew, %vnew : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
  }
  %back = graph.transpose %r#0 [0, 2, 1, 3] : (tensor<?x2x?x4xf32>) -> tensor<?x?x2x4xf32>
  %flat = graph.constant dense<[0, -1, 8]> : tensor<3xi64>
  %y = graph.reshape %back, %flat : (tensor<?x?x2x4xf32>, tensor<3xi64>) -> tensor<?x?x8xf32>
  return %y, %r#1, %r#2 : tensor<?x?x8xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>
}
