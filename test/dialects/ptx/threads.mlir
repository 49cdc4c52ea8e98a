// Every op on threads becomes its PTX instruction. The kernel does nothing sensible.
// RUN: ingot-ptx %s | FileCheck %s
// RUN: ingot-ptx %s --level 90 | FileCheck %s --check-prefix=SM90

// CHECK: .version 8.0
// CHECK-NEXT: .target sm_80
// CHECK-NEXT: .address_size 64
// CHECK-NOT: griddepcontrol
// SM90: .target sm_90
// SM90: griddepcontrol.launch_dependents;
// SM90: griddepcontrol.wait;

module {
// CHECK-LABEL: .visible .entry threads(
// CHECK: .maxntid 128, 1, 1
// CHECK: .minnctapersm 4
module @threads {
  func.func @threads(%args: !llvm.ptr, %scratch: !llvm.ptr) attributes {ptx.entry = #ptx.entry<threads = 128, ctas = 4>} {
    ptx.griddep_launch
    ptx.griddep_wait
    %mask = arith.constant 65535 : i32
    %one = arith.constant 1 : i32
    // CHECK-DAG: mov.u32 {{.*}}, %tid.x
    %t = ptx.id thread : i32
    // CHECK-DAG: mov.u32 {{.*}}, %ctaid.x
    %c = ptx.id block : i32
    // CHECK-DAG: mov.u32 {{.*}}, %nctaid.x
    %n = ptx.id blocks : i32
    // CHECK-DAG: mov.u32 {{.*}}, %ntid.x
    %d = ptx.id block_threads : i32
    // CHECK-DAG: mov.u32 {{.*}}, %laneid
    %l = ptx.id lane : i32
    %s0 = arith.addi %t, %c : i32
    %s1 = arith.xori %s0, %n : i32
    %s2 = arith.muli %s1, %d : i32
    %s3 = arith.addi %s2, %l : i32
    // CHECK: bar.sync 0;
    ptx.barrier
    // CHECK: bar.sync 1, 64;
    ptx.barrier {id = 1 : i32, threads = 64 : i32}
    // CHECK: bar.warp.sync 65535;
    ptx.warp_sync %mask
    // CHECK: shfl.sync.idx.b32 {{.*}}, 1, 4127, 65535;
    %x0 = ptx.shuffle idx %s3, %one, %mask {width = 16 : i32} : i32
    // CHECK: shfl.sync.bfly.b32 {{.*}}, 1, 31, 65535;
    %x1 = ptx.shuffle bfly %x0, %one, %mask : i32
    // CHECK: shfl.sync.up.b32 {{.*}}, 1, 0, 65535;
    %x2 = ptx.shuffle up %x1, %one, %mask : i32
    // CHECK: shfl.sync.down.b32 {{.*}}, 1, 6175, 65535;
    %x3 = ptx.shuffle down %x2, %one, %mask {width = 8 : i32} : i32
    %p = arith.cmpi eq, %x3, %one : i32
    // CHECK: vote.sync.ballot.b32
    %b = ptx.ballot %p, %mask : i32
    // CHECK: vote.sync.any.pred
    %any = ptx.vote any %p, %mask : i1
    // CHECK: vote.sync.all.pred
    %all = ptx.vote all %any, %mask : i1
    %z = arith.extui %all : i1 to i32
    %y = arith.addi %z, %b : i32
    // CHECK: st.global.u32
    llvm.store %y, %scratch : i32, !llvm.ptr
    return
  }
}
}
