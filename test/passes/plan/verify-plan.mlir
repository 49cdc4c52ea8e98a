// RUN: not ingot-opt %s -verify-plan -split-input-file 2>&1 | FileCheck %s

// CHECK: needs one program
plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0}

// -----

// CHECK: needs one entry for the body and one for the head
plan.program cpu attributes {q_tile_rows = 1} {
  plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0}
}

// -----

// CHECK: binds #plan.binding<buffer : @gone>, which does not exist
plan.program cpu attributes {q_tile_rows = 1} {
  plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0}
  plan.entry body attributes {arena_bytes_per_row = 0} {
    plan.step "s" {bindings = [#plan.binding<buffer : @gone>], prepare = [], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 0, prepare_private_rows = 0, weight_bytes = 0, ops_per_row = 0}
  }
}

// -----

// CHECK: names an unknown kernel
plan.program cuda attributes {q_tile_rows = 1} {
  plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0, block_threads = 128, block_items = 1}
  plan.entry body attributes {arena_bytes_per_row = 0} {
    plan.step "s" {bindings = [#plan.binding<prepared>], prepare = [], main = [#plan.variant<max_rows = 4294967295, kernel = @k, grid = rows, units = 1, per = 1, streams = 0>], finish = [#plan.variant<max_rows = 4294967295, kernel = @gone, grid = rows, units = 1, per = 1, streams = 0>], prepared_bytes_per_row = 0, partial_bytes = 64, prepare_private_rows = 0, weight_bytes = 0, ops_per_row = 0}
  }
}

// -----

// CHECK: binds #plan.binding<weight : @k>, which does not exist
plan.program cpu attributes {q_tile_rows = 1} {
  plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0}
  plan.entry body attributes {arena_bytes_per_row = 0} {
    plan.step "s" {bindings = [#plan.binding<weight : @k>], prepare = [], main = [], prepared_bytes_per_row = 0, prepare_private_rows = 0, weight_bytes = 0, ops_per_row = 0}
  }
}

// -----

// CHECK: is for a CTA of 2048 threads, 1 items and 0 bytes of shared memory
plan.program cuda attributes {q_tile_rows = 1} {
  plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0, block_threads = 2048, block_items = 1}
}

// -----

// CHECK: is for a CTA of 128 threads, 1 items and 102400 bytes of shared memory
plan.program cuda attributes {q_tile_rows = 1} {
  plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0, block_threads = 128, block_items = 1, shared_bytes = 102400}
}

// -----

// CHECK: has the shape of a CTA
plan.program cpu attributes {q_tile_rows = 1} {
  plan.kernel @k {hash = 1 : ui64, scratch_bytes = 0, block_threads = 128}
}
