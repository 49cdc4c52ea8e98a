// RUN: not ingot-opt %s -verify-fuse -split-input-file 2>&1 | FileCheck %s

// CHECK: is left outside a launch
func.func @body(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %s = decoder.scale %x {factor = 2.0 : f32} : (tensor<?x32xf32>) -> tensor<?x32xf32>
  return %s : tensor<?x32xf32>
}

// -----

// CHECK: is of another layer than its launch
decoder.cache_group @g0 {layers = 2, kv_heads = 1, key_dim = 16, value_dim = 16, type = f32}
func.func @body(%k: tensor<?x16xf32>) {
  decoder.launch @l (%a = %k : tensor<?x16xf32>) {
    decoder.append %a, %a {cache = @g0, layer = 0} : tensor<?x16xf32>, tensor<?x16xf32>
    decoder.append %a, %a {cache = @g0, layer = 1} : tensor<?x16xf32>, tensor<?x16xf32>
    decoder.yield
  }
  return
}
