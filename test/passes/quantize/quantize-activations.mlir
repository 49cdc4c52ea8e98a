// RUN: ingot-opt %s -quantize-activations | FileCheck %s --check-prefixes=CHECK,AUTO
// RUN: ingot-opt %s -quantize-activations='activations=f32' | FileCheck %s --check-prefixes=CHECK,F32
// RUN: ingot-opt %s -quantize-activations='activations=int8' | FileCheck %s --check-prefixes=CHECK,INT8

weights.source @q {file = "w", offset = 0, length = 512} : tensor<16x2x16xui8>
weights.source @d {file = "w", offset = 4608, length = 128} : tensor<16x2xf32>
weights.source @q96 {file = "w", offset = 16384, length = 1536} : tensor<16x2x48xui8>
weights.source @d96 {file = "w", offset = 20480, length = 128} : tensor<16x2xf32>
weights.recipe @grid96 {
  %0 = weights.load @q96 : tensor<16x2x48xui8>
  %1 = weights.load @d96 : tensor<16x2xf32>
  %2 = weights.dequant %0, %1 {bits = 4, block = 96} : (tensor<16x2x48xui8>, tensor<16x2xf32>) -> tensor<16x192xf32, #weights.grid<bits = 4, group = 96, zero = symmetric, scale = f32>>
  weights.yield %2 : tensor<16x192xf32, #weights.grid<bits = 4, group = 96, zero = symmetric, scale = f32>>
}
weights.source @f {file = "w", offset = 8192, length = 4096} : tensor<16x64xf32>
weights.recipe @float { %0 = weights.load @f : tensor<16x64xf32> weights.yield %0 : tensor<16x64xf32> }
weights.recipe @grid {
  %0 = weights.load @q : tensor<16x2x16xui8>
  %1 = weights.load @d : tensor<16x2xf32>
  %2 = weights.dequant %0, %1 {bits = 4, block = 32} : (tensor<16x2x16xui8>, tensor<16x2xf32>) -> tensor<16x64xf32, #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f32>>
  weights.yield %2 : tensor<16x64xf32, #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f32>>
}
// The graph's accuracy_level 4 welcomes int8; without it the file's grid meets f32; float weights always do.
// CHECK-LABEL: func.func @body
// CHECK: decoder.launch @welcome
// AUTO-SAME: #decoder.num<activations = int8, group = 32>
// INT8-SAME: #decoder.num<activations = int8, group = 32>
// F32-SAME: #decoder.num<activations = f32>
// CHECK: decoder.launch @silent
// AUTO-SAME: #decoder.num<activations = f32>
// INT8-SAME: #decoder.num<activations = int8, group = 32>
// F32-SAME: #decoder.num<activations = f32>
// CHECK: decoder.launch @float
// CHECK-SAME: #decoder.num<activations = f32>
// CHECK-NOT: accuracy_level = 4
func.func @body(%x: tensor<?x64xf32>) {
  %0 = decoder.launch @welcome (%a = %x : tensor<?x64xf32>) -> tensor<?x16xf32> {
    %y = decoder.linear %a, @grid {accuracy_level = 4} : (tensor<?x64xf32>) -> tensor<?x16xf32>
    decoder.yield %y : tensor<?x16xf32>
  }
  %1 = decoder.launch @silent (%a = %x : tensor<?x64xf32>) -> tensor<?x16xf32> {
    %y = decoder.linear %a, @grid : (tensor<?x64xf32>) -> tensor<?x16xf32>
    decoder.yield %y : tensor<?x16xf32>
  }
  %2 = decoder.launch @float (%a = %x : tensor<?x64xf32>) -> tensor<?x16xf32> {
    %y = decoder.linear %a, @float {accuracy_level = 4} : (tensor<?x64xf32>) -> tensor<?x16xf32>
    decoder.yield %y : tensor<?x16xf32>
  }
  return
}

// A block that no layout has is packed as pieces of 32, and so are the activations.
// CHECK-LABEL: func.func @odd_block
// AUTO: #decoder.num<activations = int8, group = 32>
func.func @odd_block(%x: tensor<?x192xf32>) {
  %0 = decoder.launch @welcome (%a = %x : tensor<?x192xf32>) -> tensor<?x16xf32> {
    %y = decoder.linear %a, @grid96 {accuracy_level = 4} : (tensor<?x192xf32>) -> tensor<?x16xf32>
    decoder.yield %y : tensor<?x16xf32>
  }
  return
}
