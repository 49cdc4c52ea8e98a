// LongRoPE: factors chosen by the total length. Within the switch the short ones hold and nothing is relaxed; a longer
// context takes the long ones for all lengths, which is named a relaxation. Where and If alike.
// RUN: ingot-opt %s -split-input-file -infer='max-context=24' -verify-infer | FileCheck %s --check-prefix=SHORT
// RUN: ingot-opt %s -split-input-file -infer='max-context=25' -verify-infer 2>/dev/null | FileCheck %s --check-prefix=LONG
// RUN: ingot-opt %s -split-input-file -infer='max-context=25' 2>&1 >/dev/null | FileCheck %s --check-prefix=TOLD

// TOLD: max-context-branch

// SHORT: relaxations = []
// SHORT: decoder.angles %arg1 {freq = array<f32: 5.000000e-01>}
// SHORT: relaxations = []
// SHORT: decoder.angles %arg1 {freq = array<f32: 5.000000e-01>}
// LONG: relaxations = ["max-context-branch"]
// LONG: decoder.angles %arg1 {freq = array<f32: 2.500000e-01>}
// LONG: relaxations = ["max-context-branch"]
// LONG: decoder.angles %arg1 {freq = array<f32: 2.500000e-01>}
weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x4xf32> weights.yield %0 : tensor<32x4xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %positions: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x?x4xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x4xf32>
  %one = graph.constant dense<1> : tensor<i64>
  %switch = graph.constant dense<24> : tensor<i64>
  %last = graph.reduce max %positions [0, 1] : (tensor<?x?xi64>) -> tensor<i64>
  %total = graph.binary add %last, %one : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %over = graph.compare gt %total, %switch : (tensor<i64>, tensor<i64>) -> tensor<i1>
  %long = graph.constant dense<0.25> : tensor<1xf32>
  %short = graph.constant dense<0.5> : tensor<1xf32>
  %f = "graph.select"(%over, %long, %short) : (tensor<i1>, tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32>
  %p1 = graph.unsqueeze %positions [2] : (tensor<?x?xi64>) -> tensor<?x?x1xi64>
  %p = graph.cast %p1 : (tensor<?x?x1xi64>) -> tensor<?x?x1xf32>
  %angle = graph.binary mul %p, %f : (tensor<?x?x1xf32>, tensor<1xf32>) -> tensor<?x?x1xf32>
  %cos = graph.unary cos %angle : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %sin = graph.unary sin %angle : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %both = graph.concat %cos, %sin {axis = 2 : i64} : (tensor<?x?x1xf32>, tensor<?x?x1xf32>) -> tensor<?x?x2xf32>
  %y = decoder.rope %x, %both {heads = 2 : i64} : (tensor<?x?x4xf32>, tensor<?x?x2xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// -----

weights.recipe @embed { %0 = weights.constant dense<0.5> : tensor<32x4xf32> weights.yield %0 : tensor<32x4xf32> }
func.func @main(%ids: tensor<?x?xi64> {graph.name = "input_ids"}, %positions: tensor<?x?xi64> {graph.name = "position_ids"})
    -> (tensor<?x?x4xf32> {graph.name = "logits"}) {
  %x = decoder.embed %ids, @embed : (tensor<?x?xi64>) -> tensor<?x?x4xf32>
  %one = graph.constant dense<1> : tensor<i64>
  %switch = graph.constant dense<24> : tensor<i64>
  %last = graph.reduce max %positions [0, 1] : (tensor<?x?xi64>) -> tensor<i64>
  %total = graph.binary add %last, %one : (tensor<i64>, tensor<i64>) -> tensor<i64>
  %over = graph.compare gt %total, %switch : (tensor<i64>, tensor<i64>) -> tensor<i1>
  %f = graph.if %over : (tensor<i1>) -> tensor<1xf32> {
    %long = graph.constant dense<0.25> : tensor<1xf32>
    graph.yield %long : tensor<1xf32>
  } else {
    %short = graph.constant dense<0.5> : tensor<1xf32>
    graph.yield %short : tensor<1xf32>
  }
  %p1 = graph.unsqueeze %positions [2] : (tensor<?x?xi64>) -> tensor<?x?x1xi64>
  %p = graph.cast %p1 : (tensor<?x?x1xi64>) -> tensor<?x?x1xf32>
  %angle = graph.binary mul %p, %f : (tensor<?x?x1xf32>, tensor<1xf32>) -> tensor<?x?x1xf32>
  %cos = graph.unary cos %angle : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %sin = graph.unary sin %angle : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %both = graph.concat %cos, %sin {axis = 2 : i64} : (tensor<?x?x1xf32>, tensor<?x?x1xf32>) -> tensor<?x?x2xf32>
  %y = decoder.rope %x, %both {heads = 2 : i64} : (tensor<?x?x4xf32>, tensor<?x?x2xf32>) -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}
