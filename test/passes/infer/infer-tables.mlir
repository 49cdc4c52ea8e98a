// Tables that no closed form reproduces stay tables (their length still bounds the context); max-context lowers the limit.
// RUN: ingot-opt %s -infer='max-context=3' -verify-infer | FileCheck %s
// RUN: not ingot-opt %s -infer='max-context=5' 2>&1 | FileCheck %s --check-prefix=OVER

// OVER: max-context 5 is over the model's own limit of 4 positions

// CHECK: decoder.limits {max_context = 3 : i64
// CHECK: decoder.angles %{{.*}} {cos = @cos, sin = @sin} : (tensor<?xi32>) -> tensor<?x4xf32>
// CHECK: decoder.rope
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x8xf32> weights.yield %0 : tensor<32x8xf32> }
weights.recipe @cos {
  %0 = weights.constant dense<[[1.0, 1.0], [0.5, 0.75], [0.25, 0.5], [0.0, 0.25]]> : tensor<4x2xf32>
  weights.yield %0 : tensor<4x2xf32>
}
weights.recipe @sin {
  %0 = weights.constant dense<[[0.0, 0.0], [0.5, 0.25], [0.75, 0.5], [1.0, 0.75]]> : tensor<4x2xf32>
  weights.yield %0 : tensor<4x2xf32>
}

func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %positions: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x?x8xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x8xf32>
  %angles = decoder.angles %positions {cos = @cos, sin = @sin} : (tensor<?x?xi64>) -> tensor<?x?x4xf32>
  %y = decoder.rope %x, %angles {heads = 2 : i64} : (tensor<?x?x8xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}
