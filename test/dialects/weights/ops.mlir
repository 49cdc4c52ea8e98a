// Every op of the weights dialect parses, verifies and prints the same again.
// RUN: ingot-opt %s | ingot-opt | FileCheck %s

#g = #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f16>

// CHECK: weights.source @w {file = "model.onnx.data", length = 16384 : i64, offset = 4096 : i64} : tensor<64x64xf32>
weights.source @w {file = "model.onnx.data", offset = 4096, length = 16384} : tensor<64x64xf32>
weights.source @q {file = "", offset = 0, length = 4096} : tensor<64x4x16xui8>
weights.source @s {file = "", offset = 4096, length = 512} : tensor<64x4xf16>
weights.source @z {file = "", offset = 4608, length = 128} : tensor<128xui8>
weights.source @h {file = "", offset = 4736, length = 8} : tensor<16xi4>

// CHECK-LABEL: weights.recipe @quantised {
// CHECK: weights.load @w : tensor<64x64xf32>
// CHECK: weights.transpose %{{.*}} [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
// CHECK: weights.slice %{{.*}} {axis = 0 : i64, begin = 16 : i64} : (tensor<64x64xf32>) -> tensor<32x64xf32>
// CHECK: weights.quantise %{{.*}} : (tensor<32x64xf32>) -> tensor<32x64xf32, #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f16>>
// CHECK: weights.permute_rows
// CHECK: weights.pad_rows
// CHECK: weights.concat
// CHECK: weights.pack %{{.*}} r16
weights.recipe @quantised {
  %0 = weights.load @w : tensor<64x64xf32>
  %1 = weights.transpose %0 [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
  %2 = weights.slice %1 {axis = 0, begin = 16} : (tensor<64x64xf32>) -> tensor<32x64xf32>
  %3 = weights.quantise %2 : (tensor<32x64xf32>) -> tensor<32x64xf32, #g>
  %4 = weights.permute_rows %3 {extents = array<i64: 2, 16>, strides = array<i64: 1, 2>} : (tensor<32x64xf32, #g>) -> tensor<32x64xf32, #g>
  %5 = weights.pad_rows %4 : (tensor<32x64xf32, #g>) -> tensor<40x64xf32, #g>
  %6 = weights.concat %5, %3 {axis = 0} : (tensor<40x64xf32, #g>, tensor<32x64xf32, #g>) -> tensor<72x64xf32, #g>
  %7 = weights.pack %6 r16 : (tensor<72x64xf32, #g>) -> tensor<72x64xf32, #g>
  weights.yield %7 : tensor<72x64xf32, #g>
}

// CHECK-LABEL: weights.recipe @imported {
// CHECK: weights.dequant %{{.*}}, %{{.*}}, %{{.*}} {bits = 4 : i64, block = 32 : i64} : (tensor<64x4x16xui8>, tensor<64x4xf16>, tensor<128xui8>) -> tensor<64x100xf32, #weights.grid<bits = 4, group = 32, zero = zero_point, scale = f32>>
weights.recipe @imported {
  %q = weights.load @q : tensor<64x4x16xui8>
  %s = weights.load @s : tensor<64x4xf16>
  %z = weights.load @z : tensor<128xui8>
  %w = weights.dequant %q, %s, %z {bits = 4, block = 32} : (tensor<64x4x16xui8>, tensor<64x4xf16>, tensor<128xui8>)
    -> tensor<64x100xf32, #weights.grid<bits = 4, group = 32, zero = zero_point, scale = f32>>
  weights.yield %w : tensor<64x100xf32, #weights.grid<bits = 4, group = 32, zero = zero_point, scale = f32>>
}

// CHECK-LABEL: weights.recipe @gain {
// CHECK: weights.constant dense<1.000000e+00> : tensor<16xf32>
// CHECK: weights.scale %{{.*}} {factor = 2.000000e+00 : f32}
// CHECK: weights.add_scalar %{{.*}} {addend = 1.000000e+00 : f32}
// CHECK: weights.cast %{{.*}} : (tensor<16xf32>) -> tensor<16xf16>
// CHECK: weights.reshape %{{.*}} : (tensor<16xf16>) -> tensor<4x4xf16>
// CHECK: weights.pack %{{.*}} rows
weights.recipe @gain {
  %0 = weights.constant dense<1.0> : tensor<16xf32>
  %1 = weights.scale %0 {factor = 2.0 : f32} : (tensor<16xf32>) -> tensor<16xf32>
  %2 = weights.add_scalar %1 {addend = 1.0 : f32} : (tensor<16xf32>) -> tensor<16xf32>
  %3 = weights.cast %2 : (tensor<16xf32>) -> tensor<16xf16>
  %4 = weights.reshape %3 : (tensor<16xf16>) -> tensor<4x4xf16>
  %5 = weights.pack %4 rows : (tensor<4x4xf16>) -> tensor<4x4xf16>
  weights.yield %5 : tensor<4x4xf16>
}
