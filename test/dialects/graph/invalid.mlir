// RUN: ingot-opt %s -split-input-file -verify-diagnostics
// What verifiers refuse: types that inference contradicts, and the rules it does not cover.

func.func @broadcast(%x: tensor<3xf32>, %y: tensor<4xf32>) {
  // expected-error @+2 {{operands do not broadcast}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.binary add %x, %y : (tensor<3xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @elements(%x: tensor<4xf32>, %y: tensor<4xf16>) {
  // expected-error @+1 {{different element types}}
  %0 = graph.binary add %x, %y : (tensor<4xf32>, tensor<4xf16>) -> tensor<4xf32>
  return
}

// -----

func.func @known_differently(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{incompatible with return type}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.unary exp %x : (tensor<?x4xf32>) -> tensor<?x5xf32>
  return
}

// -----

func.func @reshape(%x: tensor<6xf32>) {
  %shape = graph.constant dense<[4, -1]> : tensor<2xi64>
  // expected-error @+2 {{cannot reshape}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.reshape %x, %shape : (tensor<6xf32>, tensor<2xi64>) -> tensor<4x?xf32>
  return
}

// -----

func.func @permutation(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{not a permutation}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.transpose %x [0, 0] : (tensor<2x3xf32>) -> tensor<2x2xf32>
  return
}

// -----

func.func @contracted(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) {
  // expected-error @+2 {{contracted dims differ}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.matmul %x, %y : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @axis(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{axis 2 is outside of}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = graph.softmax %x {axis = 2 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @branches(%c: tensor<i1>, %x: tensor<2xf32>) {
  // expected-error @+1 {{yields other types than its results}}
  %0 = graph.if %c : (tensor<i1>) -> tensor<2xf32> {
    graph.yield %x : tensor<2xf32>
  } else {
    graph.yield %c : tensor<i1>
  }
  return
}
