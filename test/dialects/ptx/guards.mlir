// With --mark-guards the branches, minima and choices that stand at a place of their own say so behind their
// instructions; the code is the same, line by line.
// RUN: ingot-ptx %s --mark-guards | FileCheck %s
// RUN: ingot-ptx %s --mark-guards | sed 's, *// guard.*,,' > %t.marked
// RUN: ingot-ptx %s | diff - %t.marked

module {
// CHECK-NOT: .loc
// CHECK-LABEL: .visible .entry guards(
// CHECK: @%p{{.*}} bra {{.*}}; // guard store.cpp:12
// CHECK: min.u32 {{.*}}, 9; // guard clamp.cpp:7
// CHECK: min.u32 {{[^/]*;$}}
// CHECK: st.global.u32 {{[^/]*;$}}
module @guards {
  func.func @guards(%from: !llvm.ptr, %to: !llvm.ptr, %rows: i32, %some: i32) attributes {ptx.entry = #ptx.entry<threads = 32>} {
    %row = ptx.id thread : i32
    %last = arith.constant 9 : i32
    %read = arith.minui %row, %last : i32 loc("guard"("clamp.cpp":7:0))
    %other = arith.minui %some, %rows : i32
    %source = llvm.getelementptr %from[%read] : (!llvm.ptr, i32) -> !llvm.ptr, i32
    %x = llvm.load %source : !llvm.ptr -> i32
    %y = arith.addi %x, %other : i32
    %inside = arith.cmpi ult, %row, %rows : i32
    scf.if %inside {
      %target = llvm.getelementptr %to[%row] : (!llvm.ptr, i32) -> !llvm.ptr, i32
      llvm.store %y, %target : i32, !llvm.ptr
    } loc("guard"("store.cpp":12:0))
    return
  }
}
}
// CHECK-NOT: .loc
