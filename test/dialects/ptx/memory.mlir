// Every op on memory becomes its PTX instruction; shared memory is declared once for all kernels.
// RUN: ingot-ptx %s | FileCheck %s

// CHECK: .address_size 64
// CHECK-NEXT: .extern .shared .align 16 .b8 ingot_shared[];
// CHECK-NOT: .extern

module {
// CHECK-LABEL: .visible .entry copies(
module @copies {
  func.func @copies(%from: !llvm.ptr, %to: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %n = ptx.id thread : i32
    %s = ptx.shared : !llvm.ptr<3>
    %s1 = ptx.shared {offset = 1024 : i32} : !llvm.ptr<3>
    // CHECK: prefetch.global.L2 [%rd{{[0-9]+}}];
    ptx.prefetch %from : !llvm.ptr
    // CHECK: mov.u64 [[BASE:%rd[0-9]+]], ingot_shared;
    // CHECK: cp.async.cg.shared.global [[[BASE]]], [%rd{{[0-9]+}}], 16;
    ptx.cp_async %s, %from : !llvm.ptr
    // CHECK: add.s64 [[SLOT:%rd[0-9]+]], [[BASE]], 1024;
    // CHECK: cp.async.cg.shared.global [[[SLOT]]], [%rd{{[0-9]+}}], 16, %r{{[0-9]+}};
    ptx.cp_async %s1, %from, %n : !llvm.ptr
    // Constant offsets go into the instruction.
    %c512 = arith.constant 512 : i32
    %s2 = llvm.getelementptr %s[%c512] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i8
    %from2 = llvm.getelementptr %from[%c512] : (!llvm.ptr, i32) -> !llvm.ptr, i8
    // CHECK: cp.async.cg.shared.global [[[BASE]]+512], [%rd{{[0-9]+}}+512], 16;
    ptx.cp_async %s2, %from2 : !llvm.ptr
    // CHECK: cp.async.commit_group;
    ptx.cp_async_commit
    // CHECK: cp.async.wait_group 0;
    ptx.cp_async_wait 0
    // CHECK: ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r{{[0-9]+}}}
    %a = ptx.ldmatrix %s : i32
    // CHECK: ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r{{[0-9]+}}, %r{{[0-9]+}}}, [[[BASE]]+512];
    %b:2 = ptx.ldmatrix %s2 : i32, i32
    // CHECK: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
    %c:4 = ptx.ldmatrix trans %s1 : i32, i32, i32, i32
    // CHECK: st.global.v4.{{[bu]}}32
    ptx.store %to, %a, %b#1, %c#0, %c#3 : !llvm.ptr, i32, i32, i32, i32
    return
  }
}

// CHECK-LABEL: .visible .entry words(
module @words {
  func.func @words(%from: !llvm.ptr, %to: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %s = ptx.shared {offset = 16 : i32} : !llvm.ptr<3>
    // CHECK: ld.global.nc.b32 %r
    %a = ptx.load_nc %from : !llvm.ptr -> i32
    // CHECK: ld.global.nc.v2.b32 {%r
    %b:2 = ptx.load_nc %from : !llvm.ptr -> i32, i32
    // CHECK: ld.global.nc.L1::no_allocate.v4.b32 {%r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}, %r{{[0-9]+}}}
    %c:4 = ptx.load_nc streaming %from : !llvm.ptr -> i32, i32, i32, i32
    // CHECK: st.shared.v4.{{[bu]}}32
    ptx.store %s, %a, %b#0, %c#2, %c#3 : !llvm.ptr<3>, i32, i32, i32, i32
    // CHECK: bar.warp.sync
    %all = arith.constant -1 : i32
    ptx.warp_sync %all
    // CHECK: ld.shared.v2.f32
    %d:2 = ptx.load %s : !llvm.ptr<3> -> f32, f32
    // CHECK: ld.global.f32
    %e = ptx.load %to : !llvm.ptr -> f32
    %f = arith.addf %d#0, %e : f32
    // CHECK: st.global.v2.f32
    ptx.store %to, %f, %d#1 : !llvm.ptr, f32, f32
    return
  }
}

// CHECK-LABEL: .visible .entry words_atomic(
module @words_atomic {
  func.func @words_atomic(%counter: !llvm.ptr, %to: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %one = arith.constant 1 : i32
    %long = arith.constant 1 : i64
    // CHECK: fence.acq_rel.gpu;
    ptx.fence acq_rel gpu
    // CHECK: atom.acq_rel.gpu.global.add.u32
    %a = ptx.atomic add acq_rel gpu %counter, %one : !llvm.ptr, i32
    // CHECK: atom.relaxed.cta.global.max.u64
    %b = ptx.atomic max relaxed cta %counter, %long : !llvm.ptr, i64
    // CHECK: atom.release.sys.global.exch.b32
    %c = ptx.atomic exch release sys %counter, %a : !llvm.ptr, i32
    // CHECK: fence.sc.sys;
    ptx.fence sc sys
    ptx.store %to, %a, %c : !llvm.ptr, i32, i32
    return
  }
}
}
