// RUN: ingot-opt %s -pass-pipeline='builtin.module(func.func(merge-gate))' | FileCheck %s

weights.source @a {file = "w", offset = 0, length = 640} : tensor<20x8xf32>
weights.source @b {file = "w", offset = 640, length = 640} : tensor<20x8xf32>
weights.recipe @gate { %0 = weights.load @a : tensor<20x8xf32> weights.yield %0 : tensor<20x8xf32> }
weights.recipe @up { %0 = weights.load @b : tensor<20x8xf32> weights.yield %0 : tensor<20x8xf32> }

// CHECK-LABEL: weights.recipe @gate_and_up
// CHECK: weights.pad_rows {{.*}} -> tensor<32x8xf32>
// CHECK: weights.permute_rows {{.*}}extents = array<i64: 2, 2, 16>, strides = array<i64: 16, 32, 1>
// CHECK-LABEL: func.func @gated
// CHECK: %[[L:.*]] = decoder.linear {{.*}}, @gate_and_up : (tensor<?x8xf32>) -> tensor<?x64xf32>
// CHECK: decoder.gate silu %[[L]] {block = 16 : i64} : (tensor<?x64xf32>) -> tensor<?x20xf32>
func.func @gated(%x: tensor<?x8xf32>) -> tensor<?x20xf32> {
  %g = decoder.linear %x, @gate : (tensor<?x8xf32>) -> tensor<?x20xf32>
  %u = decoder.linear %x, @up : (tensor<?x8xf32>) -> tensor<?x20xf32>
  %s = decoder.act silu %g : (tensor<?x20xf32>) -> tensor<?x20xf32>
  %h = decoder.mul %u, %s : (tensor<?x20xf32>, tensor<?x20xf32>) -> tensor<?x20xf32>
  return %h : tensor<?x20xf32>
}

// Linears of different rows stay two.
// CHECK-LABEL: func.func @other_rows
// CHECK-NOT: decoder.gate
func.func @other_rows(%x: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x20xf32> {
  %g = decoder.linear %x, @gate : (tensor<?x8xf32>) -> tensor<?x20xf32>
  %u = decoder.linear %y, @up : (tensor<?x8xf32>) -> tensor<?x20xf32>
  %s = decoder.act silu %g : (tensor<?x20xf32>) -> tensor<?x20xf32>
  %h = decoder.mul %u, %s : (tensor<?x20xf32>, tensor<?x20xf32>) -> tensor<?x20xf32>
  return %h : tensor<?x20xf32>
}

// Gate and up that one linear brings as a split are taken apart and alternate, too.
// CHECK-LABEL: func.func @packed
// CHECK: decoder.linear {{.*}} : (tensor<?x8xf32>) -> tensor<?x32xf32>
// CHECK-NEXT: decoder.gate silu {{.*}} {block = 16 : i64} : (tensor<?x32xf32>) -> tensor<?x10xf32>
func.func @packed(%x: tensor<?x8xf32>) -> tensor<?x10xf32> {
  %l = decoder.linear %x, @gate : (tensor<?x8xf32>) -> tensor<?x20xf32>
  %g, %u = decoder.split %l [10, 10] : (tensor<?x20xf32>) -> (tensor<?x10xf32>, tensor<?x10xf32>)
  %s = decoder.act silu %g : (tensor<?x10xf32>) -> tensor<?x10xf32>
  %h = decoder.mul %s, %u : (tensor<?x10xf32>, tensor<?x10xf32>) -> tensor<?x10xf32>
  return %h : tensor<?x10xf32>
}
