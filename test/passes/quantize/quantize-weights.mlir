// RUN: ingot-opt %s -quantize-weights='body=int4:64 head=int8' | FileCheck %s
// RUN: not ingot-opt %s -quantize-weights='body=int3' 2>&1 | FileCheck %s --check-prefix=BAD

// BAD: quantisation 'int3': expected none, int8 or int4

weights.source @s {file = "w", offset = 0, length = 4096} : tensor<16x64xf32>
weights.source @q {file = "w", offset = 4096, length = 512} : tensor<16x2x16xui8>
weights.source @d {file = "w", offset = 4608, length = 128} : tensor<16x2xf32>
weights.source @e {file = "w", offset = 8192, length = 4096} : tensor<16x64xf32>
weights.recipe @plain { %0 = weights.load @s : tensor<16x64xf32> weights.yield %0 : tensor<16x64xf32> }
weights.recipe @grid {
  %0 = weights.load @q : tensor<16x2x16xui8>
  %1 = weights.load @d : tensor<16x2xf32>
  %2 = weights.dequant %0, %1 {bits = 4, block = 32} : (tensor<16x2x16xui8>, tensor<16x2xf32>) -> tensor<16x64xf32, #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f32>>
  weights.yield %2 : tensor<16x64xf32, #weights.grid<bits = 4, group = 32, zero = symmetric, scale = f32>>
}
weights.recipe @tied { %0 = weights.load @e : tensor<16x64xf32> weights.yield %0 : tensor<16x64xf32> }

// Float weights get a grid; the file's own grid stays; a table that is the head's weight follows the head.
// CHECK-LABEL: weights.recipe @grid
// CHECK-NOT: weights.quantise
// CHECK-LABEL: weights.recipe @plain_1
// CHECK: weights.quantise {{.*}}bits = 4, group = 64, zero = symmetric, scale = f16
// CHECK-LABEL: weights.recipe @tied_1
// CHECK: weights.quantise {{.*}}bits = 8, group = 32, zero = symmetric, scale = f16
// CHECK-LABEL: func.func @body
// CHECK: decoder.embed {{.*}}, @tied_1
// CHECK: decoder.linear {{.*}}, @plain_1
// CHECK: decoder.linear {{.*}}, @grid :
// CHECK-LABEL: func.func @head
// CHECK: decoder.linear {{.*}}, @tied_1
func.func @body(%tok: tensor<?xi32>, %pos: tensor<?xi32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %x = decoder.embed %tok, @tied : (tensor<?xi32>) -> tensor<?x64xf32>
  %a = decoder.linear %x, @plain : (tensor<?x64xf32>) -> tensor<?x16xf32>
  %b = decoder.linear %x, @grid : (tensor<?x64xf32>) -> tensor<?x16xf32>
  return %a, %b : tensor<?x16xf32>, tensor<?x16xf32>
}
func.func @head(%z: tensor<?x64xf32>) -> tensor<?x16xf32> {
  %l = decoder.linear %z, @tied : (tensor<?x64xf32>) -> tensor<?x16xf32>
  return %l : tensor<?x16xf32>
}
