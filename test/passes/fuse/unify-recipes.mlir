// RUN: ingot-opt %s -unify-recipes | FileCheck %s

// Transposes cancel, and then the two recipes are equal: one symbol is left.
weights.source @s {file = "w", offset = 0, length = 512} : tensor<16x8xf32>
weights.recipe @embed { %0 = weights.load @s : tensor<16x8xf32> weights.yield %0 : tensor<16x8xf32> }
weights.recipe @head {
  %0 = weights.load @s : tensor<16x8xf32>
  %1 = weights.transpose %0 [1, 0] : (tensor<16x8xf32>) -> tensor<8x16xf32>
  %2 = weights.transpose %1 [1, 0] : (tensor<8x16xf32>) -> tensor<16x8xf32>
  weights.yield %2 : tensor<16x8xf32>
}
weights.recipe @unused { %0 = weights.load @s : tensor<16x8xf32> %1 = weights.scale %0 {factor = 2.0 : f32} : (tensor<16x8xf32>) -> tensor<16x8xf32> weights.yield %1 : tensor<16x8xf32> }
func.func @body(%tok: tensor<?xi32>, %pos: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<?x16xf32>) {
  %x = decoder.embed %tok, @embed : (tensor<?xi32>) -> tensor<?x8xf32>
  %y = decoder.linear %x, @head : (tensor<?x8xf32>) -> tensor<?x16xf32>
  return %x, %y : tensor<?x8xf32>, tensor<?x16xf32>
}
// CHECK: weights.recipe @embed
// CHECK-NOT: weights.recipe
// CHECK: decoder.embed {{.*}}, @embed
// CHECK: decoder.linear {{.*}}, @embed
