// RUN: ingot-opt %s -plan-steps -verify-plan | FileCheck %s

// %a, %b, %c: %a dies with the second launch, so %c takes its bytes; the body's result stays for the head; the head's is the logits.
plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0}
weights.source @s {file = "w", offset = 0, length = 64} : tensor<16xf32>
weights.recipe @w { %0 = weights.load @s : tensor<16xf32> %1 = weights.pack %0 rows : (tensor<16xf32>) -> tensor<16xf32> weights.yield %1 : tensor<16xf32> }
plan.weight @w.packed @w {layout = "rows.f32", offset = 0, size = 64, rows = 16, cols = 1}
func.func @body(%tok: tensor<?xi32>, %pos: tensor<?xi32>) -> tensor<?x20xf32> {
  %a = plan.launch "first"(%tok) {weights = [], prepare = [], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 0, prepare_private_rows = 0, ops_per_row = 0} : (tensor<?xi32>) -> tensor<?x20xf32>
  %b = plan.launch "second"(%a) {weights = [@w], layer = 2, prepare = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 128, prepare_private_rows = 4, ops_per_row = 10} : (tensor<?x20xf32>) -> tensor<?x20xf32>
  %c = plan.launch "third"(%b) {weights = [], prepare = [], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 0, prepare_private_rows = 0, ops_per_row = 0} : (tensor<?x20xf32>) -> tensor<?x20xf32>
  return %c : tensor<?x20xf32>
}
func.func @head(%z: tensor<?x20xf32>) -> tensor<?x8xf32> {
  %l = plan.launch "logits"(%z) {weights = [], prepare = [], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 0, prepare_private_rows = 0, ops_per_row = 0} : (tensor<?x20xf32>) -> tensor<?x8xf32>
  return %l : tensor<?x8xf32>
}
// CHECK: plan.program cpu attributes {q_tile_rows = 1 : i64}
// CHECK: plan.kernel @k
// CHECK-DAG: plan.buffer @b0_first body {bytes_per_row = 128 : i64, offset_per_row = 0 : i64}
// CHECK-DAG: plan.buffer @b1_second body {bytes_per_row = 128 : i64, offset_per_row = 128 : i64}
// CHECK-DAG: plan.buffer @b2_third body {bytes_per_row = 128 : i64, offset_per_row = 0 : i64}
// CHECK: plan.entry body attributes {arena_bytes_per_row = 256 : i64}
// CHECK: plan.step "second" {bindings = [#plan.binding<buffer : @b0_first>, #plan.binding<weight : @w.packed>, #plan.binding<buffer : @b1_second>, #plan.binding<prepared>, #plan.binding<immediate = 2>]
// CHECK-SAME: weight_bytes = 64
// CHECK: plan.entry head
// CHECK: plan.step "logits" {bindings = [#plan.binding<buffer : @b2_third>, #plan.binding<logits>]
// CHECK-NOT: func.func
