// RUN: not ingot-opt %s -verify-specialize -split-input-file 2>&1 | FileCheck %s

// CHECK: is not packed
weights.source @b {file = "w", offset = 0, length = 256} : tensor<64xf32>
weights.recipe @gain { %0 = weights.load @b : tensor<64xf32> weights.yield %0 : tensor<64xf32> }
decoder.limits {max_context = 8, relaxations = []}

// -----

// CHECK: needs one decoder.limits
module {}
