// RUN: ingot-opt %s -quantize-cache='type=f16' | FileCheck %s
// RUN: ingot-opt %s -quantize-cache | FileCheck %s --check-prefix=KEEP
// RUN: ingot-opt %s -quantize-cache='type=bf16' | FileCheck %s --check-prefix=BRAIN
// RUN: not ingot-opt %s -quantize-cache='type=int3' 2>&1 | FileCheck %s --check-prefix=BAD

// CHECK: decoder.cache_group @g0 {{.*}}type = f16
// KEEP: decoder.cache_group @g0 {{.*}}type = f32
// KEEP: decoder.cache_group @g1 {{.*}}type = bf16
// BRAIN: decoder.cache_group @g0 {{.*}}type = bf16
// BAD: KV cache type 'int3': expected f32, f16 or bf16
decoder.cache_group @g0 {layers = 1, kv_heads = 1, key_dim = 16, value_dim = 16, type = f32}
decoder.cache_group @g1 {layers = 1, kv_heads = 1, key_dim = 16, value_dim = 16, type = bf16}
