// Each rule of VerifyInfer.cpp, broken once.
// RUN: ingot-opt %s -verify-infer -split-input-file -verify-diagnostics

// expected-error@+1 {{needs one decoder.limits after infer}}
module {
}

// -----

decoder.limits {max_context = 4 : i64, relaxations = []}
// expected-error@+1 {{is left in the module after infer}}
func.func @main() { return }

// -----

decoder.limits {max_context = 4 : i64, relaxations = []}
// expected-error@+1 {{has another signature than rows form wants}}
func.func @body(%ids: tensor<?xi64>, %positions: tensor<?xi64>) -> tensor<?xi64> { return %ids : tensor<?xi64> }
func.func @head(%z: tensor<?x4xf32>) -> tensor<?x4xf32> { return %z : tensor<?x4xf32> }

// -----

decoder.limits {max_context = 4 : i64, relaxations = []}
func.func @body(%ids: tensor<?xi32>, %positions: tensor<?xi32>) -> tensor<?x4xf32> {
  // expected-error@+1 {{names @nothing, which is no recipe}}
  %x = decoder.embed %ids, @nothing : (tensor<?xi32>) -> tensor<?x4xf32>
  return %x : tensor<?x4xf32>
}
func.func @head(%z: tensor<?x4xf32>) -> tensor<?x4xf32> { return %z : tensor<?x4xf32> }

// -----

decoder.limits {max_context = 4 : i64, relaxations = []}
weights.recipe @w { %0 = weights.constant dense<0.5> : tensor<8x4xf32> weights.yield %0 : tensor<8x4xf32> }
func.func @body(%ids: tensor<?xi32>, %positions: tensor<?xi32>) -> tensor<?x4xf32> {
  %x = decoder.embed %ids, @w : (tensor<?xi32>) -> tensor<?x4xf32>
  // expected-error@+1 {{has a weight of type 'tensor<8x4xf32>'}}
  %y = decoder.linear %x, @w : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
func.func @head(%z: tensor<?x4xf32>) -> tensor<?x4xf32> { return %z : tensor<?x4xf32> }

// -----

decoder.limits {max_context = 4 : i64, relaxations = []}
weights.recipe @w { %0 = weights.constant dense<0.5> : tensor<8x4xf32> weights.yield %0 : tensor<8x4xf32> }
func.func @body(%ids: tensor<?xi32>, %positions: tensor<?xi32>) -> tensor<?x4xf32> {
  // expected-error@+1 {{has a result that is no rows [?, n] of f32}}
  %x = decoder.embed %ids, @w : (tensor<?xi32>) -> tensor<?x4xf16>
  %y = decoder.embed %ids, @w : (tensor<?xi32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
func.func @head(%z: tensor<?x4xf32>) -> tensor<?x4xf32> { return %z : tensor<?x4xf32> }

// -----

decoder.limits {max_context = 4 : i64, relaxations = []}
weights.recipe @w { %0 = weights.constant dense<0.5> : tensor<8x4xf32> weights.yield %0 : tensor<8x4xf32> }
func.func @body(%ids: tensor<?xi32>, %positions: tensor<?xi32>) -> tensor<?x4xf32> {
  %y = decoder.embed %ids, @w : (tensor<?xi32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
// expected-error@+1 {{must begin with decoder.take_rows}}
func.func @head(%z: tensor<?x4xf32>) -> tensor<?x4xf32> { return %z : tensor<?x4xf32> }

// -----

decoder.limits {max_context = 4 : i64, relaxations = []}
decoder.cache_group @g0 {layers = 1, kv_heads = 1, key_dim = 4, value_dim = 4, type = f32}
weights.recipe @w { %0 = weights.constant dense<0.5> : tensor<8x4xf32> weights.yield %0 : tensor<8x4xf32> }
func.func @body(%ids: tensor<?xi32>, %positions: tensor<?xi32>) -> tensor<?x4xf32> {
  %x = decoder.embed %ids, @w : (tensor<?xi32>) -> tensor<?x4xf32>
  %a = decoder.attention %x, %x, %x {cache = @g0, layer = 0 : i64, heads = 1 : i64, kv_heads = 1 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // expected-error@+1 {{shares its layer with another attention}}
  %b = decoder.attention %a, %x, %x {cache = @g0, layer = 0 : i64, heads = 1 : i64, kv_heads = 1 : i64, mask = #decoder.mask<causal>, scale = 0.5 : f32} : (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %b : tensor<?x4xf32>
}
func.func @head(%z: tensor<?x4xf32>) -> tensor<?x4xf32> { return %z : tensor<?x4xf32> }

// -----

decoder.limits {max_context = 4 : i64, relaxations = []}
// expected-error@+1 {{has no attention for layer 0}}
decoder.cache_group @g0 {layers = 1, kv_heads = 1, key_dim = 4, value_dim = 4, type = f32}
weights.recipe @w { %0 = weights.constant dense<0.5> : tensor<8x4xf32> weights.yield %0 : tensor<8x4xf32> }
func.func @body(%ids: tensor<?xi32>, %positions: tensor<?xi32>) -> tensor<?x4xf32> {
  %y = decoder.embed %ids, @w : (tensor<?xi32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
func.func @head(%z: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %r = decoder.take_rows %z : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %r : tensor<?x4xf32>
}
