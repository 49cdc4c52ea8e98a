// Every arithmetic op becomes its PTX instruction; floats are neither fused nor flushed.
// RUN: ingot-ptx %s | FileCheck %s

module {
// CHECK-LABEL: .visible .entry mma(
module @mma {
  func.func @mma(%a: i32, %b: i32, %to: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %f = arith.constant 0.0 : f32
    %i = arith.constant 0 : i32
    // CHECK: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
    %d:4 = ptx.mma f16 (%a, %b, %b, %a) (%a, %b) (%f, %f, %f, %f) : f32, f32, f32, f32 -> f32, f32, f32, f32
    // CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
    %e:4 = ptx.mma bf16 (%a, %b, %b, %a) (%a, %b) (%d#0, %d#1, %d#2, %d#3) : f32, f32, f32, f32 -> f32, f32, f32, f32
    // CHECK: mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32
    %g:4 = ptx.mma s8s8 (%a, %b, %b, %a) (%a, %b) (%i, %i, %i, %i) : i32, i32, i32, i32 -> i32, i32, i32, i32
    // CHECK: mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32
    %h:4 = ptx.mma u8s8 (%a, %b, %b, %a) (%a, %b) (%g#0, %g#1, %g#2, %g#3) : i32, i32, i32, i32 -> i32, i32, i32, i32
    ptx.store %to, %e#0, %e#1, %e#2, %e#3 : !llvm.ptr, f32, f32, f32, f32
    %next = llvm.getelementptr %to[16] : (!llvm.ptr) -> !llvm.ptr, i8
    ptx.store %next, %h#0, %h#1, %h#2, %h#3 : !llvm.ptr, i32, i32, i32, i32
    return
  }
}

// CHECK-LABEL: .visible .entry words(
module @words {
  func.func @words(%a: i32, %b: i32, %x: f32, %y: f32, %to: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    // CHECK: dp4a.s32.s32
    // CHECK: ld.param.f32 [[X:%f[0-9]+]], [words_param_2];
    %c = ptx.dp4a ss %a, %b, %b : i32
    // CHECK: dp4a.u32.s32
    %d = ptx.dp4a us %c, %b, %b : i32
    // CHECK: ld.param.f32 [[Y:%f[0-9]+]], [words_param_3];
    // CHECK: dp4a.s32.u32
    %e = ptx.dp4a su %d, %b, %b : i32
    // CHECK: dp4a.u32.u32
    %f = ptx.dp4a uu %e, %b, %b : i32
    // The high half comes first in PTX.
    // CHECK: cvt.rn.f16x2.f32 %r{{[0-9]+}}, [[Y]], [[X]];
    %g = ptx.pack f16 %x, %y : i32
    // CHECK: cvt.rn.bf16x2.f32 %r{{[0-9]+}}, [[Y]], [[X]];
    %h = ptx.pack bf16 %x, %y : i32
    // CHECK: cvt.pack.sat.s8.s32.b32
    %i = ptx.pack_s8 %f, %g, %h : i32
    // CHECK: add.rn.f16x2
    %j = ptx.pair_add %i, %h : i32
    // CHECK: fma.rn.f16x2
    %k = ptx.pair_fma f16 %j, %h, %g : i32
    // CHECK: fma.rn.bf16x2
    %l = ptx.pair_fma bf16 %k, %h, %g : i32
    // CHECK: prmt.b32
    %m = ptx.prmt %l, %h, %g : i32
    // CHECK: lop3.b32 %r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}, 234;
    %n = ptx.lop3 %m, %h, %g, 234 : i32
    ptx.store %to, %n : !llvm.ptr, i32
    return
  }
}

// CHECK-LABEL: .visible .entry words_float(
module @words_float {
  func.func @words_float(%x: f32, %y: f32, %to: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    // CHECK: ex2.approx.f32
    %a = ptx.approx ex2 %x : f32
    // CHECK: lg2.approx.f32
    %b = ptx.approx lg2 %a : f32
    // CHECK: rcp.approx.f32
    %c = ptx.approx rcp %b : f32
    // CHECK: rsqrt.approx.f32
    %d = ptx.approx rsqrt %c : f32
    // CHECK: tanh.approx.f32
    %e = ptx.approx tanh %d : f32
    // CHECK: mul.rn.f32
    %f = arith.mulf %e, %y : f32
    // CHECK: add.rn.f32
    %g = arith.addf %f, %y : f32
    // CHECK: div.rn.f32
    %h = arith.divf %g, %y : f32
    // CHECK: sqrt.rn.f32
    %i = llvm.intr.sqrt(%h) : (f32) -> f32
    // CHECK: fma.rn.f32
    %j = llvm.intr.fma(%i, %x, %y) : (f32, f32, f32) -> f32
    ptx.store %to, %j : !llvm.ptr, f32
    return
  }
}
}
