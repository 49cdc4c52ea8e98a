// One case a rule of the verifiers (WeightsVerify.cpp).
// RUN: ingot-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{has 15 bytes, but its type needs 16}}
weights.source @w {file = "", offset = 0, length = 15} : tensor<4xf32>

// -----

// expected-error @+1 {{has a negative offset}}
weights.source @w {file = "", offset = -4, length = 16} : tensor<4xf32>

// -----

// expected-error @+1 {{needs static shapes}}
weights.source @w {file = "", offset = 0, length = 16} : tensor<?xf32>

// -----

// expected-error @+1 {{is too large}}
weights.source @w {file = "", offset = 0, length = 16} : tensor<4294967296x4294967296xf32>

// -----

weights.recipe @r {
  // expected-error @+1 {{names no weights.source: @none}}
  %0 = weights.load @none : tensor<4xf32>
  weights.yield %0 : tensor<4xf32>
}

// -----

weights.source @w {file = "", offset = 0, length = 16} : tensor<4xf32>
weights.recipe @r {
  // expected-error @+1 {{has another type than @w}}
  %0 = weights.load @w : tensor<2x2xf32>
  weights.yield %0 : tensor<2x2xf32>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<4x4xf32>
  // expected-error @+1 {{reads past its input}}
  %1 = weights.slice %0 {axis = 0, begin = 2} : (tensor<4x4xf32>) -> tensor<3x4xf32>
  weights.yield %1 : tensor<3x4xf32>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<4x4xf32>
  // expected-error @+1 {{has no such axis}}
  %1 = weights.slice %0 {axis = 2, begin = 0} : (tensor<4x4xf32>) -> tensor<3x4xf32>
  weights.yield %1 : tensor<3x4xf32>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<4x4xf32>
  // expected-error @+1 {{inputs do not add up to the result}}
  %1 = weights.concat %0, %0 {axis = 0} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<7x4xf32>
  weights.yield %1 : tensor<7x4xf32>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<4x2xf32>
  // expected-error @+1 {{is not a permutation of the axes}}
  %1 = weights.transpose %0 [1, 1] : (tensor<4x2xf32>) -> tensor<2x4xf32>
  weights.yield %1 : tensor<2x4xf32>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<4x2xf32>
  // expected-error @+1 {{changes the element count}}
  %1 = weights.reshape %0 : (tensor<4x2xf32>) -> tensor<3x3xf32>
  weights.yield %1 : tensor<3x3xf32>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<4x2xf32>
  // expected-error @+1 {{counts another number of rows than the result has}}
  %1 = weights.permute_rows %0 {extents = array<i64: 3>, strides = array<i64: 1>} : (tensor<4x2xf32>) -> tensor<4x2xf32>
  weights.yield %1 : tensor<4x2xf32>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<4x2xf32>
  // expected-error @+1 {{counts too far}}
  %1 = weights.permute_rows %0 {extents = array<i64: 4>, strides = array<i64: 9223372036854775807>} : (tensor<4x2xf32>) -> tensor<4x2xf32>
  weights.yield %1 : tensor<4x2xf32>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<4x2xf32>
  // expected-error @+1 {{drops rows}}
  %1 = weights.pad_rows %0 : (tensor<4x2xf32>) -> tensor<3x2xf32>
  weights.yield %1 : tensor<3x2xf32>
}

// -----

#g = #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f16>
weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<16x64xf32>
  %1 = weights.quantise %0 : (tensor<16x64xf32>) -> tensor<16x64xf32, #g>
  // expected-error @+1 {{cuts a group of the grid}}
  %2 = weights.slice %1 {axis = 1, begin = 16} : (tensor<16x64xf32, #g>) -> tensor<16x32xf32, #g>
  weights.yield %2 : tensor<16x32xf32, #g>
}

// -----

#g = #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f16>
#f = #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f32>
weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<16x64xf32>
  %1 = weights.quantise %0 : (tensor<16x64xf32>) -> tensor<16x64xf32, #f>
  // expected-error @+1 {{narrows the scales of a grid}}
  %2 = weights.pad_rows %1 : (tensor<16x64xf32, #f>) -> tensor<32x64xf32, #g>
  weights.yield %2 : tensor<32x64xf32, #g>
}

