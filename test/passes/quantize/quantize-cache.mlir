// RUN: ingot-opt %s -quantize-cache='type=f16' | FileCheck %s
// RUN: ingot-opt %s -quantize-cache | FileCheck %s --check-prefix=KEEP
// RUN: not ingot-opt %s -quantize-cache='type=int3' 2>&1 | FileCheck %s --check-prefix=BAD

// CHECK: decoder.cache_group @g0 {{.*}}type = f16
// KEEP: decoder.cache_group @g0 {{.*}}type = f32
// BAD: KV cache type 'int3': expected f32 or f16
decoder.cache_group @g0 {layers = 1, kv_heads = 1, key_dim = 16, value_dim = 16, type = f32}
