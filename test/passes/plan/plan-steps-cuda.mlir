// RUN: ingot-opt %s -plan-steps='target=cuda query-tile-rows=16' -verify-plan | FileCheck %s
// RUN: not ingot-opt %s -plan-steps='target=tpu' 2>&1 | FileCheck %s --check-prefix=TPU

// A program for CUDA: kernels keep the shape of their CTAs; a finish grid gets the `prepared` slot for partial results.
plan.kernel @k {hash = 1 : ui64, scratch_bytes = 256, block_threads = 128, block_items = 2, shared_bytes = 4096}
func.func @body(%tok: tensor<?xi32>) -> tensor<?x16xf32> {
  %a = plan.launch "attend"(%tok) {weights = [], layer = 3, prepare = [], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = q_tiles, units = 4, per = 1, streams = 0>], finish = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 4, per = 1, streams = 0>], prepared_bytes_per_row = 0, partial_bytes = 192, prepare_private_rows = 0, ops_per_row = 0} : (tensor<?xi32>) -> tensor<?x16xf32>
  return %a : tensor<?x16xf32>
}
func.func @head(%z: tensor<?x16xf32>) -> tensor<?x8xf32> {
  %l = plan.launch "logits"(%z) {weights = [], prepare = [], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 0, prepare_private_rows = 0, ops_per_row = 0} : (tensor<?x16xf32>) -> tensor<?x8xf32>
  return %l : tensor<?x8xf32>
}
// CHECK: plan.program cuda attributes {q_tile_rows = 16 : i64} {
// CHECK: plan.kernel @k {block_items = 2 : i64, block_threads = 128 : i64, hash = 1 : ui64, scratch_bytes = 256 : i64, shared_bytes = 4096 : i64}
// CHECK: plan.step "attend" {bindings = [#plan.binding<buffer : @b0_attend>, #plan.binding<prepared>, #plan.binding<immediate = 3>], finish = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 4
// CHECK-SAME: partial_bytes = 192
// TPU: plans for cpu or cuda, not for 'tpu'