// -----

#g = #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f16>
weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<16x64xf32>
  // expected-error @+1 {{result has another grid than input}}
  %1 = weights.pad_rows %0 : (tensor<16x64xf32>) -> tensor<32x64xf32, #g>
  weights.yield %1 : tensor<32x64xf32, #g>
}

// -----

#g = #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f16>
weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<16x64xf32>
  // expected-error @+1 {{cannot make a grid}}
  %1 = weights.cast %0 : (tensor<16x64xf32>) -> tensor<16x64xf32, #g>
  weights.yield %1 : tensor<16x64xf32, #g>
}

// -----

#g = #weights.grid<bits = 4, group = 32, zero = zero_point, scale = f16>
weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<16x64xf32>
  // expected-error @+1 {{needs a result with a symmetric grid}}
  %1 = weights.quantise %0 : (tensor<16x64xf32>) -> tensor<16x64xf32, #g>
  weights.yield %1 : tensor<16x64xf32, #g>
}

// -----

// expected-error @+1 {{grids have 4 or 8 bits, not 3}}
#g = #weights.grid<bits = 3, group = 32, zero = symmetric, scale = f16>

// -----

#g = #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f32>
weights.recipe @r {
  %q = weights.constant dense<1> : tensor<2x2x16xui8>
  %s = weights.constant dense<1.0> : tensor<2x2xf32>
  %z = weights.constant dense<1> : tensor<2x1xui8>
  // expected-error @+1 {{gives a grid with zero = zero_point}}
  %w = weights.dequant %q, %s, %z {bits = 4, block = 32} : (tensor<2x2x16xui8>, tensor<2x2xf32>, tensor<2x1xui8>) -> tensor<2x64xf32, #g>
  weights.yield %w : tensor<2x64xf32, #g>
}

// -----

#g = #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f32>
weights.recipe @r {
  %q = weights.constant dense<1> : tensor<2x2x8xui8>
  %s = weights.constant dense<1.0> : tensor<2x2xf32>
  // expected-error @+1 {{cannot read quants of}}
  %w = weights.dequant %q, %s {bits = 4, block = 32} : (tensor<2x2x8xui8>, tensor<2x2xf32>) -> tensor<2x64xf32, #g>
  weights.yield %w : tensor<2x64xf32, #g>
}

// -----

#g = #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f32>
weights.recipe @r {
  %q = weights.constant dense<1> : tensor<2x2x16xui8>
  %s = weights.constant dense<1.0> : tensor<2x3xf32>
  // expected-error @+1 {{needs 2 float scales a row}}
  %w = weights.dequant %q, %s {bits = 4, block = 32} : (tensor<2x2x16xui8>, tensor<2x3xf32>) -> tensor<2x64xf32, #g>
  weights.yield %w : tensor<2x64xf32, #g>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1.0> : tensor<16x64xf32>
  // expected-error @+1 {{must be what the recipe yields}}
  %1 = weights.pack %0 r16 : (tensor<16x64xf32>) -> tensor<16x64xf32>
  %2 = weights.reshape %1 : (tensor<16x64xf32>) -> tensor<64x16xf32>
  weights.yield %2 : tensor<64x16xf32>
}

// -----

weights.recipe @r {
  %0 = weights.constant dense<1> : tensor<16x64xi32>
  // expected-error @+1 {{layout r16 holds [rows, cols] of f32, f16, bf16 or a grid}}
  %1 = weights.pack %0 r16 : (tensor<16x64xi32>) -> tensor<16x64xi32>
  weights.yield %1 : tensor<16x64xi32>
}

// -----

weights.recipe @r {
  // expected-error @+1 {{is larger than 64 KiB; use a source}}
  %0 = weights.constant dense<1.0> : tensor<16385xf32>
  weights.yield %0 : tensor<16385xf32>
}
