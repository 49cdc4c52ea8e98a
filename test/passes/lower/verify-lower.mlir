// RUN: not ingot-opt %s -verify-lower -split-input-file 2>&1 | FileCheck %s

// CHECK: names the unknown kernel @gone
func.func @body(%tok: tensor<?xi32>) -> tensor<?x4xf32> {
  %a = plan.launch "a"(%tok) {weights = [], prepare = [], main = [#plan.variant<max_rows = 4294967295, kernel = @gone, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 0, prepare_private_rows = 0, ops_per_row = 0} : (tensor<?xi32>) -> tensor<?x4xf32>
  return %a : tensor<?x4xf32>
}

// -----

// CHECK: has no kernel for large steps
plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0}
func.func @body(%tok: tensor<?xi32>) -> tensor<?x4xf32> {
  %a = plan.launch "a"(%tok) {weights = [], prepare = [], main = [#plan.variant<max_rows = 8, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 0, prepare_private_rows = 0, ops_per_row = 0} : (tensor<?xi32>) -> tensor<?x4xf32>
  return %a : tensor<?x4xf32>
}

// -----

// CHECK: has partial results that nobody adds up
plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0}
func.func @body(%tok: tensor<?xi32>) -> tensor<?x4xf32> {
  %a = plan.launch "a"(%tok) {weights = [], prepare = [], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 0, partial_bytes = 64, prepare_private_rows = 0, ops_per_row = 0} : (tensor<?xi32>) -> tensor<?x4xf32>
  return %a : tensor<?x4xf32>
}

// -----

// CHECK: has both a prepare and a finish grid
plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0}
func.func @body(%tok: tensor<?xi32>) -> tensor<?x4xf32> {
  %a = plan.launch "a"(%tok) {weights = [], prepare = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], finish = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 64, partial_bytes = 64, prepare_private_rows = 0, ops_per_row = 0} : (tensor<?xi32>) -> tensor<?x4xf32>
  return %a : tensor<?x4xf32>
}
