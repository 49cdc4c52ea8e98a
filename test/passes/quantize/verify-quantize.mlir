// RUN: not ingot-opt %s -verify-quantize -split-input-file 2>&1 | FileCheck %s

// CHECK: `num` goes with a linear root
weights.source @f {file = "w", offset = 0, length = 4096} : tensor<16x64xf32>
weights.recipe @float { %0 = weights.load @f : tensor<16x64xf32> weights.yield %0 : tensor<16x64xf32> }
func.func @body(%x: tensor<?x64xf32>) {
  %0 = decoder.launch @undecided (%a = %x : tensor<?x64xf32>) -> tensor<?x16xf32> {
    %y = decoder.linear %a, @float : (tensor<?x64xf32>) -> tensor<?x16xf32>
    decoder.yield %y : tensor<?x16xf32>
  }
  return
}

// -----

// CHECK: has int8 activations without an integer grid
weights.source @f {file = "w", offset = 0, length = 4096} : tensor<16x64xf32>
weights.recipe @float { %0 = weights.load @f : tensor<16x64xf32> weights.yield %0 : tensor<16x64xf32> }
func.func @body(%x: tensor<?x64xf32>) {
  %0 = decoder.launch @l (%a = %x : tensor<?x64xf32>) -> tensor<?x16xf32> attributes {num = #decoder.num<activations = int8, group = 32>} {
    %y = decoder.linear %a, @float : (tensor<?x64xf32>) -> tensor<?x16xf32>
    decoder.yield %y : tensor<?x16xf32>
  }
  return
}

// -----

// CHECK: use --kv-cache f32, f16 or bf16
decoder.cache_group @g0 {layers = 1, kv_heads = 1, key_dim = 16, value_dim = 16, type = f64}
