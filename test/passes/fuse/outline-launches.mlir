// RUN: ingot-opt %s -pass-pipeline='builtin.module(func.func(outline-launches))' | FileCheck %s

weights.source @a {file = "w", offset = 0, length = 4096} : tensor<32x32xf32>
weights.source @b {file = "w", offset = 4096, length = 128} : tensor<32xf32>
weights.recipe @w { %0 = weights.load @a : tensor<32x32xf32> weights.yield %0 : tensor<32x32xf32> }
weights.recipe @g { %0 = weights.load @b : tensor<32xf32> weights.yield %0 : tensor<32xf32> }

// A norm that only linears read is repeated in each launch; the sum is an epilogue and a result that is read again.
// CHECK-LABEL: func.func @two_linears
// CHECK: decoder.launch @linear (%[[X:.*]] = %arg0
// CHECK-NEXT: %[[N:.*]] = decoder.norm rms %[[X]]
// CHECK-NEXT: %[[L:.*]] = decoder.linear %[[N]], @w
// CHECK-NEXT: %[[S:.*]] = decoder.add %[[X]], %[[L]]
// CHECK-NEXT: decoder.yield %[[S]]
// CHECK: decoder.launch @linear
// CHECK-NEXT: decoder.norm rms
// CHECK-NEXT: decoder.linear
// CHECK-NOT: decoder.launch
func.func @two_linears(%x: tensor<?x32xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  %n = decoder.norm rms %x {gain = @g, eps = 1.0e-6 : f32} : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %a = decoder.linear %n, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %s = decoder.add %x, %a : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %b = decoder.linear %n, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
  return %s, %b : tensor<?x32xf32>, tensor<?x32xf32>
}

// An operand that is made behind the root cannot be fused: the sum becomes a row program.
// CHECK-LABEL: func.func @late_operand
// CHECK: decoder.launch @linear
// CHECK: decoder.launch @linear
// CHECK-NEXT: decoder.linear
// CHECK-NEXT: decoder.add
func.func @late_operand(%x: tensor<?x32xf32>, %y: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %a = decoder.linear %x, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %b = decoder.linear %y, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %s = decoder.add %a, %b : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  return %s : tensor<?x32xf32>
}

// Row programs that stand side by side share a launch.
// CHECK-LABEL: func.func @rows
// CHECK: decoder.launch @rows
// CHECK-NEXT: decoder.norm
// CHECK-NEXT: decoder.scale
// CHECK-NOT: decoder.launch
func.func @rows(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %n = decoder.norm rms %x {gain = @g, eps = 1.0e-6 : f32} : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %s = decoder.scale %n {factor = 2.0 : f32} : (tensor<?x32xf32>) -> tensor<?x32xf32>
  return %s : tensor<?x32xf32>
}

// Angles that the graph makes late come first, so that rope can be an epilogue.
// CHECK-LABEL: func.func @late_angles
// CHECK: decoder.launch @rows
// CHECK-NEXT: decoder.angles
// CHECK: decoder.launch @linear
// CHECK-NEXT: decoder.linear
// CHECK-NEXT: decoder.rope
// CHECK-NOT: decoder.launch
func.func @late_angles(%pos: tensor<?xi32>, %x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %l = decoder.linear %x, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %a = decoder.angles %pos {freq = array<f32: 1.0, 0.5>} : (tensor<?xi32>) -> tensor<?x4xf32>
  %r = decoder.rope %l, %a {heads = 2} : (tensor<?x32xf32>, tensor<?x4xf32>) -> tensor<?x32xf32>
  return %r : tensor<?x32xf32>
}

// What does not fit the unit is no epilogue: heads of 24 need 48 columns at once, and 72 are no multiple of that. An append whose
// keys and values come from two linears is a row program.
decoder.cache_group @g0 {layers = 1, kv_heads = 1, key_dim = 32, value_dim = 32, type = f32}
weights.source @c {file = "w", offset = 8192, length = 9216} : tensor<72x32xf32>
weights.recipe @w72 { %0 = weights.load @c : tensor<72x32xf32> weights.yield %0 : tensor<72x32xf32> }
// CHECK-LABEL: func.func @odd_heads
// CHECK: decoder.launch @linear
// CHECK-NEXT: decoder.linear {{.*}}, @w72
// CHECK-NEXT: decoder.yield
// CHECK: decoder.launch @rows
// CHECK-NEXT: decoder.rope
func.func @odd_heads(%x: tensor<?x32xf32>, %a: tensor<?x24xf32>) -> tensor<?x72xf32> {
  %l = decoder.linear %x, @w72 : (tensor<?x32xf32>) -> tensor<?x72xf32>
  %r = decoder.rope %l, %a {heads = 3} : (tensor<?x72xf32>, tensor<?x24xf32>) -> tensor<?x72xf32>
  return %r : tensor<?x72xf32>
}
// CHECK-LABEL: func.func @two_sources
// CHECK: decoder.launch @linear
// CHECK: decoder.launch @linear
// CHECK: decoder.launch @append
// CHECK-NEXT: decoder.append
func.func @two_sources(%x: tensor<?x32xf32>, %y: tensor<?x32xf32>) {
  %k = decoder.linear %x, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %v = decoder.linear %y, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
  decoder.append %k, %v {cache = @g0, layer = 0} : tensor<?x32xf32>, tensor<?x32xf32>
  return
}
// Rows share a launch with the row-wise ops beside them.
// CHECK-LABEL: func.func @region
// CHECK: decoder.launch @linear
// CHECK: decoder.launch @rows
// CHECK-NEXT: decoder.rows
// CHECK: decoder.norm rms
func.func @region(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %l = decoder.linear %x, @w : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %r = decoder.rows (%l : tensor<?x32xf32>) -> (tensor<?x32xf32>) {
  ^bb0(%i: tensor<4x8xf32>):
    %s = graph.softmax %i {axis = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
    decoder.yield %s : tensor<4x8xf32>
  }
  %n = decoder.norm rms %r {eps = 1.0e-5 : f32} : (tensor<?x32xf32>) -> tensor<?x32xf32>
  return %n : tensor<?x32xf32>
}
